"""JPEG compression, with Pillow's encoder."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from hirl_env.data.degradations.degradation import Degradation, whole
from hirl_env.data.images import to_pixels, to_tensor

BLOCK = 8  # pixels: side of the blocks, which begin at any of as many rows and columns of a crop


def _recoded(image: torch.Tensor, quality: int, subsampling: str) -> torch.Tensor:
    """An image (3, H, W) saved as a JPEG and read back."""
    file = io.BytesIO()
    Image.fromarray(to_pixels(image)).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return to_tensor(np.asarray(Image.open(file, formats=("JPEG",))))


def _checked(name: str, quality: int) -> int:
    quality = whole(name, quality)
    if not 1 <= quality <= 100:
        raise ValueError(f"{name} must be from 1 to 100, got {quality}")
    return quality


@dataclass(frozen=True)
class JpegCompression(Degradation):
    """Saves as a JPEG and reads it back, with colour at half the resolution (4:2:0), as in most files.

    Args:
        quality: Quality, 1 to 100.

    Raises:
        ValueError: If it is not a whole number from 1 to 100.
    """

    quality: int
    family: ClassVar[str] = "jpeg"
    subsampling: ClassVar[str] = "4:2:0"

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", _checked(f"{type(self).__name__}: quality", self.quality))

    @property
    def strength(self) -> float:
        return 100 - self.quality

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return _recoded(image, self.quality, self.subsampling)


@dataclass(frozen=True)
class FullColourJpeg(JpegCompression):
    """`JpegCompression` with colour at full resolution (4:4:4)."""

    subsampling: ClassVar[str] = "4:4:4"


@dataclass(frozen=True)
class DoubleJpeg(Degradation):
    """Saves as a JPEG twice, with the blocks of the first compression offset from those of the second.

    Args:
        first: Quality of the first compression, 1 to 100.
        second: Quality of the second compression, 1 to 100.
        down: Rows by which the blocks of the first compression begin outside the image, 0 to 7.
        right: Columns by which the blocks of the first compression begin outside the image, 0 to 7.

    Raises:
        ValueError: If one is out of range.
    """

    first: int
    second: int
    down: int
    right: int
    family: ClassVar[str] = "jpeg"

    def __post_init__(self) -> None:
        for name in ("first", "second"):
            object.__setattr__(self, name, _checked(f"DoubleJpeg: {name}", getattr(self, name)))
        if not (0 <= self.down < BLOCK and 0 <= self.right < BLOCK):
            raise ValueError(f"DoubleJpeg: down and right must be from 0 to 7, got {self.down} and {self.right}")

    @property
    def strength(self) -> float:
        return 100 - min(self.first, self.second)

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        moved = F.pad(image[None], (self.right, 0, self.down, 0), mode="replicate")[0]
        once = _recoded(moved, self.first, JpegCompression.subsampling)[:, self.down :, self.right :]
        return _recoded(once, self.second, JpegCompression.subsampling)
