"""Frames that show an image, its path and the gain so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from hirl_env.task import Task

METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}

SIDE = 384  # pixels: the picture's longer side in a frame
MARGIN = 10
LINE = 20
ROOM = 7  # lines for the path; longer paths show their last steps
FONT_SIZE = 14
INK, PAPER, UP, DOWN = (32, 32, 32), (250, 250, 248), (20, 120, 60), (176, 48, 32)


def check_render_mode(mode: str | None, known: Sequence[str]) -> None:
    """Raises ValueError if a mode is not one of the known ones."""
    if mode not in (None, *known):
        raise ValueError(f"render_mode must be None or {' or '.join(map(repr, known))}, got {mode!r}")


def enlarged(pixels: npt.NDArray[np.uint8], side: int) -> Image.Image:
    """A picture whose longer side is ``side``: small ones are enlarged without smoothing, large ones reduced."""
    picture = Image.fromarray(pixels)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)


def render_frame(task: Task, row: int) -> npt.NDArray[np.uint8]:
    """One image of a task, with its path and gain below it, uint8 (H', W', 3).

    Raises:
        RuntimeError: If called before the first reset.
    """
    restoration, state = task.restoration, task.restoration.state
    if not len(state):
        raise RuntimeError("render before reset: there is no image yet; call reset first")
    picture = enlarged(task.pixels(state.images[row : row + 1])[0], SIDE)
    names = restoration.tool_names(row) or ("nothing done yet",)
    lines = [f"{number}. {name}" if state.lengths[row] else name for number, name in enumerate(names, 1)]
    gain = state.gains[row]
    room = min(restoration.rules.max_steps or ROOM, ROOM)
    height = SIDE + LINE * (room + 1) + 3 * MARGIN
    frame = Image.new("RGB", (SIDE + 2 * MARGIN, height), PAPER)
    frame.paste(picture, (MARGIN + (SIDE - picture.width) // 2, MARGIN + (SIDE - picture.height) // 2))
    pen, font = ImageDraw.Draw(frame), ImageFont.load_default(FONT_SIZE)
    top = SIDE + 2 * MARGIN
    score = f"{task.measure.name} {state.scores[row]:.3f}"
    pen.text((MARGIN, top), score, INK, font)
    pen.text((SIDE + MARGIN, top), f"{gain:+.3f}", UP if gain >= 0 else DOWN, font, anchor="ra")
    for line in lines[-room:]:
        top += LINE
        pen.text((MARGIN, top), line, INK, font)
    return np.asarray(frame).copy()
