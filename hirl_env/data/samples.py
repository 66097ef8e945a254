"""Draws the samples that episodes and trainings start from: a distorted image, and its reference if there is one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch

from hirl_env.data.degradations import LEVELS, Degradation, degradations
from hirl_env.data.degradations.jpeg import BLOCK
from hirl_env.data.images import to_tensor
from hirl_env.data.photographs import Photograph, Photographs

MARGIN = 32  # pixels: wider than half of any kernel, so that border effects of filters stay outside the crop

Grid = Literal["anywhere", "aligned", "shifted"]


@dataclass(frozen=True)
class Sample:
    """A distorted image and what is known about it.

    Attributes:
        name: Name of the photograph.
        distorted: Distorted image, float32, (3, H, W), in [0, 1].
        reference: Clean original, the same shape; None if the picture is used as it is and came without one.
        degradation: Degradation that was applied, with its random choices settled; None if the picture is used as it
            is.
    """

    name: str
    distorted: torch.Tensor
    reference: torch.Tensor | None
    degradation: Degradation | None

    @property
    def labels(self) -> tuple[str, str, str]:
        """Names of the photograph, of its degradation and, if it is one of the three, of its level; ``""`` for none."""
        if self.degradation is None:
            return self.name, "", ""
        levels = [level for level in LEVELS if degradations.resolve(level) == self.degradation]
        return self.name, str(self.degradation), levels[0] if levels else ""


class SampleSource(Protocol):
    """A source of the samples that episodes begin with."""

    @property
    def have_references(self) -> bool:
        """Whether samples have a reference."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of samples, pixels; if sizes differ, those of the first sample."""
        ...

    def draw(self, rng: np.random.Generator) -> Sample:
        """A random sample."""
        ...


@dataclass(frozen=True)
class Samples:
    """Makes samples from photographs and a degradation.

    The degradation is applied to a window that is larger than the crop by `MARGIN` pixels on every side, if the
    picture has them, and the crop is cut from the result. So border effects of filters stay outside the crop. The
    position of the crop in the window is drawn pixel by pixel, so a JPEG's blocks begin anywhere in it, as in any
    cropped photograph. (Colour blocks that are 16 pixels wide begin at only half of the positions; no tool minds that.)

    Args:
        photographs: Source of pictures. A picture that comes with a distorted version keeps it.
        degradation: Degradation of pictures that come without a distorted version. None uses them as they are: their
            clean originals are unknown, so they have no reference (with ``InOrder(())`` each is its own reference).
        crop_size: Side of the square cut out at random, in pixels; None for whole pictures.
        smallest: Pixels that the shorter side of a whole picture must have.
        grid: Position of a JPEG's blocks in the image: ``anywhere`` (in whole pictures at their first pixel),
            ``aligned``, at its first pixel, or ``shifted``, anywhere else, for which whole pictures lose up to seven
            rows and columns.
    """

    photographs: Photographs
    degradation: Degradation | None
    crop_size: int | None
    smallest: int = 1
    grid: Grid = "anywhere"

    def draw(self, rng: np.random.Generator) -> Sample:
        """One sample, from a photograph drawn at random from those that are large enough.

        Raises:
            ValueError: If no photograph is large enough.
        """
        return self.of(self.photographs.draw(rng, self.crop_size or self.smallest), rng)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of samples, pixels; those of the first picture if pictures are whole and so differ."""
        if self.crop_size is not None:
            return self.crop_size, self.crop_size
        height, width = next(iter(self.photographs)).pixels.shape[:2]
        return height, width

    @property
    def have_references(self) -> bool:
        """Whether samples have a reference."""
        return any(
            entry.reference is not None and (entry.distorted is not None or self.degradation is not None)
            for entry in self.photographs.entries
        )

    def of(self, photograph: Photograph, rng: np.random.Generator) -> Sample:
        """One sample from a given photograph, with a random crop and degradation.

        Raises:
            ValueError: If the photograph is smaller than the crop.
        """
        # Drawn first, so that crops do not depend on what the degradation draws.
        position = CropPosition.drawn(rng)
        try:
            if photograph.distorted is not None or self.degradation is None:
                return self._as_found(photograph, position)
            degradation = self.degradation.draw(rng)
            picture = degradation.content(photograph.pixels, self.crop_size or self.smallest, rng)
            window, crop = position.cut(picture.shape[0], picture.shape[1], self.crop_size)
            window, crop = position.on(self.grid, window, crop)
        except ValueError as problem:
            raise ValueError(
                f"{self.photographs.name}, {photograph.name}: {problem}; choose another crop size"
            ) from None
        reference = to_tensor(picture[window])
        distorted = degradation(reference, rng)
        inside = (slice(None), *crop)
        return Sample(photograph.name, distorted[inside], reference[inside], degradation)

    def of_each(self, per_image: int, seed: int) -> Iterator[Sample]:
        """Samples of every photograph, one photograph after the other.

        Photographs that are smaller than the crop are left out, with a warning. Crops are the same for every
        degradation.

        Args:
            per_image: Number of samples of each photograph.
            seed: Seed of crops and degradations.

        Raises:
            ValueError: If there is a degradation, and a photograph has no reference, or comes distorted already; or if
                all are smaller than the crop.
        """
        name, crop = self.photographs.name, self.crop_size
        found, left_out = False, []
        for number, photograph in enumerate(self.photographs):
            if self.degradation is not None and photograph.reference is None:
                raise ValueError(f"{name}: {photograph.name} has no reference to measure against")
            if self.degradation is not None and photograph.distorted is not None:
                raise ValueError(f"{name}: {photograph.name} comes distorted; give clean photographs")
            height, width = photograph.pixels.shape[:2]
            if crop is not None and min(height, width) < crop:
                left_out.append(f"{photograph.name} ({width}x{height})")
                continue
            found = True
            for part in range(per_image):
                yield self.of(photograph, np.random.default_rng((seed, number, part)))
        if not found:
            raise ValueError(f"{name}: a crop of {crop}x{crop} fits into no picture; choose another crop size")
        if left_out:
            warnings.warn(f"{name}: left out, too small for a crop: {', '.join(left_out)}", stacklevel=2)

    def _as_found(self, photograph: Photograph, position: CropPosition) -> Sample:
        window, crop = position.cut(photograph.pixels.shape[0], photograph.pixels.shape[1], self.crop_size)
        pair = photograph.reference if photograph.distorted is not None else None
        reference = None if pair is None else to_tensor(pair[window][crop])
        return Sample(photograph.name, to_tensor(photograph.pixels[window][crop]), reference, None)


@dataclass(frozen=True)
class CropPosition:
    """The position of a crop in a picture of any size, and of the window around it.

    Attributes:
        down: Vertical position of the window, from 0, at the top, towards 1, as low as it can be; in [0, 1).
        right: Horizontal position of the window, from 0, at the left, towards 1, at the right; in [0, 1).
        row: Rows by which the crop is shifted down in the window, 0 to `BLOCK` - 1.
        column: Columns by which the crop is shifted to the right in the window, 0 to `BLOCK` - 1.
    """

    down: float
    right: float
    row: int
    column: int

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> CropPosition:
        """A random position: all windows in a picture are equally likely, and all shifts of the crop in the window."""
        down, right = rng.random(2)
        row, column = rng.integers(BLOCK, size=2)
        return cls(float(down), float(right), int(row), int(column))

    def cut(self, height: int, width: int, crop_size: int | None) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The window in a picture, and the crop in the window, each as (rows, columns).

        Args:
            height: Height of the picture, pixels.
            width: Width of the picture, pixels.
            crop_size: Side of the crop, pixels; None for the whole picture.

        Raises:
            ValueError: If the crop is larger than the picture, or has no pixel.
        """
        if crop_size is None:
            return (slice(None), slice(None)), (slice(None), slice(None))
        if crop_size < 1:
            raise ValueError(f"a crop needs a side of at least one pixel, got {crop_size}")
        if height < crop_size or width < crop_size:
            raise ValueError(
                f"a crop of {crop_size}x{crop_size} does not fit into a picture of {width}x{height} (width x height)"
            )
        rows, row = _along(height, crop_size, self.down, self.row)
        columns, column = _along(width, crop_size, self.right, self.column)
        return (rows, columns), (row, column)

    def on(
        self, grid: Grid, window: tuple[slice, slice], crop: tuple[slice, slice]
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """A window and the crop in it, with the window moved so that blocks begin in the crop as ``grid`` asks.

        In a whole picture, the crop is moved instead. See `Samples` for ``grid``.
        """
        if grid == "anywhere":
            return window, crop
        if crop[0].start is None:
            row, column = (self.row, self.column) if self.row or self.column else (BLOCK // 2, BLOCK // 2)
            return window, (crop if grid == "aligned" else (slice(row, None), slice(column, None)))
        if grid == "aligned":  # with colour blocks, which are twice as wide
            moves = [part.start % (2 * BLOCK) for part in crop]
        else:
            moves = [0 if any(part.start % BLOCK for part in crop) else BLOCK // 2] * 2
        moved = [_later(outer, inner, by) for outer, inner, by in zip(window, crop, moves, strict=True)]
        if grid == "shifted" and not any(inner.start % BLOCK for _, inner in moved):
            raise ValueError("there are no pixels around the crop by which blocks could be shifted")
        return (moved[0][0], moved[1][0]), (moved[0][1], moved[1][1])


def _later(window: slice, crop: slice, by: int) -> tuple[slice, slice]:
    """A window that begins up to ``by`` pixels later, as far as the crop allows, and the same crop in it."""
    by = min(by, crop.start)
    return slice(window.start + by, window.stop), slice(crop.start - by, crop.stop - by)


def _along(length: int, crop: int, where: float, shift: int) -> tuple[slice, slice]:
    """Window and crop along one axis."""
    window = min(length, crop + 2 * MARGIN + BLOCK - 1)
    begin = int(where * (length - window + 1))
    room = window - crop
    # In a picture with little room around the crop, the margins shrink before the choice of grid positions does.
    offset = max(0, room - (BLOCK - 1)) // 2 + shift * min(room + 1, BLOCK) // BLOCK
    return slice(begin, begin + window), slice(offset, offset + crop)


def stacked(samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Samples of the same size stacked, as `Restoration.begin` takes them.

    Returns:
        The distorted images (N, 3, H, W), and their references of the same shape, or None.

    Raises:
        ValueError: If some have a reference and others have none.
    """
    images = torch.stack([sample.distorted for sample in samples])
    references = [sample.reference for sample in samples if sample.reference is not None]
    if len(references) not in (0, len(samples)):
        raise ValueError("some pictures of this source have a reference and some have none; use one kind at a time")
    return images, torch.stack(references) if references else None
