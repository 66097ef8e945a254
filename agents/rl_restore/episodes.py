"""A replay buffer of whole episodes, for recurrent networks."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from hirl_agents.common.buffers import OwnReplayBuffer


class Episodes(NamedTuple):
    """Episodes as tensors; entries after the end of an episode have no meaning.

    Attributes:
        observations: Observations before each step, (N, steps, ...).
        actions: Actions, int64 (N, steps).
        rewards: Rewards, float32 (N, steps).
        lengths: Number of steps of each episode, int64 (N,).
    """

    observations: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    lengths: torch.Tensor


class EpisodeReplayBuffer(OwnReplayBuffer):
    """Stores whole episodes, and samples an episode only after it has ended.

    Args:
        buffer_size: Number of transitions stored: ``buffer_size // max_steps`` episodes, whatever their length.
        observation_space: Observation space of one environment.
        action_space: Action space, Discrete.
        device: Device of the samples.
        n_envs: Number of environments side by side.
        optimize_memory_usage: Option of Stable-Baselines3 without effect: observations are never kept twice.
        max_steps: Longest episode.

    Attributes:
        observations: Observations before each step, (episodes + n_envs, max_steps, ...); the last n_envs rows are the
            episodes in progress.
        actions: Actions, int64 (episodes + n_envs, max_steps).
        rewards: Rewards, float32, of the same shape.
        lengths: Number of steps of each episode, (episodes + n_envs,).
    """

    arrays: ClassVar[tuple[str, ...]] = ("observations", "actions", "rewards", "lengths")
    observation_space: spaces.Space
    actions: npt.NDArray[np.int64]

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        max_steps: int = 3,
    ) -> None:
        if max_steps < 1 or buffer_size < max_steps:
            raise ValueError(f"buffer_size={buffer_size} holds no episode of max_steps={max_steps} steps")
        # Skips ReplayBuffer's constructor, as Stable-Baselines3's DictReplayBuffer does: its arrays have other shapes.
        super(ReplayBuffer, self).__init__(buffer_size // max_steps, observation_space, action_space, device, n_envs)
        self.optimize_memory_usage, self.handle_timeout_termination = optimize_memory_usage, False
        self.max_steps = max_steps
        shape = (self.buffer_size + n_envs, max_steps)
        self.observations = np.zeros((*shape, *self.obs_shape), dtype=observation_space.dtype)
        self.actions = np.zeros(shape, dtype=np.int64)
        self.rewards = np.zeros(shape, dtype=np.float32)
        self.lengths = np.zeros(len(self.actions), dtype=np.int64)

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Adds a step of every environment.

        Raises:
            ValueError: If an episode is longer than ``max_steps``.
        """
        growing = np.arange(self.buffer_size, self.buffer_size + self.n_envs)
        at = self.lengths[growing]
        if at.max() >= self.max_steps:
            raise ValueError(
                f"an episode is longer than max_steps={self.max_steps}, those of the environment that the agent was "
                "made with; make it for this one"
            )
        self.observations[growing, at], self.actions[growing, at], self.rewards[growing, at] = obs, action, reward
        self.lengths[growing] += 1
        for row in growing[np.asarray(done, dtype=np.bool_)]:
            for name in self.arrays:
                array = getattr(self, name)
                array[self.pos] = array[row]
            self.lengths[row] = 0
            self.pos = (self.pos + 1) % self.buffer_size
            self.full |= self.pos == 0

    def cut_off_episodes(self) -> None:
        """Drops the episodes in progress."""
        self.lengths[self.buffer_size :] = 0

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Episodes:  # type: ignore[override]
        """Samples episodes with probability proportional to their length, as the authors do."""
        ends = np.cumsum(self.lengths[: self.size()])
        rows = np.searchsorted(ends, np.random.randint(ends[-1], size=batch_size), side="right")
        return Episodes(*(self.to_torch(getattr(self, name)[rows]) for name in self.arrays))
