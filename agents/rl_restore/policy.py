"""RL-Restore's network, its target network and its optimiser, as a Stable-Baselines3 policy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule

from hirl_agents.rl_restore.config import RLRestoreConfig
from hirl_agents.rl_restore.network import RecurrentQ


class RLRestorePolicy(BasePolicy):
    """Acts greedily, with memory of the episode (the algorithm explores).

    Args:
        observation_space: Square images, uint8 (3, H, H).
        action_space: Discrete: the tools, and STOP.
        lr_schedule: Learning rate by the share of the training that remains.
        features: Number of outputs of the first linear layer.
        units: Number of units of the LSTM.
        optimizer_class: Class of the optimiser.
        optimizer_kwargs: Arguments of the optimiser.

    Attributes:
        q: Evaluation network.
        q_target: Target network.
        optimizer: Optimiser of ``q``.
    """

    observation_space: spaces.Box
    action_space: spaces.Discrete

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        features: int = RLRestoreConfig.features,
        units: int = RLRestoreConfig.units,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            observation_space, action_space, optimizer_class=optimizer_class, optimizer_kwargs=optimizer_kwargs
        )
        shape = self.observation_space.shape or ()
        if len(shape) != 3:
            raise ValueError(f"RL-Restore looks at images (3, H, W), got observations of shape {shape}")
        channels, height, width = shape
        if channels != 3:
            raise ValueError(
                f"RL-Restore looks at images (3, H, W), got {channels} channels; leave observe_start and "
                "observe_tool False"
            )
        if height != width:
            raise ValueError(f"RL-Restore looks at square images, got {width}x{height}; give a crop_size")
        self.q = RecurrentQ(int(action_space.n) - 1, height, features, units)
        self.q_target = copy.deepcopy(self.q)
        self.optimizer = self.optimizer_class(self.q.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

    def images(self, observation: PyTorchObs) -> torch.Tensor:
        """Observations, uint8 (N, 3, H, W), as images in [0, 1]."""
        images = preprocess_obs(observation, self.observation_space)
        assert isinstance(images, torch.Tensor)
        return images

    @torch.no_grad()
    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[Any], ...]]:
        """Greedy actions (N,), or () for one observation.

        Args:
            observation: Images, uint8 (N, H, W, 3) or (H, W, 3).
            state: State that the previous step returned: h and c of the LSTM, (N, 1, units) each, and the actions
                taken, int64 (N,); None if every episode begins.
            episode_start: Whether each episode begins, (N,).
            deterministic: Option of Stable-Baselines3 without effect here.
        """
        self.set_training_mode(False)
        tensor, vectorised = self.obs_to_tensor(observation)
        images = self.images(tensor)
        count = len(images)
        if state is None:
            memory = torch.zeros(2, count, 1, self.q.units, device=self.device)
            last = np.full(count, -1)
        else:
            begins = np.zeros(count, dtype=np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_)
            memory = torch.as_tensor(np.where(begins[:, None, None], 0, state[:2]), device=self.device).float()
            last = np.where(begins, -1, state[2])
        values, (h, c) = self.q(images, torch.as_tensor(last, device=self.device), (memory[0], memory[1]))
        actions = values.argmax(dim=1).cpu().numpy()
        return actions if vectorised else actions.squeeze(0), (h.cpu().numpy(), c.cpu().numpy(), actions)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        """Greedy first actions of episodes, (N,)."""
        images = self.images(observation)
        values, _ = self.q(images, images.new_full((len(images),), -1, dtype=torch.int64))
        return values.argmax(dim=1)

    def forward(self, observation: PyTorchObs, deterministic: bool = True) -> torch.Tensor:
        """Greedy first actions of episodes, (N,)."""
        return self._predict(observation, deterministic)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        parameters = super()._get_constructor_parameters()
        del parameters["normalize_images"]
        return parameters | {
            "lr_schedule": self._dummy_schedule,
            "features": self.q.architecture["features"],
            "units": self.q.units,
            "optimizer_class": self.optimizer_class,
            "optimizer_kwargs": self.optimizer_kwargs,
        }
