"""The baselines' part of `hirl bench`: one photograph restored by HIRL and by networks with their authors' weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hirl_agents.common.tiling import tiled
from hirl_env.devices import Precision
from hirl_env.tools.registry import toolsets
from hirl_experiments.benchmarks.agents import PHOTOGRAPH, degraded_photograph
from hirl_experiments.evaluation.entrants import Entrant, EntrantOptions, open_entrants
from hirl_experiments.evaluation.sampling import begin


def open_baselines(owan: Path | None, ffdnet: Path | None) -> list[Entrant]:
    """The unchanged picture, HIRL, and the baselines whose weights are given.

    Raises:
        ValueError: If a file does not hold the weights.
    """
    given = {"owan": owan, "ffdnet": ffdnet}
    names = ["distorted", "hirl", *(f"{name}:{file}" for name, file in given.items() if file is not None)]
    return open_entrants(names, EntrantOptions(tiled(toolsets.resolve("hirl")), fixed=()))


def bench_baselines(entrants: Sequence[Entrant], precisions: Sequence[Precision], seed: int) -> list[dict[str, Any]]:
    """Seconds, GFLOP and PSNR in dB of each entrant on a photograph of 481x321, after a warm-up.

    Args:
        entrants: Entrants to compare.
        precisions: Precisions of HIRL's tools; the baselines' networks run in float32.
        seed: Seed of the degradation.
    """
    sample = degraded_photograph(PHOTOGRAPH, seed)
    assert sample.degradation is not None
    rows = []
    for entrant in entrants:
        for precision in precisions if entrant.name == "hirl" else ("float32",):
            start = begin([sample], tiled(toolsets.resolve("hirl")), precision)
            entrant.restore(start, [sample.degradation])
            began = time.perf_counter()
            state = entrant.restore(start, [sample.degradation]).state
            seconds = time.perf_counter() - began
            assert state.psnr is not None
            gflop, decibels = float(state.costs[0]), float(state.psnr[0])
            row = {"what": entrant.name, "precision": precision, "seconds": seconds, "GFLOP": gflop, "PSNR": decibels}
            rows.append(row)
    return rows
