"""The base of this package's off-policy algorithms: checks of their environments, and exploration."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from stable_baselines3.common.type_aliases import MaybeCallback

from hirl_agents.common.saving import SafelySaved
from hirl_agents.common.vec_env import check_trainable, longest_episode

Self = TypeVar("Self", bound="OffPolicyAgent")


class OffPolicyAgent(SafelySaved):
    """An off-policy algorithm that learns to restore.

    Attributes:
        stops_by_action: Whether it stops by an action; otherwise it stops by its values.
        max_steps: Longest episode of the environment.
    """

    stops_by_action: ClassVar[bool] = False

    def _setup_model(self) -> None:
        for name in ("batch_size", "target_update_interval", "train_freq"):
            number = getattr(self, name)
            if isinstance(number, int) and number < 1:  # SB3 takes (4, "episode") for train_freq, too
                raise ValueError(f"{name} must be at least 1, got {number}")
        check_trainable(self.env, self.stops_by_action)
        self.max_steps = longest_episode(self.env, self.max_steps)
        super()._setup_model()

    def learn(
        self: Self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Trains for ``total_timesteps`` environment steps; see Stable-Baselines3.

        Args:
            total_timesteps: Number of environment steps.
            callback: Callbacks of Stable-Baselines3.
            log_interval: Number of episodes between two lines of the log.
            tb_log_name: Name of the run in TensorBoard. Default: that of the algorithm.
            reset_num_timesteps: Whether steps are counted from 0.
            progress_bar: Whether to show a progress bar.

        Raises:
            ValueError: If the agent cannot learn in the environment (see `check_trainable`).
        """
        check_trainable(self.env, self.stops_by_action)
        name = tb_log_name or type(self).__name__
        return super().learn(total_timesteps, callback, log_interval, name, reset_num_timesteps, progress_bar)


def epsilon_at(initial: float, final: float, step: int, steps: int, stairs: int = 0) -> float:
    """The probability of a random action, which falls in a straight line or in stairs.

    Args:
        initial: Probability at the beginning.
        final: Probability at the end.
        step: Number of steps taken.
        steps: Number of steps over which it falls; 0 for none.
        stairs: Number of equal stairs in which it falls; 0 for a straight line.
    """
    progress = min(1.0, step / steps) if steps else 1.0
    if stairs:
        progress = int(progress * stairs) / stairs
    return initial + progress * (final - initial)
