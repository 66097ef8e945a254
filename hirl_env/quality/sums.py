"""Weighted sums of measures, and how they are written."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hirl_env.quality.measure import Measure

_TERM = re.compile(
    r"\s*(?:(?P<weight>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*)?\s*(?P<name>[A-Za-z][\w.-]*)\s*(?P<more>\+|$)"
)


@dataclass(frozen=True)
class _Sum:
    """The score function of a weighted sum; unlike a function in a function, it can be pickled."""

    parts: tuple[tuple[Measure, float], ...]

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
        scores = [weight * measure.score(images, references).cpu().double() for measure, weight in self.parts]
        return torch.stack(scores).sum(0)


def weighted_sum(parts: Sequence[tuple[Measure, float]]) -> Measure:
    """The weighted sum of measures, float64; blind if all of them are blind.

    Args:
        parts: Measures, each with its weight.

    Raises:
        ValueError: If there are no measures, or a weight is not a finite number.
    """
    if not parts:
        raise ValueError("a weighted sum needs at least one measure")
    for measure, weight in parts:
        if not math.isfinite(weight):
            raise ValueError(f"the weight of measure {measure.name!r} must be a finite number, got {weight}")

    return Measure(
        " + ".join(f"{weight:g}*{measure.name}" for measure, weight in parts),
        _Sum(tuple(parts)),
        needs_reference=any(measure.needs_reference for measure, _ in parts),
        smallest=max(measure.smallest for measure, _ in parts),
    )


def parts_of(measure: Measure) -> tuple[tuple[Measure, float], ...]:
    """The measures that a weighted sum adds up, each with its weight; of another measure, itself."""
    return measure.function.parts if isinstance(measure.function, _Sum) else ((measure, 1.0),)


def parse_sum(text: str) -> dict[str, float]:
    """The weights in a sum of measures' names with optional factors, such as ``0.5*psnr + ssim``.

    Raises:
        ValueError: If the text is not such a sum, or names a measure twice.
    """
    weights: dict[str, float] = {}
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
