"""A replay buffer of what every tool would have gained, for environments with ``full_feedback``."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from hirl_agents.common.buffers import OwnReplayBuffer
from hirl_agents.networks import turned


class Feedback(NamedTuple):
    """Images and what each tool would have gained on them.

    Attributes:
        images: Images (N, C, H, W).
        gains: Gains of the tools, float32 (N, types, degrees).
    """

    images: torch.Tensor
    gains: torch.Tensor

    def turned(self, turns: int, mirror: bool) -> Feedback:
        """The same with the images rotated by a number of quarter turns, and mirrored."""
        return self._replace(images=turned(self.images, turns, mirror))


class FeedbackReplayBuffer(OwnReplayBuffer):
    """Stores images with the gains of all tools, but not which tool was taken, which is irrelevant with gamma 0.

    Args:
        buffer_size: Number of images stored.
        observation_space: Observation space of one environment.
        action_space: MultiDiscrete([types, degrees]).
        device: Device of the samples.
        n_envs: Number of environments side by side.
        optimize_memory_usage: Option of Stable-Baselines3 without effect: observations are never kept twice.
    """

    arrays: ClassVar[tuple[str, ...]] = ("observations", "gains")
    observation_space: spaces.Space
    action_space: spaces.MultiDiscrete

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
    ) -> None:
        # Skips ReplayBuffer's constructor, whose arrays differ, as Stable-Baselines3's DictReplayBuffer does.
        super(ReplayBuffer, self).__init__(buffer_size, observation_space, action_space, device, n_envs)
        self.buffer_size = max(buffer_size // n_envs, 1)
        self.optimize_memory_usage, self.handle_timeout_termination = optimize_memory_usage, False
        shape = (self.buffer_size, n_envs)
        self.observations = np.zeros((*shape, *self.obs_shape), dtype=observation_space.dtype)
        self.gains = np.zeros((*shape, *self.action_space.nvec), dtype=np.float32)

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
            ValueError: If infos have no ``tool_gains``.
        """
        if not all("tool_gains" in info for info in infos):
            raise ValueError("full_feedback needs an environment that gives it: make that with full_feedback=True, too")
        self.observations[self.pos], self.gains[self.pos] = obs, [info["tool_gains"] for info in infos]
        self.pos = (self.pos + 1) % self.buffer_size
        self.full |= self.pos == 0

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Feedback:  # type: ignore[override]
        """Samples images, as they were observed, with the gains of all tools."""
        rows, envs = np.random.randint(self.size(), size=batch_size), np.random.randint(self.n_envs, size=batch_size)
        return Feedback(*(self.to_torch(getattr(self, name)[rows, envs]) for name in self.arrays))
