"""Options of the flat DQN's training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv

from hirl_agents.algorithm import AlgorithmConfig, Amount, Count, Range, Share, Updates, Width, learning_remarks
from hirl_agents.flat_dqn.algorithm import FlatDQN
from hirl_agents.networks import FlatQ
from hirl_env.resnet import Norm


@dataclass(frozen=True)
class FlatDQNConfig(AlgorithmConfig):
    """Options of the flat DQN.

    Options that HIRL has, too, have the same defaults.

    Args:
        width: Width of the ResNet-18 trunk: channels of its first stage, a multiple of 8.
        norm: Normalisation of the trunk.
        buffer_size: Number of transitions remembered.
        learning_starts: Number of environment steps of random actions before the first update.
        batch_size: Number of transitions in an update.
        tau: Share by which the target network moves towards the evaluation network at each of its updates; 1 copies.
        gamma: Discount factor. At 0 a value is the gain of the next step alone.
        train_freq: Number of steps of the vector environment between trainings.
        gradient_steps: Number of updates in each training; -1 for as many as there were transitions.
        n_steps: Number of rewards summed before a target bootstraps.
        target_update_interval: Number of environment steps between updates of the target network; has no effect with
            gamma 0.
        exploration_initial_eps: Probability of a random action at the beginning.
        exploration_final_eps: Probability of a random action at the end.
        exploration_fraction: Share of the training over which it falls from the one to the other.
        max_grad_norm: Norm that gradients are clipped to.
    """

    width: Width = 16
    norm: Norm = "batch"
    buffer_size: Count = 40_000
    learning_starts: Amount = 500
    batch_size: Count = 64
    tau: Share = 1.0
    gamma: Share = 0.0
    train_freq: Count = 1
    gradient_steps: Updates = 4
    n_steps: Count = 1
    target_update_interval: Count = 1_600
    exploration_initial_eps: Share = 1.0
    exploration_final_eps: Share = 0.15
    exploration_fraction: Share = 0.5
    max_grad_norm: Annotated[float, Range(0)] = 10.0

    flat: ClassVar[bool] = True

    @classmethod
    def algorithm(cls) -> type[FlatDQN]:
        """The class of the algorithm."""
        return FlatDQN

    def build(self, env: VecEnv, learning_rate: float | Schedule, seed: int) -> FlatDQN:
        """An untrained model."""
        options, network = self._options("width", "norm")
        policy_kwargs = {"features_extractor_kwargs": network}
        return FlatDQN(env=env, learning_rate=learning_rate, policy_kwargs=policy_kwargs, seed=seed, **options)

    def remarks(self, total_steps: int) -> Iterator[str]:
        """Remarks for the user on a training of that many environment steps, one sentence each."""
        yield from learning_remarks(total_steps, self.learning_starts)

    def q_network(self, model: FlatDQN, n_degrees: int) -> FlatQ:
        """The network, sharing the model's weights."""
        return model.q_network(n_degrees)
