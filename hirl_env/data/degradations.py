"""What turns a reference into a distorted image.

A degradation is a small frozen value. It may be random in its kind or strength (`Mixture`, `RLRestoreRecipe`);
`draw` settles that, and what it returns lists its `steps` in the order of application. Applying it draws the noise
itself. All randomness comes from the generator that is passed in.

Every step ends in 8 bits, as if the picture had been saved: a distorted image is a picture, not a tensor.
"""

from __future__ import annotations

import io
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from hirl_env.data.images import to_pixels, to_tensor
from hirl_env.registry import Registry


class Degradation(ABC):
    """Maps a reference to a distorted image of the same shape.

    Attributes:
        family: ``blur``, ``noise`` or ``jpeg`` for single distortions, so that a tool for it can be found; else empty.
    """

    family: ClassVar[str] = ""

    @property
    def strength(self) -> float:
        """How bad a single distortion is, comparable within its family."""
        return 0.0

    def draw(self, rng: np.random.Generator) -> Degradation:
        """Settles what is random in kind and strength; a fixed degradation returns itself."""
        return self

    @property
    def steps(self) -> tuple[Degradation, ...]:
        """The single distortions, in the order of application."""
        return (self,)

    def __call__(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Distorts one image.

        Args:
            image: float32, (3, H, W), in [0, 1].
            rng: The source of all randomness.

        Returns:
            A new tensor of the same shape whose values are multiples of 1/255.
        """
        return (self._apply(image, rng) * 255).round().clamp(0, 255) / 255

    @abstractmethod
    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor: ...


def opencv_sigma(size: int) -> float:
    """The standard deviation that OpenCV gives to a Gaussian kernel of ``size`` taps."""
    return 0.3 * ((size - 1) / 2 - 1) + 0.8


@lru_cache(maxsize=256)
def _gaussian_taps(size: int, sigma: float) -> torch.Tensor:
    distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    return (taps / taps.sum()).float()


def _filter(image: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Correlates each channel with a (kh, kw) kernel; mirrored borders, anchor at size // 2 as in OpenCV."""
    height, width = kernel.shape
    padding = (width // 2, (width - 1) // 2, height // 2, (height - 1) // 2)
    # Mirroring needs a border narrower than the image; a picture that small repeats its edge instead.
    fits = image.shape[-1] > width // 2 and image.shape[-2] > height // 2
    padded = F.pad(image[:, None], padding, mode="reflect" if fits else "replicate")
    return F.conv2d(padded, kernel[None, None])[:, 0]


def _whole(what: str, value: Any) -> int:
    """A whole number of any kind, NumPy's too, as Python's."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{what} must be a whole number, got {value!r}") from None


@dataclass(frozen=True)
class GaussianBlur(Degradation):
    """Blurs with a Gaussian kernel of ``size`` taps; sigma in pixels, by OpenCV's rule unless given.

    The paper gives sizes only (5, 10, 15). An even size is legal, and moves the picture by half a pixel, as it does in
    OpenCV's filters.
    """

    size: int
    sigma: float | None = None
    family: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _whole("GaussianBlur: size", self.size))
        if self.size < 1:
            raise ValueError(f"GaussianBlur: size must be at least 1, got {self.size}")
        if self.sigma is not None and self.sigma <= 0:
            raise ValueError(f"GaussianBlur: sigma must be positive, got {self.sigma}")

    @property
    def strength(self) -> float:
        return self.sigma if self.sigma is not None else opencv_sigma(self.size)

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        taps = _gaussian_taps(self.size, self.strength)
        return _filter(_filter(image, taps[None, :]), taps[:, None])


@dataclass(frozen=True)
class MotionBlur(Degradation):
    """Blurs along a straight line of ``length`` pixels; the angle (degrees) is drawn where none is given."""

    length: int
    angle: float | None = None
    family: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", _whole("MotionBlur: length", self.length))
        if self.length < 1:
            raise ValueError(f"MotionBlur: length must be at least 1, got {self.length}")

    @property
    def strength(self) -> float:
        return self.length / 12**0.5  # the standard deviation of a line of that length

    def draw(self, rng: np.random.Generator) -> Degradation:
        return self if self.angle is not None else MotionBlur(self.length, float(rng.uniform(0, 180)))

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        angle = np.deg2rad(rng.uniform(0, 180) if self.angle is None else self.angle)
        size = self.length | 1
        kernel = torch.zeros(size, size)
        # Points along the line, dense enough that none of its pixels is missed, shared out bilinearly.
        along = torch.linspace(-(self.length - 1) / 2, (self.length - 1) / 2, 4 * self.length)
        x, y = along * float(np.cos(angle)) + size // 2, -along * float(np.sin(angle)) + size // 2
        left, top = x.floor(), y.floor()
        for dx in (0, 1):
            for dy in (0, 1):
                weight = (1 - (x - left - dx).abs()) * (1 - (y - top - dy).abs())
                columns, rows = (left + dx).long().clamp(max=size - 1), (top + dy).long().clamp(max=size - 1)
                kernel.index_put_((rows, columns), weight, accumulate=True)
        return _filter(image, kernel / kernel.sum())


@dataclass(frozen=True)
class GaussianNoise(Degradation):
    """Adds white Gaussian noise of standard deviation ``sigma`` (of 255), clipped and rounded to 8 bits."""

    sigma: float
    family: ClassVar[str] = "noise"

    def __post_init__(self) -> None:
        if self.sigma < 0:
            raise ValueError(f"GaussianNoise: sigma must not be negative, got {self.sigma}")

    @property
    def strength(self) -> float:
        return self.sigma

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        noise = rng.standard_normal(tuple(image.shape), dtype=np.float32)
        return image + torch.from_numpy(noise) * (self.sigma / 255)


@dataclass(frozen=True)
class JpegCompression(Degradation):
    """Saves as a JPEG of ``quality`` (1 to 100; Pillow's encoder, 4:2:0 chroma) and reads it back."""

    quality: int
    family: ClassVar[str] = "jpeg"

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", _whole("JpegCompression: quality", self.quality))
        if not 1 <= self.quality <= 100:
            raise ValueError(f"JpegCompression: quality must be from 1 to 100, got {self.quality}")

    @property
    def strength(self) -> float:
        return 100 - self.quality

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        file = io.BytesIO()
        Image.fromarray(to_pixels(image)).save(file, "JPEG", quality=self.quality)
        return to_tensor(np.asarray(Image.open(file)))


@dataclass(frozen=True)
class InOrder(Degradation):
    """Applies several degradations one after the other."""

    parts: tuple[Degradation, ...]

    def draw(self, rng: np.random.Generator) -> Degradation:
        return InOrder(tuple(part.draw(rng) for part in self.parts))

    @property
    def steps(self) -> tuple[Degradation, ...]:
        return tuple(step for part in self.parts for step in part.steps)

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        for part in self.parts:
            image = part(image, rng)
        return image


@dataclass(frozen=True)
class Mixture(Degradation):
    """Draws one of several degradations anew for every image, all equally likely."""

    choices: tuple[Degradation, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("Mixture: needs at least one degradation to choose from")

    def draw(self, rng: np.random.Generator) -> Degradation:
        return self.choices[int(rng.integers(len(self.choices)))].draw(rng)

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return self.draw(rng)(image, rng)


@dataclass(frozen=True)
class RLRestoreRecipe(Degradation):
    """The degradations of RL-Restore (Yu et al., CVPR 2018): blur, noise and JPEG, each from one of ten bands.

    With band numbers k, m, n in 1..10 the strength is k + m + n - 2. Blur (sigma 0 to 5, 21 taps) and noise (sigma 0
    to 50) are split evenly, JPEG at the qualities below; within a band the value is uniform.

    Args:
        lowest: Smallest strength drawn.
        highest: Largest strength drawn.
    """

    lowest: int
    highest: int

    QUALITIES = (100, 80, 60, 50, 40, 35, 30, 25, 20, 15, 10)

    def __post_init__(self) -> None:
        if not 1 <= self.lowest <= self.highest <= 28:
            raise ValueError(f"RLRestoreRecipe: strengths lie in 1 to 28, got {self.lowest} to {self.highest}")

    def draw(self, rng: np.random.Generator) -> Degradation:
        while True:
            blur, noise, jpeg = (int(band) for band in rng.integers(1, 11, size=3))
            if self.lowest <= blur + noise + jpeg - 2 <= self.highest:
                break
        sigma = float(rng.uniform(blur - 1, blur)) * 0.5
        quality = int(rng.integers(self.QUALITIES[jpeg], self.QUALITIES[jpeg - 1] + 1))
        return InOrder(
            (
                GaussianBlur(21, max(sigma, 1e-3)),
                GaussianNoise(float(rng.uniform(noise - 1, noise)) * 5),
                JpegCompression(quality),
            )
        )

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return self.draw(rng)(image, rng)


BLUR_SIZES = (5, 10, 15)
NOISE_SIGMAS = (15, 25, 35)
JPEG_QUALITIES = (30, 20, 10)
LEVELS = ("mild", "moderate", "severe")
SINGLES = "singles"

degradations: Registry[Degradation] = Registry("degradation", Degradation)  # type: ignore[type-abstract]


def _register(name: str, degradation: Degradation) -> None:
    degradations.register(name, lambda: degradation)


_levels = tuple(
    InOrder((GaussianBlur(size), GaussianNoise(sigma), JpegCompression(quality)))
    for size, sigma, quality in zip(BLUR_SIZES, NOISE_SIGMAS, JPEG_QUALITIES, strict=True)
)
_singles = {
    **{f"blur-{size}": GaussianBlur(size) for size in BLUR_SIZES},
    **{f"noise-{sigma}": GaussianNoise(sigma) for sigma in NOISE_SIGMAS},
    **{f"jpeg-{quality}": JpegCompression(quality) for quality in JPEG_QUALITIES},
}
for _name, _level in zip(LEVELS, _levels, strict=True):
    _register(_name, _level)
_any_level, _any_single = Mixture(_levels), Mixture(tuple(_singles.values()))
_register("levels", _any_level)
for _name, _single in _singles.items():
    _register(_name, _single)
_register(SINGLES, _any_single)
_register("mixture", Mixture((_any_level, _any_single)))
_register("rl-restore-mild", RLRestoreRecipe(9, 11))
_register("rl-restore-moderate", RLRestoreRecipe(12, 17))
_register("rl-restore-severe", RLRestoreRecipe(18, 20))
