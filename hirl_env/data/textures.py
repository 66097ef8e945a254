"""Clean pictures that are fine, irregular texture: gravel, straw, hair, grass, bark, sand, plaster.

Like patterns they look like noise to a network that has seen little of them. Natural textures are drawn as dead leaves
(Lee, Mumford and Huang, IJCV 2001): shapes that cover one another, in the colours of a photograph.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from hirl_env.arrays import Pixels
from hirl_env.data.patterns import Field, as_seen, spread

FINER = 2  # shapes are drawn at so many times the size, and made smaller, so that their edges are smooth
MOST_SHAPES = 12_000
CORNERS = 7


def textured(photograph: Pixels, rng: np.random.Generator) -> Pixels:
    """A texture of the size of a photograph, in colours of a small part of it.

    Args:
        photograph: Photograph, uint8 (H, W, 3).
        rng: Source of everything random.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = photograph.shape[:2]
    kind = int(rng.integers(3))
    if kind == 0:
        return as_seen(_grains(photograph, rng), rng)
    long = rng.uniform(2, 10)  # pixels
    # Straw and hair lie in one direction, more or less; pebbles and leaves in none.
    thin, strays = (rng.uniform(2.5, 8), rng.uniform(0.05, 0.6)) if kind == 1 else (rng.uniform(1, 2), np.pi)
    return as_seen(_leaves(photograph, (height, width), long, max(1.0, long / thin), strays, rng), rng)


def _leaves(
    photograph: Pixels, size: tuple[int, int], long: float, short: float, strays: float, rng: np.random.Generator
) -> Field:
    """Shapes that cover one another, each with a lit side, float64 (H, W, 3)."""
    height, width = size
    count = min(MOST_SHAPES, 1 + int(3 * height * width / (long * short)))
    scales = rng.lognormal(0, 0.4, size=count)
    middles = rng.uniform(-long, np.array([width, height]) + long, size=(count, 2))
    angles = rng.uniform(0, 2 * np.pi) + rng.normal(0, strays, size=count)
    around = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False) + rng.uniform(0, 1, size=(count, CORNERS))
    along, across = np.cos(around) * (scales * long / 2)[:, None], np.sin(around) * (scales * short / 2)[:, None]
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    outlines = np.stack([along * cos - across * sin, along * sin + across * cos], axis=2)
    light = rng.uniform(0, 2 * np.pi)
    lit = rng.uniform(0, 0.25) * short * np.array([np.cos(light), np.sin(light)])
    shades = _colours(photograph, count, rng) * rng.normal(1, rng.uniform(0.05, 0.3), size=(count, 1))
    darker = rng.uniform(0.4, 1)
    ground = tuple(int(part) for part in darker * photograph.mean(axis=(0, 1)))
    picture = Image.new("RGB", (FINER * width, FINER * height), ground)
    draw = ImageDraw.Draw(picture)
    # All arrays are converted at once: twice as fast as shape by shape.
    whole, inner = middles[:, None] + outlines, middles[:, None] + lit + 0.7 * outlines
    wholes, inners = ((FINER * corners).reshape(count, -1).tolist() for corners in (whole, inner))
    dark, bright = (colours.round().clip(0, 255).astype(int).tolist() for colours in (darker * shades, shades))
    for shape in zip(wholes, dark, inners, bright, strict=True):
        for corners, colour in (shape[:2], shape[2:]):
            draw.polygon(corners, fill=tuple(colour))
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS)).astype(np.float64)


def _grains(photograph: Pixels, rng: np.random.Generator) -> Field:
    """Ridges, bumps or spots of one coarseness, float64 (H, W, 3): not Gaussian, as noise is, and of two colours."""
    height, width = photograph.shape[:2]
    down, right = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 3)
    along, across = down * np.sin(angle) + right * np.cos(angle), down * np.cos(angle) - right * np.sin(angle)
    frequency = np.sqrt(along**2 + (across * stretch) ** 2)
    middle = rng.uniform(0.06, 0.3)  # cycles per pixel
    band = np.exp(-((np.log(frequency + 1e-6) - np.log(middle)) ** 2) / (2 * rng.uniform(0.2, 0.6) ** 2))
    waves = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) * band, s=(height, width))
    waves /= waves.std() + 1e-9
    shapes = (np.abs(waves).clip(0, 2.5), np.tanh(3 * waves), np.exp(waves.clip(-3, 1.5)), waves.clip(-1, 3))
    shaped = spread(shapes[int(rng.integers(len(shapes)))])[..., None]
    dark, hue = _colours(photograph, 2, rng)
    dark *= rng.uniform(0.4, 1)
    bright = hue - hue.mean() + dark.mean() + rng.uniform(40, 160)
    return dark + shaped * (bright - dark)


def _colours(photograph: Pixels, count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Colours of random pixels in a quarter of the photograph, float64 (count, 3)."""
    height, width = photograph.shape[:2]
    top, left = (int(rng.integers(side - side // 2)) for side in (height, width))
    part = photograph[top : top + height // 2 + 1, left : left + width // 2 + 1].reshape(-1, 3)
    return part[rng.integers(len(part), size=count)].astype(np.float64)
