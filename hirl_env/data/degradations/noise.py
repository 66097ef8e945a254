"""Noise: Gaussian in colour, in grey and in hues alone, shot noise, and coarse noise."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from hirl_env.data.degradations.blur import blurred, gaussian_taps, positive
from hirl_env.data.degradations.degradation import Degradation
from hirl_env.data.images import LUMA


@dataclass(frozen=True)
class _Noise(Degradation):
    """Noise of one standard deviation, clipped and rounded to 8 bits.

    Args:
        sigma: Standard deviation, of 255.

    Raises:
        ValueError: If it is negative or not finite.
    """

    sigma: float
    family: ClassVar[str] = "noise"

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < float("inf"):
            raise ValueError(f"{type(self).__name__}: sigma must not be negative, got {self.sigma}")

    @property
    def strength(self) -> float:
        return self.sigma

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return image + self._noise(image, rng) * (self.sigma / 255)

    @abstractmethod
    def _noise(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Noise of standard deviation 1, for an image (3, H, W)."""


def _normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


@dataclass(frozen=True)
class GaussianNoise(_Noise):
    """Adds white Gaussian noise to every channel by itself."""

    def _noise(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return _normal(rng, *image.shape)


@dataclass(frozen=True)
class GreyNoise(_Noise):
    """Adds the same white Gaussian noise to all three channels."""

    def _noise(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return _normal(rng, 1, *image.shape[1:])


@dataclass(frozen=True)
class ChromaNoise(_Noise):
    """Adds Gaussian noise that changes the hues but not the brightness, as denoising in cameras leaves it."""

    def _noise(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        noise = _normal(rng, *image.shape)
        hues = noise - (torch.tensor(LUMA)[:, None, None] * noise).sum(dim=0)
        return hues / hues.std()


@dataclass(frozen=True)
class ShotNoise(_Noise):
    """Adds noise whose variance is proportional to the brightness, as photon counting produces.

    ``sigma`` is its standard deviation at half of the full brightness. Counts are assumed large enough to be Gaussian.
    """

    def _noise(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return _normal(rng, *image.shape) * (2 * image).sqrt()


@dataclass(frozen=True)
class CoarseNoise(_Noise):
    """Adds noise whose grains are larger than a pixel, as from film, or from cameras that interpolate colours.

    Args:
        sigma: Standard deviation, of 255.
        grain: Standard deviation of the Gaussian that white noise is blurred with, pixels.
        grey: Whether the noise is the same in all channels.

    Raises:
        ValueError: If ``sigma`` is negative, or ``grain`` is not positive.
    """

    grain: float = 0.7
    grey: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("CoarseNoise: grain", self.grain)

    def _noise(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        taps = gaussian_taps(self.grain)
        white = _normal(rng, 1 if self.grey else len(image), *image.shape[1:])
        # Each of the two passes multiplies the variance by this sum of squares.
        return blurred(white, taps) / taps.square().sum()
