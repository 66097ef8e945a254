"""A way to restore distorted images that is measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hirl_agents.search import SearchResult
from hirl_env.data.degradations import Degradation
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Toolset

# What a method makes of a batch, given what degraded each image, by the names of its rows; each dictionary comes of one
# run, in which the shorter paths of a search have their share.
Run = Callable[[Restoration, Sequence[Degradation]], Iterator[dict[str, SearchResult]]]


@dataclass(frozen=True)
class Method(ABC):
    """A way to restore images: its options, each with its default.

    Attributes:
        chooses: Whether it weighs what tools gain against the price of what they cost, where a GFLOP has one.
    """

    chooses: ClassVar[bool] = False

    @abstractmethod
    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Loads what it needs, and returns what it does with a batch.

        Args:
            name: Name of its row, or what the names of its rows begin with.
            toolset: Tools, over tiles.
            trust: Whether agents may be files of Stable-Baselines3, whose loading runs code that they hold.

        Raises:
            ValueError: If an option names nothing known, or is out of range.
        """
