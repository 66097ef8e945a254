"""Draws what an episode starts from: a distorted image, and its reference where there is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hirl_env.data.degradations import Degradation
from hirl_env.data.images import crop_at_random, to_tensor
from hirl_env.data.photographs import Photograph, Photographs


@dataclass(frozen=True)
class Start:
    """The beginning of an episode.

    Attributes:
        name: Of the photograph.
        distorted: float32, (3, H, W), in [0, 1].
        reference: The same shape, or None.
        degradation: What was applied, settled; None where the photograph came distorted.
    """

    name: str
    distorted: torch.Tensor
    reference: torch.Tensor | None
    degradation: Degradation | None


@dataclass(frozen=True)
class Episodes:
    """Makes starts from photographs and a degradation.

    Attributes:
        photographs: Where pictures come from. One that comes with a distorted version keeps it.
        degradation: Applied to references that come without; None leaves them as they are.
        crop_size: Side of the square cut out at random, in pixels; None for whole pictures.
    """

    photographs: Photographs
    degradation: Degradation | None
    crop_size: int | None

    def draw(self, rng: np.random.Generator) -> Start:
        """One start, from a photograph drawn at random."""
        return self.start(self.photographs.draw(rng), rng)

    def start(self, photograph: Photograph, rng: np.random.Generator) -> Start:
        """One start from a given photograph; crop and degradation are drawn.

        Raises:
            ValueError: If the photograph is smaller than the crop.
        """
        given, clean = photograph.distorted, photograph.reference
        pixels = given if given is not None else clean
        assert pixels is not None
        try:
            window = ... if self.crop_size is None else crop_at_random(pixels, self.crop_size, rng)
        except ValueError as problem:
            raise ValueError(
                f"{self.photographs.name}, {photograph.name}: {problem}; choose another crop size"
            ) from None
        reference = None if clean is None else to_tensor(clean[window])
        if given is not None:
            return Start(photograph.name, to_tensor(given[window]), reference, None)
        assert reference is not None
        degradation = None if self.degradation is None else self.degradation.draw(rng)
        distorted = reference if degradation is None else degradation(reference, rng)
        return Start(photograph.name, distorted, reference, degradation)
