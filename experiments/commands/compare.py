"""`hirl compare`: learning curves of finished or running trainings, several seeds to a curve."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import tyro

from hirl_experiments.command_line.checks import check_writable
from hirl_experiments.command_line.invocation import command_line
from hirl_experiments.command_line.results import markdown_table, print_table, write_markdown
from hirl_experiments.reporting.curves import DECIMALS, check_alike, draw_curves, gain_columns, measured_unlike, summary
from hirl_experiments.training.run_folder import read_config, read_curve

TITLE = "gain on validation photographs, at its best and at the end"


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")],
    out: Path = Path("curves.png"),
    markdown: Path | None = None,
) -> None:
    """Draw the learning curves of trainings: gain on validation photographs over environment steps.

    Runs with the same label (see hirl train; by default the preset's name) make one curve: their interquartile mean
    (that of the middle half of the seeds; of fewer than four, of all) in its bootstrap interval (95%). For two or three
    seeds that is at most their range. The figure has a panel, and the table rows, for the mean of the three levels and
    for everything else that was measured.

    Args:
        runs: Folders that hirl train wrote.
        out: File of the figure, PNG.
        markdown: File to write the table to in Markdown, under the command that made it.
    """
    if not runs:
        raise ValueError("name at least one folder that hirl train wrote")
    check_writable(markdown=markdown, figure=out)
    configs = {run: read_config(run) for run in runs}
    check_alike(configs)
    if unlike := measured_unlike(configs):
        warnings.warn(f"the runs differ in {', '.join(unlike)}: their curves were not measured alike", stacklevel=1)
    groups: dict[str, list[list[dict[str, float]]]] = {}
    for run, config in configs.items():
        groups.setdefault(config.label, []).append(read_curve(run))
    rows = [
        {"on": title} | summary(label, curves, column)
        for title, column in gain_columns(groups).items()
        for label, curves in groups.items()
    ]
    draw_curves(groups, out)
    print_table(TITLE, rows, DECIMALS)
    print(f"wrote {out}")
    if markdown is not None:
        write_markdown(markdown, command_line(compare, {"runs": runs}), [markdown_table(rows, DECIMALS)], TITLE)
