"""The interface of methods: ways to restore distorted images that are measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hirl_agents.search import SearchResult
from hirl_env.data.degradations import Degradation
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Toolset

# A function from a batch and the degradation of each image to results by the names of rows. Each dictionary comes from
# one run, whose time and operations the shorter paths of a search share.
Run = Callable[[Restoration, Sequence[Degradation]], Iterator[dict[str, SearchResult]]]


@dataclass(frozen=True)
class Method(ABC):
    """A way to restore images: its options, each with its default.

    Attributes:
        chooses: Whether it weighs the gains of tools against the price of their cost, if a GFLOP has a price.
        told: Whether it is told the degradation of each image.
    """

    chooses: ClassVar[bool] = False
    told: ClassVar[bool] = False

    @abstractmethod
    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Loads what it needs, and returns a function that restores a batch.

        Args:
            name: Name of its row, or prefix of the names of its rows.
            toolset: Tools, over tiles.
            trust: Whether agents may be files of Stable-Baselines3, whose loading runs code that they hold.

        Raises:
            ValueError: If an option is unknown or out of range.
        """
