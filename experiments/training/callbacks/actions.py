"""Statistics of the tools used."""

from __future__ import annotations

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from hirl_env.tools.toolset import Toolset


class ActionShares(BaseCallback):
    """Counts the types and degrees taken, and logs their shares and histograms when asked to.

    Args:
        toolset: The tools.
    """

    def __init__(self, toolset: Toolset) -> None:
        super().__init__()
        self.toolset = toolset
        self.actions: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.actions.append(np.atleast_1d(self.locals["actions"]).copy())
        return True

    def record(self) -> None:
        """Records the actions taken since the last call, for the next dump of the logger."""
        if not self.actions:
            return
        actions = np.concatenate(self.actions)
        if actions.ndim == 1:
            actions = np.stack(np.divmod(actions, self.toolset.n_degrees), axis=1)
        types, degrees = actions.T
        tools = types < self.toolset.n_types  # STOP has no degree
        columns = (("type", types, self.toolset.n_types), ("degree", degrees[tools], self.toolset.n_degrees))
        for name, column, least in columns:
            if not len(column):
                continue
            self.logger.record(f"rollout/{name}s", torch.as_tensor(column), exclude=("csv", "stdout"))
            for number, count in enumerate(np.bincount(column.astype(int), minlength=least)):
                self.logger.record(f"rollout/{name}_{number}", count / len(column))
        self.actions.clear()
