"""Figures of pictures and tables, saved as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from hirl_env.data.images import to_pixels
from hirl_env.files import atomic_write
from hirl_experiments.command_line.results import MADE_BY

DPI = 110
FONT = 8  # points


def show(axis: Axes, image: torch.Tensor, title: str) -> None:
    """Draws an image (3, H, W) in [0, 1], pixel by pixel, under its title."""
    axis.set_axis_off()
    axis.imshow(to_pixels(image), interpolation="nearest")
    axis.set_title(title, fontsize=FONT, loc="left", va="bottom")


def table_figure(title: str, rows: Sequence[Mapping[str, str]]) -> Figure:
    """A table as a figure; rows share their keys, which are the columns' titles. Every other row is shaded."""
    columns = list(rows[0])
    widths = [max(len(text) for text in (column, *(row[column] for row in rows))) + 2 for column in columns]
    figure = Figure(figsize=(0.068 * sum(widths), 0.26 * (len(rows) + 1) + 0.5), layout="constrained")
    axis = figure.subplots()
    axis.set_axis_off()
    axis.set_title(title, fontsize=FONT + 2, loc="left")
    table = axis.table(
        [[row[column] for column in columns] for row in rows],
        colLabels=columns,
        colWidths=[width / sum(widths) for width in widths],
        cellLoc="left",
        colLoc="left",
        bbox=Bbox.unit(),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(FONT)
    for (line, _), cell in table.get_celld().items():
        cell.set_linewidth(0)
        cell.PAD = 0.04
        if line == 0:
            cell.set_text_props(weight="bold")
        elif line % 2:
            cell.set_facecolor("whitesmoke")
    return figure


def save_image(image: torch.Tensor, path: Path) -> None:
    """Writes an image (3, H, W) in [0, 1] as PNG, atomically."""
    with atomic_write(path) as file:
        Image.fromarray(to_pixels(image)).save(file, format="PNG")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, atomically."""
    with atomic_write(path) as file:
        figure.savefig(file, dpi=DPI, format="png", metadata=MADE_BY)
