"""Clean pictures that are mostly a regular pattern: stripes, weaves, tiles, the dots of print, and dithering.

To a network trained on photographs alone they look like noise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from hirl_env.arrays import Pixels

Field = npt.NDArray[np.floating]

BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16 + 1 / 32  # thresholds, in 0 to 1


def patterned(photograph: Pixels, rng: np.random.Generator) -> Pixels:
    """A photograph printed in dots, dithered, or with a pattern over it, from faint to covering it entirely.

    Args:
        photograph: Photograph, uint8 (H, W, 3).
        rng: Source of everything random.

    Returns:
        uint8 (H, W, 3).
    """
    kind = int(rng.integers(6))
    if kind == 0:
        return _dithered(photograph, rng)
    if kind == 1:
        return _printed(photograph, rng)
    height, width = photograph.shape[:2]
    drawn = (_stripes, _weave, _tiles, _screen)[kind - 2](height, width, rng)
    ends = rng.uniform(0, 255, size=(2, 3)) if rng.random() < 0.5 else rng.uniform(0, 255, size=(2, 1))
    pattern = ends[0] + drawn[..., None] * (ends[1] - ends[0])
    # If faint, it looks like a photograph of something patterned, such as cloth or paving.
    share = 1.0 if rng.random() < 0.5 else rng.uniform(0.1, 0.9)
    return as_seen(photograph + share * (pattern - photograph), rng)


def _stripes(height: int, width: int, rng: np.random.Generator) -> Field:
    """Smooth or hard stripes, of up to three directions and periods."""
    rows, columns = _bent(height, width, rng)
    total = np.zeros((height, width))
    for _ in range(int(rng.integers(1, 4))):
        angle, period = rng.uniform(0, np.pi), _period(2, 14, rng)
        if rng.random() < 0.25:
            angle = np.pi / 2 * rng.integers(2)  # exactly along columns or rows
        total += np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / period + rng.uniform(0, 6))
    return spread(total if rng.random() < 0.5 else np.sign(total))


def _weave(height: int, width: int, rng: np.random.Generator) -> Field:
    """Threads that pass over and under one another."""
    rows, columns = _bent(height, width, rng)
    period, step = _period(3, 12, rng), int(rng.integers(2, 5))
    warp, weft = columns / period, rows / period
    over = (np.floor(warp) + np.floor(weft)) % step == 0
    return spread(np.where(over, _round(warp), rng.uniform(0.3, 1) * _round(weft)))


def _tiles(height: int, width: int, rng: np.random.Generator) -> Field:
    """A small random tile, repeated."""
    tall, wide = (round(_period(2, 12, rng)) for _ in range(2))
    tile = rng.random((tall, wide)) if rng.random() < 0.5 else rng.integers(0, 2, size=(tall, wide)).astype(float)
    # Each row of tiles may be offset from the one before, like bricks.
    shift = int(rng.integers(wide)) if rng.random() < 0.5 else 0
    rows, columns = np.mgrid[0:height, 0:width]
    return spread(tile[rows % tall, (columns + rows // tall * shift) % wide])


def _screen(height: int, width: int, rng: np.random.Generator) -> Field:
    """Dots of one size in a rotated grid."""
    return spread((_dots(height, width, rng) < rng.uniform(0.2, 0.8)).astype(float))


def _printed(photograph: Pixels, rng: np.random.Generator) -> Pixels:
    """The photograph in dots that grow with its darkness, in grey or in each of its colours."""
    height, width = photograph.shape[:2]
    light = photograph / 255
    if rng.random() < 0.5:
        return as_seen(255.0 * (light.mean(axis=2) > _dots(height, width, rng))[..., None].repeat(3, axis=2), rng)
    return as_seen(255.0 * np.stack([light[..., part] > _dots(height, width, rng) for part in range(3)], axis=2), rng)


def _dithered(photograph: Pixels, rng: np.random.Generator) -> Pixels:
    """The photograph in few colours, by ordered dithering or by error diffusion."""
    picture = Image.fromarray(photograph)
    if rng.random() < 0.5:
        return np.asarray(picture.convert("1" if rng.random() < 0.5 else "P").convert("RGB"))
    height, width = photograph.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    steps = int(rng.integers(1, 5))
    raised = photograph / 255 * steps + BAYER[rows % 4, columns % 4][..., None]
    return (np.floor(raised).clip(0, steps) * 255 / steps).round().astype(np.uint8)


def _dots(height: int, width: int, rng: np.random.Generator) -> Field:
    """Heights in 0 to 1 of a rotated grid of bumps, evenly distributed: a threshold sets the share below it."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    angle, period = rng.uniform(0, np.pi / 2), rng.uniform(3, 10)
    along = (columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / period
    across = (rows * np.cos(angle) - columns * np.sin(angle)) * 2 * np.pi / period
    bumps = np.cos(along + rng.uniform(0, 6)) + np.cos(across + rng.uniform(0, 6))
    return bumps.argsort(axis=None).argsort().reshape(bumps.shape) / bumps.size


def _period(shortest: float, longest: float, rng: np.random.Generator) -> float:
    """A period in pixels. Many fit into the blocks of a JPEG, as the pattern does not then betray that it is none."""
    return float(rng.choice([4, 8])) if rng.random() < 0.3 else rng.uniform(shortest, longest)


def _bent(height: int, width: int, rng: np.random.Generator) -> tuple[Field, Field]:
    """Rows and columns of every pixel, slightly warped in half of the pictures, as cloth is."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    bend = rng.uniform(0, 6) if rng.random() < 0.5 else 0.0
    wave = 2 * np.pi / rng.uniform(60, 200)
    return rows + bend * np.sin(columns * wave), columns + bend * np.sin(rows * wave)


def _round(places: Field) -> Field:
    """The brightness across a round thread: 1 in its middle, 0 at its sides."""
    return np.sqrt(np.clip(1 - (2 * (places % 1) - 1) ** 2, 0, 1))


def spread(values: Field) -> Field:
    """The values rescaled to 0 to 1."""
    return (values - values.min()) / max(np.ptp(values), 1e-9)


def as_seen(picture: Field, rng: np.random.Generator) -> Pixels:
    """A picture that is softened by less than a pixel, as by a lens, in half of the cases."""
    pixels = picture.round().clip(0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        return pixels
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7))))
