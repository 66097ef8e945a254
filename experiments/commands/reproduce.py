"""`hirl reproduce`: measures the paper's tables and figures, and compares them with what the paper reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import tyro

from hirl_experiments.paper.experiment import Experiment, Settings
from hirl_experiments.paper.figure1 import figure1
from hirl_experiments.paper.figure3 import figure3
from hirl_experiments.paper.figure4 import figure4
from hirl_experiments.paper.table1 import table1
from hirl_experiments.paper.table2 import table2
from hirl_experiments.paper.table3 import table3

# Figure 2 is a diagram.
PARTS: dict[str, Callable[[Experiment], None]] = {
    "table1": table1,
    "table2": table2,
    "table3": table3,
    "figure1": figure1,
    "figure3": figure3,
    "figure4": figure4,
}
# The keys of PARTS, spelled out for --help.
PartName = Literal["table1", "table2", "table3", "figure1", "figure3", "figure4", "all"]


def reproduce(
    part: Annotated[PartName, tyro.conf.Positional], settings: Annotated[Settings, tyro.conf.arg(name="")]
) -> None:
    """Measure a table or figure of the paper, and compare it with what the paper reports.

    table1: PSNR and SSIM of every method on single and hybrid distortions. table2: brute force and HIRL's search with
    the same number of trials. table3: HIRL with longer paths. figure1: three strategies on one picture, step by step.
    figure3: results of the methods on the same pictures. figure4: restored pictures without a reference.

    Writes Markdown, JSON and PNG to --out, with the differences from the paper under each table. Finished results are
    saved there too, batch by batch and method by method: stop with Ctrl-C, and the same command resumes. Memory holds a
    few copies of one photograph, or of a few dozen crops, and at most 1 GiB of decoded photographs; table2's search
    keeps an image for every trial, 4 GiB at most, and refuses photographs that are too large for that at once.

    Args:
        part: Table or figure, or all of them.
        settings: Settings of all parts.
    """
    experiment, refused = Experiment(settings), []
    try:
        for name in PARTS if part == "all" else (part,):
            try:
                PARTS[name](experiment)
            except ValueError as error:
                # Settings that one part refuses may suit the next.
                refused.append(f"{name}: {error}" if part == "all" else str(error))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on where it stopped") from None
    if refused:
        raise ValueError("; ".join(refused))
