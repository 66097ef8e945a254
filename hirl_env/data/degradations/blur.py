"""Blurs: Gaussian, anisotropic, defocus, and motion. Every kernel is centred, so no blur shifts the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from hirl_env.data.degradations.degradation import Degradation, whole

REACH = 3.5  # standard deviations that a Gaussian kernel reaches to either side
SAMPLES = 8  # points per pixel and axis with which a disc is drawn


def opencv_sigma(size: int) -> float:
    """The standard deviation that OpenCV gives to a Gaussian kernel of ``size`` taps."""
    return 0.3 * ((size - 1) / 2 - 1) + 0.8


def correlate(image: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Correlates each channel of an image (3, H, W) with a kernel of odd sides; mirrored borders."""
    rows, columns = (side // 2 for side in kernel.shape)
    return F.conv2d(_bordered(image, rows, columns)[:, None], kernel[None, None])[:, 0]


def correlate_along(image: torch.Tensor, taps: torch.Tensor, dim: int) -> torch.Tensor:
    """Correlates each channel of an image (3, H, W) with an odd number of taps along one dimension; mirrored borders.

    This goes tap by tap: on CPUs, PyTorch's single-channel convolutions take twice as long.
    """
    reach, length = len(taps) // 2, image.shape[dim]
    bordered = _bordered(image, reach if dim == 1 else 0, reach if dim == 2 else 0)
    correlated = bordered.narrow(dim, 0, length) * taps[0]
    for index in range(1, len(taps)):
        correlated.add_(bordered.narrow(dim, index, length), alpha=float(taps[index]))
    return correlated


def _bordered(image: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """An image (3, H, W) with mirrored borders of that many rows and columns on either side."""
    # Mirroring needs a border narrower than the image; smaller images repeat their edge instead.
    fits = image.shape[-1] > columns and image.shape[-2] > rows
    return F.pad(image[:, None], (columns, columns, rows, rows), mode="reflect" if fits else "replicate")[:, 0]


@lru_cache(maxsize=256)
def _gaussian_taps(size: int, sigma: float) -> torch.Tensor:
    distance = torch.arange(size, dtype=torch.float64) - size // 2
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    return (taps / taps.sum()).float()


def _reach(sigma: float) -> int:
    """Number of pixels to either side after which a Gaussian is cut off."""
    return max(1, math.ceil(REACH * sigma))


def _size(sigma: float) -> int:
    """Number of taps of a Gaussian of that standard deviation."""
    return 2 * _reach(sigma) + 1


def gaussian_taps(sigma: float) -> torch.Tensor:
    """A Gaussian of that standard deviation in pixels, float32 (taps,), with sum 1 and an odd length."""
    return _gaussian_taps(_size(sigma), sigma)


def blurred(image: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """An image (3, H, W) blurred with the same taps, an odd number, along its rows and its columns."""
    return correlate_along(correlate_along(image, taps, 2), taps, 1)


def positive(what: str, value: float) -> None:
    """Raises ValueError if a value is not a positive number; ``what`` names the value."""
    if not 0 < value < math.inf:
        raise ValueError(f"{what} must be positive, got {value}")


@dataclass(frozen=True)
class GaussianBlur(Degradation):
    """Blurs with a Gaussian kernel.

    Args:
        size: Number of taps, odd. An even number, such as the paper's 10, gets one more tap, because an even kernel
            shifts the picture by half a pixel.
        sigma: Standard deviation in pixels. Default: OpenCV's for ``size``, because the paper gives sizes only (5, 10,
            15).

    Raises:
        ValueError: If one is not positive.
    """

    size: int
    sigma: float | None = None
    family: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole("GaussianBlur: size", self.size))
        if self.size < 1:
            raise ValueError(f"GaussianBlur: size must be at least 1, got {self.size}")
        if self.sigma is not None:
            positive("GaussianBlur: sigma", self.sigma)

    @classmethod
    def of_sigma(cls, sigma: float) -> GaussianBlur:
        """A blur of that standard deviation (pixels), with as many taps as it needs."""
        positive("GaussianBlur: sigma", sigma)
        return cls(_size(sigma), sigma)

    @property
    def strength(self) -> float:
        return self.sigma if self.sigma is not None else opencv_sigma(self.size)

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return blurred(image, _gaussian_taps(self.size | 1, self.strength))


@dataclass(frozen=True)
class AnisotropicBlur(Degradation):
    """Blurs with a Gaussian that is wider along one axis than along the other.

    Args:
        long: Standard deviation along the longer axis, pixels.
        short: Standard deviation along the shorter axis, pixels.
        angle: Angle of the longer axis to the horizontal, degrees.

    Raises:
        ValueError: If a deviation is not positive.
    """

    long: float
    short: float
    angle: float
    family: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        positive("AnisotropicBlur: long", self.long)
        positive("AnisotropicBlur: short", self.short)

    @property
    def strength(self) -> float:
        return math.sqrt((self.long**2 + self.short**2) / 2)

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        reach = _reach(max(self.long, self.short))
        y, x = torch.meshgrid(*[torch.arange(-reach, reach + 1, dtype=torch.float64)] * 2, indexing="ij")
        cosine, sine = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        along, across = x * cosine - y * sine, x * sine + y * cosine
        kernel = torch.exp(-((along / self.long) ** 2 + (across / self.short) ** 2) / 2)
        return correlate(image, (kernel / kernel.sum()).float())


@dataclass(frozen=True)
class DefocusBlur(Degradation):
    """Blurs with a disc, like a lens that is out of focus.

    Args:
        radius: Radius of the disc, pixels.

    Raises:
        ValueError: If it is not positive.
    """

    radius: float
    family: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        positive("DefocusBlur: radius", self.radius)

    @property
    def strength(self) -> float:
        return self.radius / 2  # the standard deviation of a disc along an axis

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        reach = math.ceil(self.radius)
        side = 2 * reach + 1
        # Each pixel's share of the disc, from evenly spaced points in the pixel.
        points = (torch.arange(side * SAMPLES) + 0.5) / SAMPLES - side / 2
        radius = max(self.radius, 1 / SAMPLES)  # a smaller disc might contain no point
        inside = (points[:, None] ** 2 + points[None, :] ** 2 <= radius**2).float()
        kernel = F.avg_pool2d(inside[None], SAMPLES)[0]
        return correlate(image, kernel / kernel.sum())


@dataclass(frozen=True)
class MotionBlur(Degradation):
    """Blurs along a straight line.

    Args:
        length: Number of pixels in the line, which reaches from the centre of the first to that of the last.
        angle: Angle of the line to the horizontal, degrees. Default: drawn for each image.

    Raises:
        ValueError: If the length is not a positive whole number.
    """

    length: int
    angle: float | None = None
    family: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", whole("MotionBlur: length", self.length))
        if self.length < 1:
            raise ValueError(f"MotionBlur: length must be at least 1, got {self.length}")

    @property
    def strength(self) -> float:
        return self.length / math.sqrt(12)  # about its standard deviation

    def draw(self, rng: np.random.Generator) -> Degradation:
        return self if self.angle is not None else MotionBlur(self.length, float(rng.uniform(0, 180)))

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        angle = np.deg2rad(rng.uniform(0, 180) if self.angle is None else self.angle)
        size = self.length | 1
        kernel = torch.zeros(size, size)
        # Points along the line, dense enough to miss none of its pixels, distributed bilinearly.
        along = torch.linspace(-(self.length - 1) / 2, (self.length - 1) / 2, 4 * self.length)
        x, y = along * float(np.cos(angle)) + size // 2, -along * float(np.sin(angle)) + size // 2
        left, top = x.floor(), y.floor()
        for dx in (0, 1):
            for dy in (0, 1):
                weight = (1 - (x - left - dx).abs()) * (1 - (y - top - dy).abs())
                columns, rows = (left + dx).long().clamp(max=size - 1), (top + dy).long().clamp(max=size - 1)
                kernel.index_put_((rows, columns), weight, accumulate=True)
        return correlate(image, kernel / kernel.sum())
