"""Sheets that show a picture before and after it was restored, side by side."""

from __future__ import annotations

import io
import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hirl_experiments.pictures.reading import Pixels

SIDE = 900  # most pixels of a panel's longer side
GAP, TEXT, COLUMNS = 12, 20, 60


def sheet(before: Pixels, after: Pixels, title: str, path: str) -> bytes:
    """A PNG of two panels.

    Args:
        before: Pixels before, uint8 or uint16, (H, W) or (H, W, 3).
        after: Pixels after, of the same shape and type.
        title: Text above the first panel.
        path: Text above the second panel: what was done.
    """
    panels = [thumbnail(pixels, SIDE) for pixels in (before, after)]
    width, height = panels[0].size
    texts = [textwrap.wrap(text, max(20, width * COLUMNS // SIDE)) or [""] for text in (title, path)]
    top = GAP + TEXT * max(map(len, texts))
    drawn = Image.new("RGB", (2 * width + 3 * GAP, top + height + GAP), "white")
    draw, font = ImageDraw.Draw(drawn), ImageFont.load_default(TEXT - 6)
    for index, (panel, lines) in enumerate(zip(panels, texts, strict=True)):
        left = GAP + index * (width + GAP)
        for line, text in enumerate(lines):
            draw.text((left, GAP // 2 + line * TEXT), text, "black", font)
        drawn.paste(panel, (left, top))
    file = io.BytesIO()
    drawn.save(file, format="PNG")
    return file.getvalue()


def thumbnail(pixels: Pixels, side: int) -> Image.Image:
    """A picture in 8-bit RGB, made smaller if its longer side has more than ``side`` pixels."""
    eight = (pixels / 257).round().astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    picture = Image.fromarray(eight).convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture
