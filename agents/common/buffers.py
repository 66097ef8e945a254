"""What replay buffers of agents here have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.buffers import ReplayBuffer


class CompactReplayBuffer(ReplayBuffer):
    """Stores only the rows that hold something: most of an early checkpoint would be gigabytes of zeros.

    Attributes:
        arrays: Names of what has a row for each transition, or for each episode.
    """

    arrays: ClassVar[tuple[str, ...]]

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.buffer_size

    def held(self) -> npt.NDArray[np.int64] | slice:
        """The rows that hold something."""
        return slice(self.size())  # no copy, of what may be gigabytes

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {name: getattr(self, name)[self.held()] for name in self.arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in self.arrays:
            whole = np.zeros((self.rows, *state[name].shape[1:]), dtype=state[name].dtype)
            whole[self.held()] = state[name]
            setattr(self, name, whole)
