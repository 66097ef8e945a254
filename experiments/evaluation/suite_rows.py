"""Results of entrants on a suite, as rows of a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hirl_env.data.samples import Sample
from hirl_env.data.suites import Suite
from hirl_env.devices import Precision
from hirl_env.tools.toolset import Toolset
from hirl_experiments.evaluation.entrants import FIXED, ORACLE, Entrant
from hirl_experiments.evaluation.runner import Finished, Measured, Runner
from hirl_experiments.evaluation.scores import CAP, Outcomes, score


def suite_rows(
    suite: Suite,
    entrants: Sequence[Entrant],
    samples: Callable[[str], Iterable[Sample]],
    count: int,
    toolset: Toolset,
    precision: Precision,
    finished: Finished,
) -> list[dict[str, Any]]:
    """Rows of every part, and of all parts together if there are several.

    Args:
        suite: Suite.
        entrants: Entrants to compare, with different names.
        samples: Function from the name of a part to its samples.
        count: Number of samples of each part, for the progress bar.
        toolset: Tools that entrants choose among.
        precision: Precision of the tools' convolutions.
        finished: Results that need not be measured again; new results are added as they come.
    """
    runs = {entrant.name: entrant.run for entrant in entrants}
    runner = Runner(runs, toolset, precision, finished, as_saved=True)
    measured = {part: runner.measure(samples(part), count, suite.name, part) for part in suite.parts}
    if len(measured) > 1:
        measured["all"] = {name: list(itertools.chain(*(of[name] for of in measured.values()))) for name in runs}
    return [row for part, results in measured.items() for row in _rows(suite.name, part, results)]


def _rows(suite: str, part: str, results: Mapping[str, Sequence[Measured]]) -> list[dict[str, Any]]:
    outcomes = {name: _outcomes(parts) for name, parts in results.items()}
    fixed, oracle = outcomes.get(FIXED), outcomes.get(ORACLE)
    return [_row(suite, part, name, one, fixed, oracle) for name, one in outcomes.items()]


def _outcomes(parts: Sequence[Measured]) -> Outcomes:
    def joined(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([value for part in parts for value in part[name]], dtype=np.float64)  # type: ignore[literal-required]

    return Outcomes(
        [name for part in parts for name in part["photographs"]],
        # Results that are resumed may be from before PSNR was capped where it is measured.
        before=joined("before").clip(max=CAP),
        psnr=joined("psnr").clip(max=CAP),
        ssim=joined("ssim"),
        trials=joined("trials"),
        gflop=joined("gflop"),
        computed=sum(part["computed"] for part in parts),
        seconds=sum(part["seconds"] for part in parts),
    )


def _row(
    suite: str, part: str, name: str, one: Outcomes, fixed: Outcomes | None, oracle: Outcomes | None
) -> dict[str, Any]:
    scored = None if fixed is None or oracle is None else score(one, fixed, oracle)
    return {
        "suite": suite,
        "part": part,
        "entrant": name,
        "PSNR": float(one.psnr.mean()),
        "SSIM": float(one.ssim.mean()),
        "gain": float((one.psnr - one.before).mean()),
        "score": scored and scored.value,
        "low": scored and scored.low,
        "high": scored and scored.high,
        "harm %": 100 * float(one.harmed.mean()),
        "altered %": 100 * float(one.altered.mean()) if one.altered.size else None,
        "trials": float(one.trials.mean()),
        "GFLOP": float(one.gflop.mean()),
        "all GFLOP": one.computed / len(one.psnr),
        "seconds": one.seconds,
        "images": len(one.psnr),
    }
