"""The paper's claims, as orderings of measured figures that hold or do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

ROUNDING = 5e-4  # dB: smaller differences do not show in a table


@dataclass(frozen=True)
class Ordering:
    """A claim that one figure is above another.

    Attributes:
        claim: Claim in words.
        margin: Difference between the first figure and the second, dB.
        may_tie: Whether equal figures satisfy it.
    """

    claim: str
    margin: float
    may_tie: bool = False

    @property
    def holds(self) -> bool:
        """Whether the measurements satisfy the claim."""
        return self.margin > (-ROUNDING if self.may_tie else ROUNDING)

    def __str__(self) -> str:
        return f"{'holds' if self.holds else 'does not hold'} ({self.margin:+.3f} dB): {self.claim}"


def ahead_of_all(name: str, where: str, psnr: Mapping[str, float], rivals: Mapping[str, float]) -> Ordering:
    """The claim that a method is ahead of the best of others.

    Args:
        name: Method, a key of ``psnr``.
        where: Name of what was measured on, in words.
        psnr: PSNR in dB by method.
        rivals: PSNR in dB of the others.
    """
    best = max(rivals, key=lambda rival: rivals[rival])
    return Ordering(f"on {where} {name} is ahead of {best}, the best of the others", psnr[name] - rivals[best])


def rising(names: Mapping[str, float], where: str, may_tie: bool = False) -> Iterator[Ordering]:
    """The claims that of several figures, in their order, each is above the one before it.

    Args:
        names: Figures in dB by name.
        where: Name of what was measured on, in words.
        may_tie: Whether equals count, as of `Ordering`.
    """
    for (lower, below), (upper, above) in pairwise(names.items()):
        relation = "is not behind" if may_tie else "is ahead of"
        yield Ordering(f"on {where} {upper} {relation} {lower}", above - below, may_tie)
