"""Tianshou 2: DQN trains from a replay buffer that holds the infos, too."""

import gymnasium as gym
import pytest
import torch
from torch import nn

import hirl_env  # noqa: F401  (registers the ids)

pytest.importorskip("tianshou", reason="tianshou is not installed")


class Values(nn.Module):
    """Values of the flat actions, from flattened pixels."""

    def __init__(self, pixels, actions) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LayerNorm(pixels), nn.Linear(pixels, actions))

    def forward(self, obs, state=None, info=None):
        return self.layers(torch.as_tensor(obs).float()), state


def train(steps, **task):
    from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OffPolicyTrainerParams

    envs = DummyVectorEnv([lambda: gym.make("HIRL-RestoreFlat-v0", **task) for _ in range(4)])
    actions, observations = envs.action_space[0], envs.observation_space[0]
    policy = DiscreteQLearningPolicy(
        model=Values(16 * 16 * 3, actions.n), action_space=actions, observation_space=observations, eps_training=0.2
    )
    algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), target_update_freq=20)
    buffer = VectorReplayBuffer(1000, 4)
    params = OffPolicyTrainerParams(
        training_collector=Collector(algorithm, envs, buffer, exploration_noise=True),
        test_collector=None,
        max_epochs=1,
        epoch_num_steps=steps,
        collection_step_num_env_steps=20,
        batch_size=32,
        update_step_num_gradient_steps_per_sample=0.1,
    )
    return algorithm.run_training(params), buffer


@pytest.mark.parametrize("arguments", [{}, {"full_feedback": True}])
def test_dqn_trains(small, arguments):
    result, buffer = train(240, **small, **arguments)
    assert result.train_step >= 240
    assert result.update_step == 12
    assert buffer.info["path"].shape == (1000, 3, 2)
