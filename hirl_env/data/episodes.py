"""Draws what an episode starts from: a distorted image, and its reference where there is one."""

from __future__ import annotations

from collections.abc import Sequence
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
        reference: The same shape; None where the picture is taken as it was found, and no clean one came with it.
        degradation: What was applied, settled; None where the picture is taken as it was found.
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
        degradation: Applied to pictures that come without a distorted version. None takes them as they are: what
            they should look like is not known, so they have no reference (``InOrder(())`` makes them their own).
        crop_size: Side of the square cut out at random, in pixels; None for whole pictures.
        smallest: The least that the shorter side of a whole picture may have, in pixels.
    """

    photographs: Photographs
    degradation: Degradation | None
    crop_size: int | None
    smallest: int = 1

    def draw(self, rng: np.random.Generator) -> Start:
        """One start, from a photograph drawn at random of those that are large enough.

        Raises:
            ValueError: If there is none.
        """
        return self.start(self.photographs.draw(rng, self.crop_size or self.smallest), rng)

    @property
    def have_references(self) -> bool:
        """Whether starts have a reference."""
        return any(
            entry.reference is not None and (entry.distorted is not None or self.degradation is not None)
            for entry in self.photographs.entries
        )

    def start(self, photograph: Photograph, rng: np.random.Generator) -> Start:
        """One start from a given photograph; crop and degradation are drawn.

        Raises:
            ValueError: If the photograph is smaller than the crop.
        """
        try:
            window = ... if self.crop_size is None else crop_at_random(photograph.pixels, self.crop_size, rng)
        except ValueError as problem:
            raise ValueError(
                f"{self.photographs.name}, {photograph.name}: {problem}; choose another crop size"
            ) from None
        found = to_tensor(photograph.pixels[window])
        if photograph.distorted is not None:
            clean = None if photograph.reference is None else to_tensor(photograph.reference[window])
            return Start(photograph.name, found, clean, None)
        if self.degradation is None:
            return Start(photograph.name, found, None, None)
        degradation = self.degradation.draw(rng)
        return Start(photograph.name, degradation(found, rng), found, degradation)


def stacked(starts: Sequence[Start]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Starts of one size side by side, as `Restoration.begin` takes them.

    Returns:
        The distorted images (N, 3, H, W), and their references, the same shape, or None.

    Raises:
        ValueError: If some have a reference and some have none.
    """
    images = torch.stack([start.distorted for start in starts])
    references = [start.reference for start in starts if start.reference is not None]
    if len(references) not in (0, len(starts)):
        raise ValueError("some pictures of this source have a reference and some have none; use one kind at a time")
    return images, torch.stack(references) if references else None
