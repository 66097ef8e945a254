"""Table 1: PSNR and SSIM of every method on single and hybrid distortions."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean
from typing import Any

from hirl_experiments.paper.distortions import NETWORKS, network_rows, single_notes, table1_rows
from hirl_experiments.paper.experiment import BASELINES, Experiment
from hirl_experiments.paper.orderings import Ordering, ahead_of_all
from hirl_experiments.paper.report import Report, publish
from hirl_experiments.paper.reported import TABLE1, Scores
from hirl_experiments.reporting.figures import table_figure

BY_VALUE, BY_REFERENCE = "HIRL, stops by value", "HIRL, stops by reference"
BOUND = "brute force"
# The columns, by the rows of evaluation that fill them; those of the single networks depend on the distortion.
COLUMNS = {
    "distorted": "distorted",
    **{network: network for network in NETWORKS},
    **BASELINES,
    "hirl": BY_VALUE,
    "hirl reference stop": BY_REFERENCE,
    "brute-force": BOUND,
}
PAPER = {
    name: {BY_REFERENCE if column == "HIRL" else column: scores for column, scores in row.items()}
    for name, row in TABLE1.items()
}
PAPERS = ("paper_psnr", "paper_ssim")  # keys of the rows
TITLE = "Table 1: PSNR (dB) / SSIM by distortion"


def table1(experiment: Experiment) -> None:
    """Measures and writes Table 1."""
    depth = experiment.settings.brute_force
    methods = ("distorted", "single", *experiment.baselines, "hirl", *(("brute-force",) if depth else ()))
    opened = experiment.methods(methods, depth or 1)
    distortions = table1_rows(experiment)
    every = [distortion.photographs for row in distortions.values() for distortion in row]
    records = experiment.records("table1", methods, *every, brute_force=depth)
    rows: list[dict[str, Any]] = []
    scores: dict[str, dict[str, Scores]] = {}
    for name, levels in distortions.items():
        columns: dict[str, list[Scores]] = {}
        for distortion in levels:
            networks = {row: network for network, row in network_rows(experiment.toolset, distortion.nominal).items()}
            for row in experiment.measure(distortion, opened, records):
                column = COLUMNS.get(networks.get(row.method, row.method))
                rows.append({"distortion": name, "column": column, **asdict(row), **dict.fromkeys(PAPERS)})
                if column is not None:
                    columns.setdefault(column, []).append((row.psnr, row.ssim))
        scores[name] = {column: _mean(all_levels) for column, all_levels in columns.items()}
        rows += [dict.fromkeys(rows[0]) | _mean_row(name, column, means) for column, means in scores[name].items()]
    table = _table(scores)
    bound = [f"Brute force tries every path of up to {depth} steps and sees the reference: a bound."] if depth else []
    notes = [
        *single_notes(experiment),
        "HIRL and the flat DQN take at most as many steps as in their training. Stopping by value needs no reference; "
        "stopping by reference takes back the first step that gains nothing, which the paper's numbers are taken to "
        "have done. All methods start from the same distorted images.",
        "The paper's numbers are on other photographs, with other weights. Averages are of the six rows above; the "
        "paper's own average of FFDNet's SSIM, .7908, does not follow from its rows.",
        experiment.about_rl_restore(),
        *bound,
        *experiment.notes(),
    ]
    figures = {"table1": table_figure(TITLE, table)}
    publish(Report("table1", TITLE, table, rows, notes, figures, orderings(scores)), experiment)


def orderings(scores: dict[str, dict[str, Scores]]) -> list[Ordering]:
    """The paper's claim that HIRL is ahead of every other method on every row.

    Args:
        scores: PSNR and SSIM by distortion and column.
    """
    claims = []
    for stop in (BY_REFERENCE, BY_VALUE):
        for distortion, columns in scores.items():
            psnr = {name: decibels for name, (decibels, _) in columns.items() if name != BOUND}
            others = {name: value for name, value in psnr.items() if name not in (BY_VALUE, BY_REFERENCE)}
            claims.append(ahead_of_all(stop, distortion, psnr, others))
    return claims


def _mean_row(distortion: str, column: str, means: Scores) -> dict[str, Any]:
    """The values in the row of all levels of a distortion together, with the paper's."""
    psnr, ssim = means
    papers = dict(zip(PAPERS, PAPER[distortion].get(column, (None, None)), strict=True))
    return {"distortion": distortion, "column": column, "degradation": "mean", "psnr": psnr, "ssim": ssim, **papers}


def _mean(scores: list[Scores]) -> Scores:
    return fmean(psnr for psnr, _ in scores), fmean(ssim for _, ssim in scores)


def _table(here: dict[str, dict[str, Scores]]) -> list[dict[str, str]]:
    """Two lines for each distortion: the values measured here, and the paper's."""
    first = next(iter(here.values()))
    columns = [column for column in COLUMNS.values() if column in first]
    table = []
    for name in [*here, "average"]:
        for whose, rows in {"here": here, "the paper": PAPER}.items():
            every = list(rows.values()) if name == "average" else [rows[name]]
            cells = {
                column: "{:.2f}/{:.4f}".format(*_mean([row[column] for row in every])) if column in every[0] else ""
                for column in columns
            }
            table.append({"distortion": name, "": whose, **cells})
    return table
