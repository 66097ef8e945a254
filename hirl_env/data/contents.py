"""Pictures other than photographs in colour: greys, near-greys, flat colours, drawings and text, patterns, textures."""

from __future__ import annotations

import colorsys
import string
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hirl_env.arrays import Pixels
from hirl_env.data.images import in_grey
from hirl_env.data.patterns import patterned, spread
from hirl_env.data.textures import textured

Colour = tuple[int, int, int]

LARGEST = 256  # pixels: the longer side of drawn pictures, or more if the crop needs it
TEXTURE = 144  # pixels: the sides of textures, likewise: their thousands of shapes take long to draw


def shrunk(pixels: Pixels, factor: float) -> Pixels:
    """A picture made smaller with a Lanczos filter.

    Args:
        pixels: Picture, uint8 (H, W, 3).
        factor: Factor by which it becomes smaller, at least 1; 1 leaves it unchanged.

    Returns:
        uint8, at least 1 x 1.
    """
    if factor == 1:
        return pixels
    height, width = (max(1, round(side / factor)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def photograph(pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
    """The photograph itself."""
    return pixels


def grey(pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
    """The photograph in grey."""
    return in_grey(pixels)


def near_grey(pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
    """The photograph in grey, with each channel off by at most one 8-bit step: by a tint, or pixel by pixel."""
    levels = grey(pixels, smallest, rng)
    shape = (1, 1, 3) if rng.random() < 0.5 else levels.shape
    return (levels + rng.integers(-1, 2, size=shape)).clip(0, 255).astype(np.uint8)


def colours(pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
    """Areas of flat colour, many of them saturated, or a gradient from one colour to another."""
    width, height = _canvas(pixels, smallest)
    if rng.random() < 0.25:
        ends = np.array([_colour(rng), _colour(rng)], dtype=np.float64)
        rows, columns = np.mgrid[0:height, 0:width]
        angle = rng.uniform(0, 2 * np.pi)
        along = columns / width * np.cos(angle) + rows / height * np.sin(angle)
        return (ends[0] + spread(along)[..., None] * (ends[1] - ends[0])).round().astype(np.uint8)
    picture = Image.new("RGB", (width, height), _colour(rng))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 24))):
        shape = draw.rectangle if rng.random() < 0.7 else draw.ellipse
        shape(_box(width, height, rng), fill=_colour(rng))
    return np.asarray(picture)


def drawing(pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
    """Text and line art on paper of one colour; the text is antialiased, except one time in four."""
    width, height = _canvas(pixels, smallest)
    paper: Colour = (255, 255, 255) if rng.random() < 0.5 else _colour(rng)
    picture = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1" if rng.random() < 0.25 else "L"
    for _ in range(int(rng.integers(2, 12))):
        box, ink, thickness = _box(width, height, rng), _ink(rng), int(rng.integers(1, 5))
        kind = int(rng.integers(4))
        if kind == 0:
            draw.line(box, fill=ink, width=thickness)
        elif kind == 1:
            draw.rectangle(box, outline=ink, width=thickness)
        elif kind == 2:
            draw.ellipse(box, outline=ink, width=thickness)
        else:
            first, last = sorted(float(angle) for angle in rng.uniform(0, 360, 2))
            draw.arc(box, first, last, fill=ink, width=thickness)
    top = int(rng.integers(0, 16))
    while top < height:
        size = int(rng.integers(9, 33))
        words = "".join(rng.choice(list(string.ascii_letters + string.digits + "    .,;-"), size=int(width / size * 2)))
        draw.text((int(rng.integers(-8, 24)), top), words, fill=_ink(rng), font=ImageFont.load_default(size))
        top += int(size * rng.uniform(1.2, 3))
    return np.asarray(picture)


def pattern(pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
    """A part of the photograph that is dithered, printed in dots, or has a regular pattern over it."""
    width, height = _canvas(pixels, smallest)
    return patterned(_part(pixels, width, height, rng), rng)


def texture(pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
    """Fine irregular texture, such as gravel or straw, in colours of the photograph."""
    height, width = (min(side, max(smallest, TEXTURE)) for side in pixels.shape[:2])
    return textured(_part(pixels, width, height, rng), rng)


CONTENTS: dict[str, Callable[[Pixels, int, np.random.Generator], Pixels]] = {
    "photograph": photograph,
    "colours": colours,
    "drawing": drawing,
    "grey": grey,
    "near-grey": near_grey,
    "pattern": pattern,
    "texture": texture,
}


def _canvas(pixels: Pixels, smallest: int) -> tuple[int, int]:
    """Width and height of the picture that is drawn in place of a photograph."""
    height, width = pixels.shape[:2]
    scale = min(1.0, max(LARGEST / max(height, width), smallest / min(height, width)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _part(pixels: Pixels, width: int, height: int, rng: np.random.Generator) -> Pixels:
    """A random part of the photograph."""
    top, left = (int(rng.integers(side - part + 1)) for side, part in zip(pixels.shape, (height, width), strict=False))
    return pixels[top : top + height, left : left + width]


def _colour(rng: np.random.Generator) -> Colour:
    """A corner of the RGB cube, a saturated colour, or any colour, equally often."""
    kind = int(rng.integers(3))
    if kind == 0:
        red, green, blue = (int(value) * 255 for value in rng.integers(0, 2, size=3))
    elif kind == 1:
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(rng.random(), 1.0, rng.uniform(0.4, 1)))
    else:
        red, green, blue = (int(value) for value in rng.integers(0, 256, size=3))
    return red, green, blue


def _ink(rng: np.random.Generator) -> Colour:
    return (0, 0, 0) if rng.random() < 0.5 else _colour(rng)


def _box(width: int, height: int, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a box that may begin and end outside of the picture."""
    left, right = sorted(float(value) for value in rng.uniform(-0.1, 1.1, size=2) * width)
    top, bottom = sorted(float(value) for value in rng.uniform(-0.1, 1.1, size=2) * height)
    return left, top, right, bottom
