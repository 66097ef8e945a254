"""The flat baseline: Stable-Baselines3's DQN, one action per cell, on HIRL's trunk."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3 import DQN
from stable_baselines3.common.type_aliases import GymEnv
from torch import nn

from hirl_agents.common.off_policy import OffPolicyAgent
from hirl_agents.networks import FlatQ, ResNet18Extractor
from hirl_env.config import MAX_STEPS


class FlatDQN(OffPolicyAgent, DQN):
    """DQN on a ResNet-18, for ``HIRL-RestoreFlat-v0``.

    Everything except the trunk is Stable-Baselines3's: no double Q-learning, no bootstrapping from max(0, value), no
    augmentation, and all environments explore at the same steps.

    Args:
        policy: A DQN policy.
        env: An environment with Discrete actions, or its id.
        policy_kwargs: Arguments of the policy; ``features_extractor_kwargs`` has the ``width`` and ``norm`` of the
            trunk.
        **arguments: Arguments of `stable_baselines3.DQN`.

    Raises:
        ValueError: If ``policy_kwargs`` has a ``net_arch``.
    """

    max_steps: int = MAX_STEPS  # of the environment's episodes, and of the paths that its network will take

    def __init__(
        self,
        policy: str = "CnnPolicy",
        env: GymEnv | str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        given = policy_kwargs or {}
        if given.get("net_arch"):
            raise ValueError("a flat DQN's head is one linear layer on its trunk; leave net_arch out")
        network = {"features_extractor_class": ResNet18Extractor, "net_arch": [], **given}
        network["features_extractor_kwargs"] = {"width": 16, **given.get("features_extractor_kwargs", {})}
        # As given: DQN fills in its own where there are none.
        self._buffer = {name: arguments.get(name) for name in ("replay_buffer_class", "replay_buffer_kwargs")}
        super().__init__(policy, env, policy_kwargs=network, **arguments)  # type: ignore[arg-type]

    def argument(self, name: str) -> Any:
        """An argument of the constructor, without what it adds to ``policy_kwargs`` itself."""
        if name in self._buffer:
            return self._buffer[name]
        value = super().argument(name)
        if name != "policy_kwargs":
            return value
        return {key: each for key, each in value.items() if each is not ResNet18Extractor}

    def q_network(self, n_degrees: int) -> FlatQ:
        """The network for inference, which maps images (N, 3, H, W) in [0, 1] to cell values; it shares the weights.

        Further learning puts it into training mode again.

        Args:
            n_degrees: Degrees of each type of the toolset.

        Raises:
            ValueError: If the actions are not types x degrees.
        """
        assert isinstance(self.action_space, spaces.Discrete)
        if self.action_space.n % n_degrees:
            raise ValueError(f"{self.action_space.n} actions are not types x {n_degrees} degrees")
        trunk = self.q_net.features_extractor
        assert isinstance(trunk, ResNet18Extractor)
        n_types = int(self.action_space.n) // n_degrees
        assert self.observation_space.shape is not None
        view = self.observation_space.shape[-1]
        trunk_kwargs = self.policy_kwargs["features_extractor_kwargs"]
        network = FlatQ(n_types, n_degrees, **trunk_kwargs, view=view, max_steps=self.max_steps)
        network.q = nn.Sequential(trunk.trunk, *self.q_net.q_net)
        return network.eval()
