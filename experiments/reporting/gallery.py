"""The figure of eight pictures before and after: everyday distortions, and pictures that need nothing."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from hirl_agents.restorer import Restored, Restorer
from hirl_env.arrays import Pixels
from hirl_env.data.contents import CONTENTS
from hirl_env.data.degradations import (
    DefocusBlur,
    Degradation,
    InOrder,
    JpegCompression,
    MotionBlur,
    ShotNoise,
    degradations,
)
from hirl_env.data.images import to_pixels, to_tensor
from hirl_env.data.photographs import image_sources
from hirl_env.quality.full_reference import PSNR_CAP
from hirl_experiments.reporting.figures import show

SIDE = 192  # pixels of a panel
PANEL = 2.5  # inches
TITLE = 40  # characters, which fit over a panel
ROWS, PAIRS = 4, 2
DRAWN = 3  # part of the seed: with 0 for the rest, text is drawn on white paper


@dataclass(frozen=True)
class Exhibit:
    """A picture of the gallery: distorted as a whole and then cropped, like everyday pictures.

    Attributes:
        title: Title, which says what was done to it.
        photograph: Name of an embedded photograph.
        degradation: Degradation, settled.
        place: Row and column at which the crop begins, at no block of a JPEG.
        content: Content that is shown in place of the photograph: a key of `hirl_env.data.contents.CONTENTS`.
    """

    title: str
    photograph: str
    degradation: Degradation
    place: tuple[int, int]
    content: str = "photograph"


EXHIBITS = (
    Exhibit("clean portrait", "astronaut", InOrder(()), (35, 131)),
    Exhibit("JPEG of quality 20, cropped", "coffee", JpegCompression(20), (101, 203)),
    Exhibit("shot noise at night, JPEG 90", "rocket", InOrder((ShotNoise(40), JpegCompression(90))), (205, 219)),
    Exhibit("text, JPEG of quality 25", "coffee", JpegCompression(25), (3, 5), "drawing"),
    Exhibit("out of focus", "chelsea", DefocusBlur(2.5), (45, 115)),
    Exhibit("camera shake", "motorcycle_left", MotionBlur(9, 20), (195, 259)),
    Exhibit("blur, noise and JPEG: moderate", "astronaut", degradations.resolve("moderate"), (275, 43)),
    Exhibit("clean drawing", "rocket", InOrder(()), (3, 5), "colours"),
)


def gallery(restorer: Restorer, seed: int) -> Figure:
    """A figure of `EXHIBITS` before and after they were restored, with what was done and what it gained.

    Args:
        restorer: Restorer of the pictures.
        seed: Seed of the noise, and of what is drawn.
    """
    photographs = {photograph.name: photograph.pixels for photograph in image_sources.resolve("photos")}
    figure = Figure(figsize=(2 * PAIRS * PANEL, ROWS * (PANEL + 0.4)), layout="constrained")
    axes = figure.subplots(ROWS, 2 * PAIRS).reshape(-1, 2)
    shown = tqdm(zip(EXHIBITS, axes, strict=True), "gallery", len(EXHIBITS), leave=False, disable=None)
    for number, (exhibit, (left, right)) in enumerate(shown):
        rng = np.random.default_rng((seed, number, DRAWN))
        distorted, reference = _made(exhibit, photographs[exhibit.photograph], rng)
        restored = restorer.restore(distorted, reference)
        show(left, to_tensor(distorted), f"{exhibit.title}\n{_decibels(restored.psnr_before)}")
        show(right, to_tensor(restored.image), _what_was_done(restored))
    return figure


def _made(exhibit: Exhibit, pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """The distorted crop, and its reference."""
    content = CONTENTS[exhibit.content](pixels, SIDE + max(exhibit.place), rng)
    distorted = to_pixels(exhibit.degradation(to_tensor(content), rng))
    rows, columns = (slice(begin, begin + SIDE) for begin in exhibit.place)
    return distorted[rows, columns], np.ascontiguousarray(content[rows, columns])


def _what_was_done(restored: Restored) -> str:
    path = ", ".join(step.tool for step in restored.steps) or "left as it is"
    return f"{textwrap.fill(path, TITLE)}\n{_decibels(restored.psnr_after)}"


def _decibels(psnr: float | None) -> str:
    assert psnr is not None
    return f"{psnr:.2f} dB" if psnr < PSNR_CAP else "as the original"
