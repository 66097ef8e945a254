"""Writes a table or figure of the paper: Markdown, JSON, PNG, and Weights & Biases where asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from hirl_env.files import atomic_write_text
from hirl_experiments.command_line.results import markdown_table, print_table, write_json
from hirl_experiments.paper.experiment import Experiment
from hirl_experiments.paper.orderings import Ordering
from hirl_experiments.reporting.figures import save_figure
from hirl_experiments.reporting.provenance import provenance
from hirl_experiments.training.weights_and_biases import start_wandb


@dataclass(frozen=True)
class Report:
    """The content of a table or figure.

    Attributes:
        name: Name of the files: ``table1``, ...
        title: Title, a line.
        table: Table with formatted values; rows share their keys.
        rows: Measured numbers, each with the paper's if there is one.
        notes: Notes on differences from the paper, and on how it was made.
        figures: Figures by the names of their files, without ending.
        orderings: Claims of the paper about these figures.
    """

    name: str
    title: str
    table: Sequence[Mapping[str, str]]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    orderings: Sequence[Ordering] = ()


def publish(report: Report, experiment: Experiment) -> None:
    """Writes a report to the experiment's folder and prints its table."""
    out = experiment.settings.out
    settings = dataclasses.asdict(experiment.settings)
    for name, figure in report.figures.items():
        save_figure(figure, out / f"{name}.png")
        print(f"wrote {out / name}.png")
    pictures = "".join(f"\n![{report.title}]({name}.png)\n" for name in report.figures)
    notes = "".join(f"- {note}\n" for note in report.notes)
    claims = [str(ordering) for ordering in report.orderings]
    orderings = "".join(f"- {claim}\n" for claim in claims)
    text = f"# {report.title}\n\n{markdown_table(report.table, {})}{pictures}\n{notes}"
    if claims:
        text += f"\n## What the paper claims\n\n{orderings}"
    atomic_write_text(out / f"{report.name}.md", text)
    print(f"wrote {out / report.name}.md")
    write_json(
        out / f"{report.name}.json",
        settings | provenance() | {"notes": list(report.notes), "orderings": claims},
        report.rows,
    )
    print_table(report.title, report.table, {})
    print(orderings, end="")
    if experiment.settings.wandb:
        _log(report, experiment, settings)


def _log(report: Report, experiment: Experiment, settings: dict[str, Any]) -> None:
    import wandb

    out = experiment.settings.out
    config = {"part": report.name, **{key: str(value) for key, value in settings.items()}}
    run = start_wandb("hirl", report.name, out, config)
    columns: list[str | int] = list(report.rows[0])
    run.log({report.name: wandb.Table(columns, [[row[str(column)] for column in columns] for row in report.rows])})
    run.log({name: wandb.Image(str(out / f"{name}.png")) for name in report.figures})
    run.finish()
