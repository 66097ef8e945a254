"""Rewards: the gain of a measure, less a price on what the tools cost."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from hirl_env.quality import Measure, measures
from hirl_env.registry import Registry


@dataclass(frozen=True)
class Reward:
    """The reward of a step: the gain of the measure, less the price of the tool's cost.

    Attributes:
        measure: Measure whose gain is rewarded.
        price: Price of a GFLOP, in units of the measure; at least 0.

    Raises:
        ValueError: If the price is negative or not finite.
    """

    measure: Measure
    price: float = 0.0

    def __post_init__(self) -> None:
        check_price(self.price)


def check_price(price: float) -> None:
    """Raises ValueError if a price on compute is negative or not finite."""
    if not (math.isfinite(price) and price >= 0):
        raise ValueError(f"the price of a GFLOP must be at least 0 and finite, got {price:g}")


_PRICED = re.compile(
    r"(?P<measure>.*?[^\s*+-])\s*-\s*(?:(?P<price>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*\s*)?cost\s*", re.DOTALL
)


def _shorthand(value: Any) -> Reward:
    """A reward from ``MEASURE - PRICE*cost``, as in ``psnr - 0.05*cost``, or from a measure (price 0).

    Args:
        value: Measure, as `hirl_env.quality.measures` resolves it; a text may end in a price on cost.

    Raises:
        ValueError: If it is not one of these, or names an unknown measure.
    """
    if not isinstance(value, str) or value in measures.names() or not re.search(r"\bcost\b", value):
        return Reward(measures.resolve(value))
    priced = _PRICED.fullmatch(value)
    if priced is None:
        raise ValueError(f"reward {value!r}: the price on cost comes last, as in 'psnr - 0.05*cost'")
    return Reward(measures.resolve(priced["measure"].strip()), float(priced["price"] or 1))


rewards: Registry[Reward] = Registry("reward", Reward, _shorthand)
