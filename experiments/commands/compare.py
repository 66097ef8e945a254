"""`hirl compare`: learning curves of finished or running trainings, several seeds to a curve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from hirl_experiments.command_line.output import print_table
from hirl_experiments.reporting.curves import DECIMALS, check_alike, draw_curves, summary
from hirl_experiments.training.run_folder import read_config, read_curve


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")],
    out: Path = Path("curves.png"),
) -> None:
    """Draw the learning curves of trainings: gain on validation photographs over environment steps.

    Runs of one label (see hirl train; the preset's name unless given) make one curve: their mean, in a band that is the
    bootstrap interval (95%) of the mean over seeds. Of two or three seeds that is no more than their range. Gains are
    means of the three levels; the best.safetensors of a run is chosen by the mean of these and of single distortions.

    Args:
        runs: Folders that hirl train wrote.
        out: File of the figure, PNG.
    """
    if not runs:
        raise ValueError("name at least one folder that hirl train wrote")
    configs = {run: read_config(run) for run in runs}
    check_alike(configs)
    groups: dict[str, list[list[dict[str, float]]]] = {}
    for run, config in configs.items():
        groups.setdefault(config.label, []).append(read_curve(run))
    rows = [summary(label, curves) for label, curves in groups.items()]
    draw_curves(groups, out)
    print_table("gain on validation photographs, at its best and at the end", rows, DECIMALS)
    print(f"wrote {out}")
