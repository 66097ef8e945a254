"""Ends the learning when asked to stop."""

from __future__ import annotations

from collections.abc import Sequence

from stable_baselines3.common.callbacks import BaseCallback


class Interruption(BaseCallback):
    """Ends the learning after the step in which a signal arrived.

    Args:
        received: Signals received so far, a list that grows.

    Attributes:
        stopped: Whether it ended the learning.
        learned: Number of environment steps that were learned from, without those since the last updates.
    """

    def __init__(self, received: Sequence[int]) -> None:
        super().__init__()
        self.received = received
        self.stopped, self.learned = False, 0

    def _on_rollout_start(self) -> None:
        # Here, between updates and steps, the model and its replay buffer are consistent.
        self.learned = self.model.num_timesteps

    def _on_step(self) -> bool:
        self.stopped = bool(self.received)
        return not self.stopped
