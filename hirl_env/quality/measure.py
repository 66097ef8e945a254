"""The interface of a quality measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from hirl_env.checks import fingerprint
from hirl_env.quality.full_reference import check_size

ScoreFunction = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True)
class Measure:
    """A named way to score images; larger is better.

    Attributes:
        name: Name in tables.
        function: Function from images and references (N, 3, H, W), float32 in [0, 1], to scores (N,). References are
            None if there are none and the measure needs none. It may be a module in evaluation mode, which is moved to
            the device of the images.
        needs_reference: Whether it needs references.
        smallest: Side in pixels of the smallest images that it can score.
    """

    name: str
    function: ScoreFunction
    needs_reference: bool = True
    smallest: int = 1

    @torch.no_grad()
    def score(self, images: torch.Tensor, references: torch.Tensor | None = None) -> torch.Tensor:
        """Scores (N,) of images (N, 3, H, W), on their device.

        Raises:
            ValueError: If references are needed and missing, or of another shape, the images are too small, the
                function writes into them, or the scores are not one finite number per image.
        """
        if self.needs_reference and references is None:
            raise ValueError(
                f"measure {self.name!r} compares with a reference, and there is none; give one, or use a blind measure"
            )
        if references is not None and references.shape != images.shape:
            raise ValueError(
                f"measure {self.name!r}: images {tuple(images.shape)} and references {tuple(references.shape)} "
                "differ in shape"
            )
        check_size(self.name, images, self.smallest)
        if isinstance(self.function, nn.Module):
            _follow(self.function, images.device)
        given = [images] if references is None else [images, references]
        before = [fingerprint(each) for each in given]
        scores = self.function(images, references)
        if [fingerprint(each) for each in given] != before:
            raise ValueError(f"measure {self.name!r} writes into the images it is given; it must leave them unchanged")
        if not isinstance(scores, torch.Tensor) or tuple(scores.shape) != (len(images),):
            got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise ValueError(
                f"measure {self.name!r} must return one score per image, a tensor ({len(images)},); got {got}"
            )
        if not torch.isfinite(scores).all():
            raise ValueError(f"measure {self.name!r} returned a score that is not finite: {scores.tolist()}")
        return scores

    @torch.no_grad()
    def quality_map(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, 20, 20) of the parts of images (N, 3, H, W) that a grid of 20x20 cuts them into.

        Raises:
            ValueError: If this measure has no map, or the images are too small.
        """
        if not isinstance(self.function, BlindNetwork):
            raise ValueError(f"measure {self.name!r} has no quality map; hirl-biqa and paq2piq have one")
        check_size(self.name, images, self.smallest)
        return self.function.quality_map(images)


class BlindNetwork:
    """The score function of a network that needs no reference; the network is made at its first use.

    Args:
        make: Function that makes the network, which maps images (N, 3, H, W) to scores (N,), and with its
            ``quality_map`` to scores of their parts, (N, 20, 20).
    """

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        self._make = make
        self._network: nn.Module | None = None

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None = None) -> torch.Tensor:
        scores: torch.Tensor = self._on(images.device)(images)
        return scores

    def quality_map(self, images: torch.Tensor) -> torch.Tensor:
        """The result of the network's ``quality_map``."""
        scores: torch.Tensor = self._on(images.device).quality_map(images)  # type: ignore[operator]
        return scores

    def __deepcopy__(self, memo: dict[int, Any]) -> BlindNetwork:
        return self  # nobody trains it, so copies of an environment share it

    def _on(self, device: torch.device) -> nn.Module:
        if self._network is None:
            self._network = self._make().eval()
        _follow(self._network, device)
        return self._network


def _follow(network: nn.Module, device: torch.device) -> None:
    """Moves a network to a device, in place, unless it is there already."""
    if any(tensor.device != device for tensor in chain(network.parameters(), network.buffers())):
        network.to(device)
