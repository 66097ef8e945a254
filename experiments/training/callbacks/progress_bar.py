"""The progress bar."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback
from tqdm import tqdm


class ProgressBar(BaseCallback):
    """Shows the number of environment steps taken.

    Args:
        name: Text next to the bar.
        total_steps: Environment steps of the whole training.
    """

    def __init__(self, name: str, total_steps: int) -> None:
        super().__init__()
        self.name, self.total_steps = name, total_steps

    def _on_training_start(self) -> None:
        self.bar = tqdm(
            total=self.total_steps,
            initial=self.model.num_timesteps,
            desc=self.name,
            unit="step",
            mininterval=1,
            disable=None,
        )

    def _on_step(self) -> bool:
        self.bar.update(self.model.num_timesteps - self.bar.n)
        return True

    def _on_training_end(self) -> None:
        self.bar.close()
