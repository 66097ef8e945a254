"""The noise of a camera's sensor, which sees one colour in each pixel, after the others were filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch

from hirl_env.data.degradations.blur import correlate
from hirl_env.data.degradations.degradation import Degradation

Demosaicing = Literal["bilinear", "gradient"]
DEMOSAICINGS: tuple[Demosaicing, ...] = get_args(Demosaicing)

GAMMA = 2.2  # of displays: what is stored is the light to the power of its inverse
RED, GREEN = 0, 1  # channels


def _kernel(*rows: tuple[float, ...]) -> torch.Tensor:
    kernel = torch.tensor(rows)
    return kernel / kernel.sum()


_CROSS = _kernel((0, 1, 0), (1, 0, 1), (0, 1, 0))
_BESIDE = _kernel((0, 0, 0), (1, 0, 1), (0, 0, 0))
_DIAGONAL = _kernel((1, 0, 1), (0, 0, 0), (1, 0, 1))
_AMONG_GREEN = _kernel((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))
# Kernels that fill in a colour from the mosaic: green where it lacks; red or blue on green, in a row that has it and in
# one that has not; and red on blue, or blue on red.
_KERNELS: dict[Demosaicing, tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]] = {
    "bilinear": (_CROSS, _BESIDE, _BESIDE.T, _DIAGONAL),
    "gradient": (
        _kernel((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0)),
        _AMONG_GREEN,
        _AMONG_GREEN.T,
        _kernel((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0)),
    ),
}


@dataclass(frozen=True)
class CameraNoise(Degradation):
    """Adds the noise of a sensor: photons that are counted and read out under a Bayer filter, in linear light.

    Its variance is proportional to the light, but for that of reading out (Foi et al., "Practical
    Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP 2008). A pixel sees one colour;
    the others are filled in from its neighbours, and with them their noise, so that its grains are larger than a pixel.
    The picture itself is developed without loss.

    Args:
        sigma: Standard deviation of what one pixel saw of a middle grey, of 255.
        read: Share that reading out has of the variance there, 0 to 1.
        red: Factor by which white balance amplifies red, and its noise, at least 1.
        blue: The same of blue.
        demosaicing: How colours are filled in: ``bilinear``, or ``gradient``, which looks at what was seen here, too
            (Malvar, He and Cutler, "High-quality linear interpolation for demosaicing", ICASSP 2004).

    Raises:
        ValueError: If a number is out of its range, or the demosaicing is unknown.
    """

    sigma: float
    read: float = 0.2
    red: float = 1.5
    blue: float = 1.5
    demosaicing: Demosaicing = "bilinear"
    family: ClassVar[str] = "noise"

    def __post_init__(self) -> None:
        for name, least, most in (("sigma", 0, 1e4), ("read", 0, 1), ("red", 1, 100), ("blue", 1, 100)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"CameraNoise: {name} must lie in {least} to {most:g}, got {getattr(self, name)}")
        if self.demosaicing not in DEMOSAICINGS:
            known = ", ".join(DEMOSAICINGS)
            raise ValueError(f"CameraNoise: unknown demosaicing {self.demosaicing!r}; known are: {known}")

    @property
    def strength(self) -> float:
        return self.sigma

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        light = image.clamp(0, 1) ** GAMMA
        height, width = image.shape[1:]
        seen = _bayer(height, width, int(rng.integers(2)), int(rng.integers(2)))
        gains = torch.tensor([self.red, 1.0, self.blue])[:, None, None]
        # Amplified light is counted from fewer photons: its variance grows with the gain, that of read-out squared.
        variance = (1 - self.read) * gains * light / 0.5**GAMMA + self.read * gains**2
        white = torch.from_numpy(rng.standard_normal((height, width), dtype=np.float32))
        mosaic = (variance * seen).sum(dim=0).sqrt() * white
        slope = GAMMA * 0.5 ** (GAMMA - 1)  # of light over what is stored, at a middle grey
        noise = _filled(mosaic, seen, self.demosaicing) * (slope * self.sigma / 255)
        developed: torch.Tensor = (light + noise).clamp(min=0) ** (1 / GAMMA)
        return developed


def _bayer(height: int, width: int, top: int, left: int) -> torch.Tensor:
    """Which colour each pixel sees, float32 (3, H, W) of zeros and ones; red begins at row ``top``, column ``left``."""
    rows, columns = torch.arange(height)[:, None] % 2 == top, torch.arange(width) % 2 == left
    return torch.stack([rows & columns, rows ^ columns, ~rows & ~columns]).float()


def _filled(mosaic: torch.Tensor, seen: torch.Tensor, demosaicing: Demosaicing) -> torch.Tensor:
    """All three colours (3, H, W) of a mosaic (H, W) of which each pixel has ``seen`` one."""
    green, beside, above, diagonal = (correlate(mosaic[None], kernel)[0] for kernel in _KERNELS[demosaicing])
    reds = seen[RED].amax(dim=1, keepdim=True) > 0  # rows with red pixels; the others have blue ones
    is_green = seen[GREEN] > 0
    unseen = (
        torch.where(is_green, torch.where(reds, beside, above), diagonal),
        green,
        torch.where(is_green, torch.where(reds, above, beside), diagonal),
    )
    return torch.where(seen > 0, mosaic, torch.stack(unseen))
