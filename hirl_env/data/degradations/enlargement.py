"""Enlargement: a small picture scaled up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F

from hirl_env.data.degradations.degradation import Degradation
from hirl_env.data.images import eight_bits

Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Enlargement(Degradation):
    """Scales a picture down, and back up to its size.

    Args:
        factor: Factor by which it is scaled down, at least 1.
        interpolation: Interpolation for scaling up; scaling down is antialiased bicubic.

    Raises:
        ValueError: If the factor or the interpolation is invalid.
    """

    factor: float
    interpolation: Interpolation = "bicubic"
    family: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"Enlargement: factor must be at least 1, got {self.factor}")
        if self.interpolation not in get_args(Interpolation):
            known = " or ".join(get_args(Interpolation))
            raise ValueError(f"Enlargement: interpolation must be {known}, got {self.interpolation!r}")

    @property
    def strength(self) -> float:
        return self.factor / 2  # the standard deviation of block averaging and bilinear interpolation together

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        height, width = image.shape[-2:]
        smaller = [max(1, round(side / self.factor)) for side in (height, width)]
        small = F.interpolate(image[None], smaller, mode="bicubic", antialias=True)
        # The small picture was a file with 8 bits, too.
        return F.interpolate(eight_bits(small), (height, width), mode=self.interpolation)[0]
