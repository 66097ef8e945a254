"""`hirl benchmark`: measures agents and baselines on the frozen suites."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hirl_agents.common.tiling import tiled
from hirl_env.data.photographs import image_sources
from hirl_env.data.suites import Suite
from hirl_env.data.suites import suites as registered_suites
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, check_writable, some
from hirl_experiments.command_line.fingerprints import of_agent, of_photographs, of_toolset
from hirl_experiments.command_line.invocation import command_line
from hirl_experiments.command_line.records import Records
from hirl_experiments.command_line.results import markdown_table, print_table, write_json, write_markdown
from hirl_experiments.evaluation.entrants import (
    EntrantOptions,
    default_entrants,
    expanded,
    open_entrants,
    without_price,
)
from hirl_experiments.evaluation.runner import Finished
from hirl_experiments.evaluation.suite_rows import suite_rows
from hirl_experiments.reporting.comparison import by_entrant, by_part, earlier
from hirl_experiments.reporting.figures import save_figure
from hirl_experiments.reporting.pareto import gain_over_cost

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
    "all GFLOP": 2,
    "seconds": 1,
    "images": 0,
}


def benchmark(
    images: str,
    suites: tuple[str, ...] = ("unknown-v1", "light-v1", "levels-v1", "rl-restore-v1"),
    entrants: tuple[str, ...] | None = None,
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

    Prints a row for each entrant and part of a suite: mean PSNR (at most 50 dB per image) and SSIM, the gain over the
    distorted images, the score between the suite's fixed path (0) and the oracle (1) with its 95 % interval over
    photographs, the share of images that lose more than 0.1 dB, the share of clean images that come out below 45 dB,
    tools applied, GFLOP and seconds. For a suite of several parts, also prints the gains side by side.

    Args:
        images: Clean photographs: a folder, or a name (photos, cbsd68, kodak24, ...).
        suites: Suites to run: unknown-v1, light-v1, levels-v1, rl-restore-v1, strengths-v1, clean-v1, grid-v1.
        entrants: Entrants to compare. Default: distorted, fixed, the toolset's shipped agent, and oracle. Known:
            distorted, fixed, oracle, path:TYPE-DEGREE,..., or single (every tool); hirl; with --toolset paper
            hirl-paper, flat-dqn or rl-restore-paper; a file of an agent, or FILE:max_steps=3 for shorter paths than 7,
            which is what files of Stable-Baselines3 take; search:agent=hirl,budgets=9; with their authors' weights
            rl-restore:FILE, owan:FILE and ffdnet:FILE (given the noise that was added); or module:factory.
            @PRICE at the end (hirl@0.05, oracle@0.05) charges agents and searches that many dB per GFLOP. fixed is
            known for the toolsets hirl and paper; for another toolset, give the path: fixed:TYPE-DEGREE,..., as hirl
            fixed-path finds it.
        crop: Side of the crops in pixels, or None for whole photographs.
        per_image: Number of images from each photograph.
        seed: Seed of crops and degradations.
        toolset: Tools to choose among, as in hirl evaluate.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        out: File in which results are saved batch by batch, so that the same command resumes where it stopped.
        json: File to write settings and rows to; - for standard output.
        markdown: File to write the tables to in Markdown, under the command that made them.
        figure: PNG file for a plot of every entrant's gain over its GFLOP.
        beside: Files that earlier runs on the same images wrote with --json: their gains are shown next to these.
        trust: Whether agents may be .zip files of Stable-Baselines3: loading one runs code that it holds.
    """
    precision = available_precision(precision, device)
    entrants = ("distorted", *default_entrants(toolset)) if entrants is None else entrants
    arguments = locals()
    left_out = ("out", "json", "markdown", "figure", "beside", "entrants", "suites", "trust")
    settings = {key: value for key, value in arguments.items() if key not in left_out}
    command = command_line(benchmark, {**arguments, "out": None, "json": None, "markdown": None, "figure": None})
    suites = tuple(dict.fromkeys(suites))
    at_least(1, crop=crop, per_image=per_image)
    at_least(0, seed=seed)
    some(suites=suites, entrants=entrants)
    check_writable(json, markdown, figure, out)
    if figure is not None and set(entrants) == {"distorted"}:
        raise ValueError("--figure: no entrant costs anything; name one that applies tools")
    tools = tiled(toolsets.resolve(toolset).to(device))
    entrants = tuple(expanded(entrants, tools))
    photographs = image_sources.resolve(images)
    settings["photographs"] = of_photographs(photographs.files)
    before = [row for path in beside for row in earlier(path, settings)]
    # Everything is opened now, so that mistakes show before hours of computation.
    chosen = [registered_suites.resolve(name) for name in suites]
    opened = [open_entrants(entrants, EntrantOptions(tools, suite.fixed_path(toolset), trust)) for suite in chosen]
    # By the names under which results are saved; two files may share one.
    weights = {
        entrant.name: of_agent(without_price(name)[0]) for name, entrant in zip(entrants, opened[0], strict=True)
    }
    settings["tools"] = of_toolset(toolset)
    finished: Finished = {} if out is None else Records(out, settings, weights)
    count = len(photographs) * per_image
    rows: list[dict[str, Any]] = []
    for suite, of_suite in zip(chosen, opened, strict=True):
        samples = partial(suite.samples, photographs, crop_size=crop, per_image=per_image, seed=seed)
        rows += suite_rows(suite, of_suite, samples, count, tools, precision, finished)
        if json is not None:
            write_json(json, settings | {"suites": suites, "entrants": entrants, "weights": weights}, rows)
    size = "whole photographs" if crop is None else f"crops of {crop}"
    title = f"{photographs.name}, {size}, seed {seed}, {precision}"
    compared = _gains_by_suite(chosen, [*before, *rows])
    print_table(title, rows, DECIMALS)
    if any(row["score"] is not None and row["low"] is None for row in rows):
        print("no interval where the photographs are too few: some draws of them leave the oracle nothing to gain")
    for name, lines in compared.items():
        print_table(f"{name}: gain in dB (share harmed)", lines, {})
    if markdown is not None:
        tables = [*(markdown_table(lines, {}) for lines in compared.values()), markdown_table(rows, DECIMALS)]
        write_markdown(markdown, command, tables, title)
    if figure is not None:
        save_figure(gain_over_cost(rows), figure)
        print(f"wrote {figure}")


def _gains_by_suite(chosen: Sequence[Suite], rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """The gains of entrants on the parts of each suite that has several, by the names of suites."""
    compared = {}
    for suite in chosen:
        own = [row for row in rows if row["suite"] == suite.name]
        if len(suite.grids) == 2:
            compared[suite.name] = by_entrant(own, tuple(suite.grids))
        elif len(suite.parts) > 1:
            compared[suite.name] = by_part(own)
    return {name: lines for name, lines in compared.items() if lines}
