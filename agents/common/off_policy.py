"""The base of this package's off-policy algorithms: checks of their environments, ends of episodes, exploration."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import MaybeCallback, RolloutReturn

from hirl_agents.common.buffers import cut_off_episodes
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
        super()._setup_model()
        self._match_length()

    def _match_length(self) -> None:
        """Makes its paths as long as the environment's episodes."""
        self.max_steps = longest_episode(self.env, self.max_steps)

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
        # The environment may be another one, by set_env.
        check_trainable(self.env, self.stops_by_action)
        self._match_length()
        name = tb_log_name or type(self).__name__
        return super().learn(total_timesteps, callback, log_interval, name, reset_num_timesteps, progress_bar)

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        if reset_num_timesteps or self._last_obs is None:
            # The environments are about to be reset.
            assert self.replay_buffer is not None
            cut_off_episodes(self.replay_buffer)
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> RolloutReturn:
        """Steps and remembers; see Stable-Baselines3."""
        whole = False
        try:
            collected = super().collect_rollouts(*args, **kwargs)
            whole = collected.continue_training
            return collected
        finally:
            if not whole:
                # A callback, or Ctrl-C, ended it between a step and its storing: environments are ahead of the buffer.
                self._last_obs = None


def epsilon_at(initial: float, final: float, step: int, steps: int, stairs: int = 0) -> float:
    """The probability of a random action, which falls in a straight line or in stairs.

    Args:
        initial: Probability at the beginning.
        final: Probability at the end.
        step: Number of steps taken.
        steps: Number of steps over which it falls; 0 for none.
        stairs: Number of equal stairs in which it falls; 0 for a straight line.
    """
    if not steps:
        return final
    taken = min(step, steps)
    progress = taken * stairs // steps / stairs if stairs else taken / steps
    return initial + progress * (final - initial)
