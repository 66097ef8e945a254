"""`hirl reproduce`: the paper's tables and figures, measured here and set beside what the paper reports."""

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
# The keys of PARTS, spelt out for --help.
PartName = Literal["table1", "table2", "table3", "figure1", "figure3", "figure4", "all"]


def reproduce(
    part: Annotated[PartName, tyro.conf.Positional], settings: Annotated[Settings, tyro.conf.arg(name="")]
) -> None:
    """Measure a table or figure of the paper, and set it beside what the paper reports.

    table1: PSNR and SSIM of every method on single and hybrid distortions. table2: brute force and HIRL's search with
    the same number of trials. table3: HIRL with longer paths. figure1: three strategies on one picture, step by step.
    figure3: what methods make of the same pictures. figure4: pictures without a reference, restored as they are.

    Writes Markdown, JSON and PNG to --out, with what differs from the paper under each table. What is finished is kept
    there too, batch by batch and method by method: stop with Ctrl-C, and the same command goes on. In memory there is
    one photograph, or a few dozen crops, a few times over, beside at most 1 GiB of decoded photographs; table2's search
    keeps an image for every trial, 4 GiB at most, and refuses at once photographs that are too large for that.

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
                # What does not suit one part may suit the next.
                refused.append(f"{name}: {error}" if part == "all" else str(error))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on where it stopped") from None
    if refused:
        raise ValueError("; ".join(refused))
