"""The two strategies, their target networks and their optimisers, as a Stable-Baselines3 policy."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space, preprocess_obs
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule

from hirl_agents.common.optimisers import OPTIMIZERS, OptimizerName
from hirl_agents.hirl.config import HIRLConfig
from hirl_agents.networks import DegreeHead, FlatQ, TwoLevelQ
from hirl_env.resnet import Norm

# By the number of channels of observations: whether they include the first image, and the tool used last.
SEEN = {3: (False, False), 4: (False, True), 6: (True, False), 7: (True, True)}
OF_SPACE = ("sees_start", "sees_tool", "view")  # parts of the architecture that follow from the observation space
MAY_SEE_MORE = ("sees_start", "sees_tool", "traces")  # than the network whose weights are started from


class HIRLPolicy(BasePolicy):
    """Type strategy and degree strategy; acts greedily (the algorithm explores).

    Args:
        observation_space: Images, uint8 (3, H, W), with three more channels if the first image is observed, and one
            more if the tool used last is.
        action_space: MultiDiscrete([types, degrees]).
        lr_schedule: Learning rate by the share of the training that remains.
        width: Width of the ResNet-18 trunks.
        norm: Normalisation of the trunks: ``group``, ``batch`` or ``none``.
        degree_head: Form of DS: ``per-type``, or ``blind`` as in the paper.
        squash: Whether the strategies learn the square root of large values (see `hirl_agents.networks.squashed`), so
            that small ones count.
        log_variances: Whether the strategies see images with maps of `hirl_env.log_variances.with_log_variances`.
        traces: Whether the strategies see the `hirl_env.traces.traces_of` JPEGs and noise in images.
        acts_by_target: Whether to act by the target networks instead of the evaluation networks.
        optimizer_class: Class of both optimisers, or the name of one.
        optimizer_kwargs: Further arguments of both optimisers.

    Attributes:
        q: The evaluation networks.
        q_target: The target networks.
        type_optimizer: Optimiser of TS.
        degree_optimizer: Optimiser of DS.
    """

    observation_space: spaces.Box
    action_space: spaces.MultiDiscrete

    def __init__(
        self,
        observation_space: spaces.Box,
        action_space: spaces.MultiDiscrete,
        lr_schedule: Schedule,
        width: int = HIRLConfig.width,
        norm: Norm = HIRLConfig.norm,
        degree_head: DegreeHead = HIRLConfig.degree_head,
        squash: bool = HIRLConfig.squash,
        log_variances: bool = HIRLConfig.log_variances,
        traces: bool = HIRLConfig.traces,
        acts_by_target: bool = False,
        optimizer_class: OptimizerName | type[torch.optim.Optimizer] = "adam",
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if isinstance(optimizer_class, str):
            if optimizer_class not in OPTIMIZERS:
                raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}; got {optimizer_class!r}")
            optimizer_class = OPTIMIZERS[optimizer_class]
        super().__init__(
            observation_space, action_space, optimizer_class=optimizer_class, optimizer_kwargs=optimizer_kwargs
        )
        if len(action_space.nvec) != 2:
            raise ValueError(f"HIRL needs MultiDiscrete([types, degrees]) actions, got {action_space}")
        n_types, n_degrees = (int(size) for size in action_space.nvec)
        sees = SEEN.get(observation_space.shape[0])
        if not is_image_space(observation_space, check_channels=False) or sees is None:
            raise ValueError(
                "HIRL needs images, uint8 (3, H, W), with three more channels by observe_start=True and one more by "
                f"observe_tool=True, and no stack of them; got {observation_space}"
            )
        sees_start, sees_tool = sees
        view = observation_space.shape[-1]
        q = TwoLevelQ(
            n_types,
            n_degrees,
            width,
            norm,
            degree_head,
            sees_start,
            sees_tool,
            squash,
            log_variances,
            traces,
            view=view,
        )
        self.q = q.to(memory_format=torch.channels_last)
        self.q_target = copy.deepcopy(self.q)
        self.q_target.train(False)
        self.acts_by_target = acts_by_target
        rate = lr_schedule(1)
        self.type_optimizer = self.optimizer_class(self.q.ts.parameters(), lr=rate, **self.optimizer_kwargs)  # type: ignore[call-arg]
        self.degree_optimizer = self.optimizer_class(self.q.ds.parameters(), lr=rate, **self.optimizer_kwargs)  # type: ignore[call-arg]

    def forward(self, observation: PyTorchObs, deterministic: bool = True) -> torch.Tensor:
        """Greedy actions, (N, 2)."""
        return self._predict(observation, deterministic)

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> torch.Tensor:
        values = self.acting(self._images(observation))
        best = values.flatten(1).argmax(dim=1)
        return torch.stack([best // self.q.n_degrees, best % self.q.n_degrees], dim=1)

    def start_from(self, network: TwoLevelQ | FlatQ) -> None:
        """Copies the weights of a network of this architecture.

        That network need not see the first image, the tool used last or the traces, nor images of this size.

        Raises:
            ValueError: If the network has another architecture.
        """
        own = self.q
        theirs, ours = (
            each.architecture | {"n_types": each.n_types, "n_degrees": each.n_degrees} for each in (network, own)
        )
        may_differ = {"view", *(name for name in MAY_SEE_MORE if theirs.get(name, False) <= ours[name])}
        differing = [name for name in sorted({*theirs, *ours} - may_differ) if theirs.get(name) != ours.get(name)]
        if differing:
            unlike = ", ".join(f"{name} {theirs.get(name)} instead of {ours.get(name)}" for name in differing)
            raise ValueError(f"the weights are of another architecture: {unlike}")
        # Stop margins are calibrated again; a second head that the network lacks does not change the values at first.
        weights = own.state_dict() | network.state_dict() | {"stop_margin": own.stop_margin}
        for name, value in own.state_dict().items():
            more = value.shape[1] - weights[name].shape[1] if value.ndim > 1 else 0
            # A first layer that did not see the first image, or a head that did not see the tool, gets zero weights for
            # these inputs, which do not change the values at first.
            weights[name] = F.pad(weights[name], (0, 0) * (value.ndim - 2) + (0, more)) if more else weights[name]
        own.load_state_dict(weights)
        self.q_target.load_state_dict(own.state_dict())

    @property
    def acting(self) -> TwoLevelQ:
        """The networks that choose actions."""
        return self.q_target if self.acts_by_target else self.q

    def seen(self, observation: PyTorchObs) -> torch.Tensor:
        """The input of the strategies, with their maps, for observations, uint8 (N, C, H, W)."""
        return self.q.seen(self._images(observation))

    def _images(self, observation: PyTorchObs) -> torch.Tensor:
        """Observations as images in [0, 1], in the fastest layout for convolutions."""
        images = preprocess_obs(observation, self.observation_space)
        assert isinstance(images, torch.Tensor)
        return images.contiguous(memory_format=torch.channels_last)

    def set_training_mode(self, mode: bool) -> None:
        """Sets the mode of the evaluation networks; the target networks stay in evaluation mode."""
        self.q.train(mode)
        self.training = mode

    def _get_constructor_parameters(self) -> dict[str, Any]:
        parameters = super()._get_constructor_parameters()
        del parameters["normalize_images"]
        architecture = {name: value for name, value in self.q.architecture.items() if name not in OF_SPACE}
        return parameters | {
            "lr_schedule": self._dummy_schedule,
            **architecture,
            "acts_by_target": self.acts_by_target,
            "optimizer_class": self.optimizer_class,
            "optimizer_kwargs": self.optimizer_kwargs,
        }
