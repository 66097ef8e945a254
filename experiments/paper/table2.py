"""Table 2: gains of brute force and of the search guided by HIRL's values with the same number of trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from hirl_env.data.degradations import LEVELS
from hirl_env.tabulate import PIXELS
from hirl_experiments.evaluation.runner import Row
from hirl_experiments.paper.experiment import Experiment
from hirl_experiments.paper.orderings import Ordering, rising
from hirl_experiments.paper.report import Report, publish
from hirl_experiments.paper.reported import TABLE2
from hirl_experiments.paper.table3 import LENGTHS

LONGEST = 4  # of brute force's paths, in the paper
SEARCHED = max(LENGTHS)  # steps of the longest path of the guided search: the paper's longest
MEMORY = 4 << 30  # bytes for the images that the guided search keeps
PIXEL = 12  # bytes of one
METHODS = ("distorted", "brute-force", "hirl-search", "reverse", "greedy")
TITLE = "Table 2: PSNR gains (dB) with the same number of trials"


Gains = dict[str, dict[int, float]]  # by level, then by trials


def table2(experiment: Experiment) -> None:
    """Measures and writes Table 2.

    Raises:
        ValueError: If every column has more trials than allowed, or the guided search would need too much memory.
    """
    budgets, searched = _budgets(experiment)
    pixels = MEMORY // (PIXEL * searched[-1])
    _check_sizes(experiment, pixels)
    methods = experiment.methods(METHODS, len(budgets), searched, SEARCHED)
    records = experiment.records(
        "table2", METHODS, max_trials=budgets[-1], search_trials=searched[-1], searched_steps=SEARCHED
    )
    gains: dict[str, Gains] = {"brute force": {}, "HIRL": {}}
    rows: list[dict[str, Any]] = []
    claims: list[Ordering] = []
    for level in LEVELS:
        distortion = experiment.made(level, level)
        measured = experiment.measure(distortion, methods, records, pixels=min(PIXELS, pixels))
        here = {row.method: row for row in measured}
        for scheme, trials, name in _schemes(budgets, searched):
            rows.append(_row(scheme, trials, here[name]))
            if trials is not None:
                gains[scheme].setdefault(level, {})[trials] = here[name].gain
        claims += _claims(level, here, {scheme: of_level[level] for scheme, of_level in gains.items()}, searched[-1])
    means = {
        scheme: {trials: fmean(of_level[trials] for of_level in levels.values()) for trials in budgets}
        for scheme, levels in gains.items()
    }
    rows += [_mean_row(scheme, trials, gain) for scheme, by in means.items() for trials, gain in by.items()]
    left_out = [trials for trials in TABLE2["HIRL"] if trials > budgets[-1]]
    notes = [
        "Both see the reference and report the best image that they came by, the distorted one included. A trial is "
        "one application of a tool to an image. Brute force tries every path of a length; HIRL takes turns over the "
        f"lengths of paths, up to the {SEARCHED} steps of Table 3, and spends each trial where PSNR so far plus value "
        "of the next tool is largest. The paper does not say how its HIRL spends more trials than one path has.",
        "The means are over mild, moderate and severe; the paper's row is on its hybrid distortions, all together.",
        *([_ended(searched[-1])] if searched != budgets else []),
        *([f"Left out: {', '.join(f'{one:,}' for one in left_out)} trials (--max-trials)."] if left_out else []),
        *experiment.notes(),
    ]
    figures = {"table2": _figure(means)}
    publish(Report("table2", TITLE, _table(gains, means, searched[-1]), rows, notes, figures, claims), experiment)


def _budgets(experiment: Experiment) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Trials of the columns, and those after which the guided search reports.

    m + m^2 + ... + m^n trials try every path of m tools of up to n steps.
    """
    tools, chosen = len(experiment.toolset.cells), experiment.settings
    costs = list(accumulate(tools**length for length in range(1, LONGEST + 1)))
    search_trials = chosen.max_trials if chosen.search_trials is None else chosen.search_trials
    for option, most in (("max-trials", chosen.max_trials), ("search-trials", search_trials)):
        if most < tools:
            raise ValueError(f"--{option} must be at least {tools}, got {most}")
    budgets = tuple(cost for cost in costs if cost <= chosen.max_trials)
    return budgets, tuple(cost for cost in budgets if cost <= search_trials)


def _schemes(budgets: tuple[int, ...], searched: tuple[int, ...]) -> Iterator[tuple[str, int | None, str]]:
    """What is measured: scheme, trials of its column (None if it has no column), and the name of the method's row."""
    *shorter, longest = budgets
    for length, trials in enumerate(shorter, 1):
        yield "brute force", trials, f"brute-force-{length}"
    yield "brute force", longest, "brute-force"
    for trials in budgets:
        yield "HIRL", trials, f"hirl-search-{min(trials, searched[-1])}"
    yield "reverse order", None, "reverse"
    yield "greedy", None, "greedy"


def _ended(trials: int) -> str:
    return (
        f"HIRL's search was ended after {trials:,} trials (--search-trials): columns with more show what it had found "
        "by then, and it keeps the best that it has found."
    )


def _row(scheme: str, trials: int | None, row: Row) -> dict[str, Any]:
    return {
        **{"scheme": scheme, "level": row.degradation, "trials": trials, "gain": row.gain},
        **{"used": row.trials, "seconds": row.seconds, "images": row.images, "paper": None},
    }


def _mean_row(scheme: str, trials: int, gain: float) -> dict[str, Any]:
    """The mean over the levels, with the paper's."""
    return {
        **{"scheme": scheme, "level": "mean", "trials": trials, "gain": gain},
        **{"used": None, "seconds": None, "images": None, "paper": TABLE2[scheme].get(trials)},
    }


def _claims(
    level: str, here: Mapping[str, Row], gains: Mapping[str, dict[int, float]], searched: int
) -> Iterator[Ordering]:
    """The paper's orderings on one level, from its rows, the gains of each scheme by trials, and the search's most."""
    strategies = {"reverse order": here["reverse"].gain, "greedy choice": here["greedy"].gain}
    brute_force = {f"brute force of {len(gains['HIRL'])} steps": here["brute-force"].gain}
    yield from rising(strategies | brute_force, level)
    for trials, gain in gains["HIRL"].items():
        search = "HIRL's search" if trials <= searched else f"HIRL's search of {searched:,} trials"
        claim = f"on {level} {search} is ahead of brute force at {trials:,} trials"
        yield Ordering(claim, gain - gains["brute force"][trials])


def _table(gains: Mapping[str, Gains], means: Mapping[str, dict[int, float]], searched: int) -> list[dict[str, str]]:
    """A line for each scheme and level; what a search found with fewer trials than its column has is a lower bound."""
    table = []
    for scheme, levels in gains.items():
        lines = {"the paper": TABLE2[scheme], "here": means[scheme]}
        lines |= {f"here, {level}": of_level for level, of_level in levels.items()}
        for whose, of_line in lines.items():
            columns = {}
            for trials in means[scheme]:
                bound = "≥ " if scheme == "HIRL" and whose != "the paper" and trials > searched else ""
                columns[f"{trials:,} trials"] = f"{bound}{of_line[trials]:.3f}"
            table.append({"scheme": scheme, "": whose, **columns})
    return table


def _check_sizes(experiment: Experiment, pixels: int) -> None:
    """Raises ValueError if the guided search would keep more images of a photograph than fit into memory."""
    crop = experiment.settings.crop
    sizes: Iterable[tuple[int, int]] = [(crop, crop)] if crop else _sizes(experiment)
    for height, width in sizes:
        if height * width > pixels:
            raise ValueError(
                f"the guided search keeps an image for every trial: {width}x{height} pixels are too large for that "
                f"(at most {pixels} pixels with this --search-trials); give a --crop, or fewer --search-trials"
            )


def _sizes(experiment: Experiment) -> Iterator[tuple[int, int]]:
    for photograph in experiment.photographs:
        if photograph.reference is not None:
            height, width = photograph.reference.shape[:2]
            yield height, width


def _figure(means: dict[str, dict[int, float]]) -> Figure:
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axis = figure.subplots()
    for number, (scheme, gains) in enumerate(means.items()):
        colour = f"C{number}"
        axis.plot(list(gains), list(gains.values()), "o-", color=colour, label=f"{scheme}, here")
        paper = TABLE2[scheme]
        axis.plot(list(paper), list(paper.values()), "o:", color=colour, alpha=0.6, label=f"{scheme}, the paper")
    axis.set_xscale("log")
    ticks = list(TABLE2["HIRL"])
    axis.set_xticks(ticks, [f"{trials:,}" for trials in ticks])
    axis.minorticks_off()
    axis.set_xlabel("trials an image")
    axis.set_ylabel("gain (dB), mean of the levels")
    axis.set_title(TITLE, fontsize=9, loc="left")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return figure
