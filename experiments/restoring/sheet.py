"""Sheets that show a picture before and after it was restored, side by side."""

from __future__ import annotations

import io
import textwrap

from PIL import Image, ImageDraw, ImageFont

from hirl_env.data.images import in_8_bits
from hirl_experiments.pictures.reading import Pixels

SIDE, SMALL = 900, 300  # pixels of a panel's longer side at most; below SMALL it is enlarged
GAP, TEXT = 12, 20
LETTER = 15  # pixels of a panel's width for each letter above it


def sheet(before: Pixels, after: Pixels, title: str, path: str) -> bytes:
    """A PNG of two panels.

    Args:
        before: Pixels before, uint8 or uint16, (H, W) or (H, W, 3).
        after: Pixels after, of the same shape and type.
        title: Text above the first panel.
        path: Text above the second panel: what was done.
    """
    panels = [_enlarged(thumbnail(pixels, SIDE)) for pixels in (before, after)]
    height = panels[0].height
    width = max(panels[0].width, SMALL)  # of narrow ones, too, there is room for the text
    texts = [textwrap.wrap(text, width // LETTER) or [""] for text in (title, path)]
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


def _enlarged(picture: Image.Image) -> Image.Image:
    """A small picture with every pixel as a square."""
    times = max(1, SMALL // max(picture.size))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def thumbnail(pixels: Pixels, side: int) -> Image.Image:
    """A picture in 8-bit RGB, made smaller if its longer side has more than ``side`` pixels."""
    picture = Image.fromarray(in_8_bits(pixels)).convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture
