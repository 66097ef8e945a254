"""Stable-Baselines3's PPO on the trunk of the other agents, with a STOP action, because it has no cell values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from stable_baselines3 import PPO
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv

from hirl_agents.algorithm import AlgorithmConfig, Count, Range, Share, Width
from hirl_agents.networks import ResNet18Extractor
from hirl_env.resnet import Norm


@dataclass(frozen=True)
class PPOConfig(AlgorithmConfig):
    """Options of PPO.

    Args:
        learning_rate: Learning rate at the beginning.
        width: Width of the ResNet-18 trunk: channels of its first stage, a multiple of 8.
        norm: Normalisation of the trunk. PPO acts in evaluation mode and learns in training mode, between which batch
            norm differs.
        n_steps: Number of steps of each environment between updates.
        batch_size: Number of transitions in a minibatch.
        n_epochs: Number of passes over the collected transitions.
        gamma: Discount factor.
        gae_lambda: Trade-off between bias and variance of the advantages, 0 to 1.
        clip_range: Bound on how far an update may change the probability ratio of an action.
        normalize_advantage: Whether advantages are normalised in each minibatch.
        ent_coef: Weight of the entropy in the loss.
        vf_coef: Weight of the values in the loss.
        max_grad_norm: Norm that gradients are clipped to.
        target_kl: KL divergence between the policies before and after at which an update ends; None for no bound.
    """

    learning_rate: float = 3e-4
    width: Width = 16
    norm: Norm = "group"
    n_steps: Count = 64
    batch_size: Count = 64
    n_epochs: Count = 4
    gamma: Share = 0.9
    gae_lambda: Share = 0.95
    clip_range: float = 0.2
    normalize_advantage: bool = True
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: Annotated[float, Range(0)] = 0.5
    target_kl: float | None = None

    stop_action: ClassVar[bool] = True

    def check(self) -> None:
        """Raises ValueError if an option is out of range, or a minibatch too small to normalise advantages in."""
        super().check()
        if self.normalize_advantage and self.batch_size < 2:
            raise ValueError(
                f"batch_size must be at least 2 to normalise advantages in a minibatch, got {self.batch_size}; or set "
                "normalize_advantage to false"
            )

    @classmethod
    def algorithm(cls) -> type[PPO]:
        """The class of the algorithm."""
        return PPO

    def build(self, env: VecEnv, learning_rate: float | Schedule, seed: int) -> PPO:
        """An untrained model."""
        options, network = self._options("width", "norm")
        policy_kwargs = {
            "features_extractor_class": ResNet18Extractor,
            "features_extractor_kwargs": network,
            "net_arch": [],
        }
        return PPO("CnnPolicy", env, learning_rate=learning_rate, policy_kwargs=policy_kwargs, seed=seed, **options)
