"""`hirl benchmark`: measures agents and baselines on the frozen suites."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from hirl_agents.common.tiling import tiled
from hirl_agents.registry import SHIPPED_AGENTS
from hirl_env.data.photographs import Photographs, image_sources
from hirl_env.data.samples import Sample
from hirl_env.data.suites import Suite, suites
from hirl_env.devices import AnyPrecision, Precision, available_precision
from hirl_env.files import atomic_write_text
from hirl_env.quality import psnr, ssim
from hirl_env.tools.known import toolsets
from hirl_env.tools.tool import SHIPPED_TOOLS
from hirl_env.tools.toolset import Toolset
from hirl_env.weights import HASHES
from hirl_experiments.evaluation.entrants import FIXED, ORACLE, Entrant, Field, every, open_entrant, without_price
from hirl_experiments.evaluation.sampling import batches, begin
from hirl_experiments.evaluation.scores import CAP, Outcomes, score
from hirl_experiments.io.invocation import command_line
from hirl_experiments.io.output import at_least, check_writable, markdown_table, print_table, write_json
from hirl_experiments.io.records import Records
from hirl_experiments.reporting.figures import save_figure
from hirl_experiments.reporting.pareto import gain_over_cost
from hirl_experiments.reporting.side_by_side import by_entrant, by_part, earlier

DECIMALS = {
    "PSNR": 2,
    "SSIM": 4,
    "gain": 2,
    "score": 2,
    "low": 2,
    "high": 2,
    "harm %": 1,
    "altered %": 1,
    "trials": 2,
    "GFLOP": 2,
    "seconds": 1,
    "images": 0,
}


def benchmark(
    images: str,
    suites: tuple[str, ...] = ("unknown-v1", "light-v1", "levels-v1", "rl-restore-v1"),
    entrants: tuple[str, ...] = ("distorted", FIXED, "hirl", ORACLE),
    crop: int | None = 64,
    per_image: int = 1,
    seed: int = 0,
    toolset: str = "hirl",
    precision: AnyPrecision = "float32",
    device: str = "cpu",
    out: Path | None = None,
    json: Path | None = None,
    markdown: Path | None = None,
    figure: Path | None = None,
    beside: tuple[Path, ...] = (),
    trust: bool = False,
) -> None:
    """Measure agents and baselines on the frozen suites.

    Prints a row for each entrant and part of a suite: mean PSNR (at most 50 dB an image) and SSIM, the gain over the
    distorted images, the score between the suite's fixed path (0) and the oracle (1) with its 95 % interval over
    photographs, the share of images that lose more than 0.1 dB, the share of clean images that come out below 45 dB,
    tools applied, GFLOP and seconds. Of a suite of several parts, also the gains side by side.

    Args:
        images: Clean photographs: a folder, or a name (photos, cbsd68, kodak24, ...).
        suites: Suites to run: unknown-v1, light-v1, levels-v1, rl-restore-v1, strengths-v1, clean-v1, grid-v1.
        entrants: Entrants to compare: distorted, fixed, oracle, path:TYPE-DEGREE,..., or single (every tool); hirl,
            flat-dqn or a .safetensors file of hirl train; search:agent=hirl,budgets=9; rl-restore:FILE and owan:FILE
            with their authors' weights; or module:factory. With @PRICE at its end (hirl@0.05, oracle@0.05), one that
            chooses is charged as many dB for a GFLOP.
        crop: Side of the crops in pixels, or None for whole photographs.
        per_image: Images of each photograph.
        seed: Seed of crops and degradations.
        toolset: Tools to choose among, as of hirl evaluate.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        out: File in which results are kept batch by batch: the same command goes on where it was.
        json: File to which settings and rows are written.
        markdown: File to which the tables are written in Markdown, under the command that made them.
        figure: PNG file to which the gain of every entrant is drawn over its GFLOP.
        beside: Files that earlier runs on the same images wrote with --json: their gains are shown beside these.
        trust: Whether agents may be .zip files of Stable-Baselines3: loading one runs code that it holds.
    """
    precision = available_precision(precision, device)
    arguments = locals()
    left_out = ("out", "json", "markdown", "figure", "beside", "entrants", "suites", "trust")
    settings = {key: value for key, value in arguments.items() if key not in left_out}
    command = command_line(benchmark, {**arguments, "out": None, "json": None, "markdown": None, "figure": None})
    suites = tuple(dict.fromkeys(suites))
    at_least(1, crop=crop, per_image=per_image)
    at_least(0, seed=seed)
    if not suites or not entrants:
        raise ValueError("--suites and --entrants need at least one each")
    check_writable(json, file=markdown)
    tools = tiled(toolsets.resolve(toolset).on(device))
    entrants = tuple(every(entrants, tools))
    photographs = image_sources.resolve(images)
    before = [row for path in beside for row in earlier(path, settings)]
    # All that may be wrong is opened now: what is asked last runs hours later.
    field = {
        name: [open_entrant(entrant, Field(tools, suite.fixed, trust)) for entrant in entrants]
        for name, suite in _resolved(suites)
    }
    settings["weights"] = {entrant: _weights(entrant) for entrant in entrants} | {"tools": _tool_hashes(toolset)}
    finished: Any = {} if out is None else Records(out, settings)
    rows: list[dict[str, Any]] = []
    for name, suite in _resolved(suites):
        rows += _suite_rows(suite, field[name], photographs, crop, per_image, seed, tools, precision, finished)
        if json is not None:
            write_json(json, settings | {"suites": suites, "entrants": entrants}, rows)
    title = (
        f"{photographs.name}, {'whole photographs' if crop is None else f'crops of {crop}'}, seed {seed}, {precision}"
    )
    print_table(title, rows, DECIMALS)
    compared = _side_by_side([suite for _, suite in _resolved(suites)], [*before, *rows])
    for name, lines in compared.items():
        print_table(f"{name}: gain in dB (share harmed)", lines, {})
    if markdown is not None:
        tables = [*(markdown_table(lines, {}) for lines in compared.values()), markdown_table(rows, DECIMALS)]
        atomic_write_text(markdown, "\n".join([f"{title}:\n\n```sh\n{command}\n```\n", *tables]))
        print(f"wrote {markdown}")
    if figure is not None:
        save_figure(gain_over_cost(rows), figure)
        print(f"wrote {figure}")


def _resolved(names: Sequence[str]) -> list[tuple[str, Suite]]:
    return [(name, suites.resolve(name)) for name in names]


def _side_by_side(chosen: Sequence[Suite], rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """By the names of suites that have several parts, what their entrants gain on these."""
    compared = {}
    for suite in chosen:
        own = [row for row in rows if row["suite"] == suite.name]
        if len(suite.grids) == 2:
            compared[suite.name] = by_entrant(own, tuple(suite.grids))
        elif len(suite.parts) > 1:
            compared[suite.name] = by_part(own)
    return {name: lines for name, lines in compared.items() if lines}


def _suite_rows(
    suite: Suite,
    field: Sequence[Entrant],
    photographs: Photographs,
    crop: int | None,
    per_image: int,
    seed: int,
    tools: Toolset,
    precision: Precision,
    finished: Any,
) -> list[dict[str, Any]]:
    """Rows of every part, and of all parts together where there are several."""
    by_part: dict[str, dict[str, Outcomes]] = {}
    for part in suite.parts:
        samples = suite.samples(photographs, part, crop, per_image, seed)
        total = len(photographs) * per_image * len(field)
        kept: dict[str, list[dict[str, Any]]] = {entrant.name: [] for entrant in field}
        with tqdm(total=total, desc=f"{suite.name} {part}", unit="image", disable=None) as bar:
            for number, batch in enumerate(batches(samples)):
                start = begin(batch, tools, precision)
                for entrant in field:
                    key = (suite.name, part, number, entrant.name)
                    if key not in finished:
                        finished[key] = _measured(entrant, batch, start)
                    kept[entrant.name].append(finished[key])
                    bar.update(len(batch))
        by_part[part] = {name: _outcomes(parts) for name, parts in kept.items()}
    if len(by_part) > 1:
        by_part["all"] = {
            entrant.name: _joined([outcomes[entrant.name] for outcomes in by_part.values()]) for entrant in field
        }
    return [
        _row(suite.name, part, name, one, outcomes.get(FIXED), outcomes.get(ORACLE))
        for part, outcomes in by_part.items()
        for name, one in outcomes.items()
    ]


def _measured(entrant: Entrant, batch: Sequence[Sample], start: Any) -> dict[str, Any]:
    """What an entrant makes of a batch, image by image."""
    began = time.perf_counter()
    result = entrant.restore(start)
    seconds = time.perf_counter() - began
    # A picture is what is saved: clamped, and in 8 bits.
    restored = (result.state.images.clamp(0, 1) * 255).round() / 255
    references = start.state.references
    return {
        "photographs": [sample.name for sample in batch],
        "before": _capped(start.state.images, references),
        "psnr": _capped(restored, references),
        "ssim": ssim(restored, references).tolist(),
        "trials": result.trials.tolist(),
        "gflop": result.state.costs.tolist(),
        "seconds": seconds,
    }


def _capped(images: torch.Tensor, references: torch.Tensor) -> list[float]:
    decibels: list[float] = psnr(images, references).clamp(max=CAP).tolist()
    return decibels


def _outcomes(parts: Sequence[dict[str, Any]]) -> Outcomes:
    arrays = {
        name: np.concatenate([np.asarray(part[name], dtype=np.float64) for part in parts])
        for name in ("before", "psnr", "ssim", "trials", "gflop")
    }
    names = list(itertools.chain.from_iterable(part["photographs"] for part in parts))
    return Outcomes(names, **arrays, seconds=sum(part["seconds"] for part in parts))


def _joined(parts: Sequence[Outcomes]) -> Outcomes:
    return _outcomes([vars(part) for part in parts])


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
        "seconds": one.seconds,
        "images": len(one.psnr),
    }


def _weights(entrant: str) -> str:
    """The hash of the file that an entrant is read from, or its name where there is none."""
    unpriced, _ = without_price(entrant)
    path = SHIPPED_AGENTS.get(unpriced, Path(unpriced.partition(":")[2] or unpriced))
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else entrant


def _tool_hashes(toolset: str) -> str:
    """The hashes of the shipped tools of a toolset; of all of them where it has a short-hand."""
    own = SHIPPED_TOOLS / toolset / HASHES
    listings = [own] if own.is_file() else SHIPPED_TOOLS.rglob(HASHES)
    return "".join(sorted(listing.read_text() for listing in listings))
