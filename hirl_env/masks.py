"""Which actions are allowed, for agents that mask the others (such as sb3-contrib's MaskablePPO)."""

from __future__ import annotations

import numpy as np

from hirl_env.arrays import Flags, Indices
from hirl_env.restoration import Outcome, Restoration


class ActionMasks:
    """Masks over flat actions: the tools type by type, and STOP if there is one.

    Args:
        restoration: Restoration whose episodes the actions are for.
        mask_useless: Whether tools that gained nothing in an episode are masked until it ends.
    """

    def __init__(self, restoration: Restoration, mask_useless: bool) -> None:
        self.restoration, self.mask_useless = restoration, mask_useless
        self._useless = np.zeros((0, len(restoration.toolset.cells)), dtype=np.bool_)

    def begin(self, rows: Indices) -> None:
        """Clears the masks of these rows, whose episodes begin."""
        count = len(self.restoration.state)
        if len(self._useless) != count:
            self._useless = np.zeros((count, self._useless.shape[1]), dtype=np.bool_)
        self._useless[rows] = False

    def step(self, actions: Indices, outcome: Outcome, rows: Indices) -> None:
        """Records which tools gained nothing.

        Args:
            actions: A (type, degree) pair for each row, (n, 2).
            outcome: Outcome of the step.
            rows: Rows of the images that took the step, (n,).
        """
        useless = (actions[:, 0] < self.restoration.toolset.n_types) & (outcome.gains <= 0)
        numbers = actions[:, 0] * self.restoration.toolset.n_degrees + actions[:, 1]
        self._useless[rows[useless], numbers[useless]] = True

    def all(self) -> Flags:
        """Which actions are allowed, (N, tools), or (N, tools + 1) with STOP; at least one for each image."""
        allowed = ~self._useless if self.mask_useless else np.ones_like(self._useless)
        if self.restoration.rules.stop_action:
            return np.concatenate([allowed, np.ones((len(allowed), 1), dtype=np.bool_)], axis=1)
        return allowed | ~allowed.any(axis=1, keepdims=True)
