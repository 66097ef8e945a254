"""The interface of a quality measure, the registry of their names, and weighted sums of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from typing import Any

import torch
from torch import nn

from hirl_env.extras import optional
from hirl_env.quality.full_reference import FROM_PIQ, check_size, psnr
from hirl_env.quality.hirl_biqa import SMALLEST, load_blind_quality
from hirl_env.quality.paq2piq import load_paq2piq
from hirl_env.registry import Registry

ScoreFunction = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True)
class Measure:
    """A named way to score images; larger is better.

    Attributes:
        name: Name in tables.
        function: Function of images and references (N, 3, H, W), float32 in [0, 1], to scores (N,). References are None
            where there are none and the measure needs none. A module in evaluation mode will do, too, which follows the
            images to their device.
        needs_reference: Whether it cannot do without references.
        smallest: Side in pixels of the smallest pictures that it can score.
    """

    name: str
    function: ScoreFunction
    needs_reference: bool = True
    smallest: int = 1

    @torch.no_grad()
    def score(self, images: torch.Tensor, references: torch.Tensor | None = None) -> torch.Tensor:
        """Scores (N,) of images (N, 3, H, W), on their device.

        Raises:
            ValueError: If references are needed and missing, or of another shape, the images are too small, or the
                scores are not one finite number per image.
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
        scores = self.function(images, references)
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
    """The score function of a network that needs no reference: made at the first score, on the images' device.

    Args:
        make: Function that makes the network, which maps images (N, 3, H, W) to scores (N,), and by its ``quality_map``
            to scores of their parts, (N, 20, 20).
    """

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        self._make = make
        self._network: nn.Module | None = None

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None = None) -> torch.Tensor:
        scores: torch.Tensor = self._on(images.device)(images)
        return scores

    def quality_map(self, images: torch.Tensor) -> torch.Tensor:
        """What the network's ``quality_map`` says."""
        scores: torch.Tensor = self._on(images.device).quality_map(images)  # type: ignore[operator]
        return scores

    def _on(self, device: torch.device) -> nn.Module:
        if self._network is None:
            self._network = self._make().eval()
        _follow(self._network, device)
        return self._network


def _follow(network: nn.Module, device: torch.device) -> None:
    """Moves a network to a device, in place, where it is not there already."""
    if any(tensor.device != device for tensor in chain(network.parameters(), network.buffers())):
        network.to(device)


def _brisque() -> Measure:
    optional("brisque", "brisque")
    from hirl_env.quality.brisque import SMALLEST, Brisque

    return Measure("brisque", Brisque(), needs_reference=False, smallest=SMALLEST)


@lru_cache(maxsize=1)
def _paq2piq() -> Measure:
    """Made once per process and shared, so that many environments hold one network."""
    return Measure("paq2piq", BlindNetwork(load_paq2piq), needs_reference=False)


@lru_cache(maxsize=1)
def _hirl_biqa() -> Measure:
    return Measure("hirl-biqa", BlindNetwork(load_blind_quality), needs_reference=False, smallest=SMALLEST)


def _shorthand(value: Any) -> Measure | None:
    """A measure from a sum like ``0.5*psnr + 10*ssim``, or from a bare function.

    A bare function of images and references is given whatever references there are, None included; one that cannot do
    without them is wrapped in a `Measure`, as those of this package are.
    """
    if callable(value):
        for known in map(measures.resolve, ("psnr", *FROM_PIQ)):
            if known.function is value:
                return known
        return Measure(getattr(value, "__name__", type(value).__name__), value, needs_reference=False)
    if isinstance(value, str) and re.search(r"[*+]", value):
        return weighted(_parsed(value))
    return None


measures: Registry[Measure] = Registry("measure", Measure, _shorthand)
measures.register("psnr", lambda: Measure("psnr", psnr))
for _name, (_function, _smallest) in FROM_PIQ.items():
    measures.register(_name, partial(Measure, _name, _function, smallest=_smallest))
measures.register("hirl-biqa", _hirl_biqa)
measures.register("brisque", _brisque)
measures.register("paq2piq", _paq2piq)


def weighted(weights: Mapping[str | Measure, float]) -> Measure:
    """The weighted sum of measures, float64; blind where all of them are.

    Args:
        weights: Weights by measures or their names, such as ``{"psnr": 1, "ssim": 10}``.

    Raises:
        ValueError: If there are none, a weight is not a finite number, or a name is unknown.
    """
    parts = [(measures.resolve(measure), float(weight)) for measure, weight in weights.items()]
    if not parts:
        raise ValueError("a weighted sum needs at least one measure")
    for measure, weight in parts:
        if not math.isfinite(weight):
            raise ValueError(f"the weight of measure {measure.name!r} must be a finite number, got {weight}")

    def total(images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
        scores = [weight * measure.score(images, references).cpu().double() for measure, weight in parts]
        return torch.stack(scores).sum(0)

    return Measure(
        " + ".join(f"{weight:g}*{measure.name}" for measure, weight in parts),
        total,
        needs_reference=any(measure.needs_reference for measure, _ in parts),
        smallest=max(measure.smallest for measure, _ in parts),
    )


_TERM = re.compile(
    r"\s*(?:(?P<weight>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*)?\s*(?P<name>[A-Za-z][\w.-]*)\s*(?P<more>\+|$)"
)


def _parsed(text: str) -> dict[str | Measure, float]:
    """The weights in a sum of measures' names with optional factors, such as ``0.5*psnr + ssim``."""
    weights: dict[str | Measure, float] = {}
    position, more = 0, "+"
    while more:
        term = _TERM.match(text, position)
        if term is None:
            raise ValueError(f"measure {text!r} is no sum of measures; write it like '0.5*psnr + 10*ssim'")
        if term["name"] in weights:
            raise ValueError(f"measure {text!r} names {term['name']!r} twice; add up its weights")
        weights[term["name"]] = float(term["weight"] or 1)
        position, more = term.end(), term["more"]
    return weights
