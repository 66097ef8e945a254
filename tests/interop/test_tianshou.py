"""Tianshou 2: DQN trains from a replay buffer that holds the infos, too."""

import gymnasium as gym
import pytest
import torch
from torch import nn

import hirl_env  # noqa: F401  (registers the ids)

tianshou = pytest.importorskip("tianshou", reason="tianshou is not installed")


class Values(nn.Module):
    """Values of the flat actions, from flattened pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 9))

    def forward(self, obs, state=None, info=None):
        return self.layers(torch.as_tensor(obs).float() / 255), state


@pytest.mark.parametrize("arguments", [{}, {"full_feedback": True}])
def test_dqn_trains(small, arguments):
    from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OffPolicyTrainerParams

    envs = DummyVectorEnv([lambda: gym.make("HIRL-RestoreFlat-v0", **small, **arguments) for _ in range(2)])
    single = gym.make("HIRL-RestoreFlat-v0", **small)
    policy = DiscreteQLearningPolicy(
        model=Values(), action_space=single.action_space, observation_space=single.observation_space, eps_training=0.2
    )
    algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), target_update_freq=20)
    buffer = VectorReplayBuffer(200, 2)
    result = algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=Collector(algorithm, envs, buffer, exploration_noise=True),
            test_collector=None,
            max_epochs=1,
            epoch_num_steps=60,
            collection_step_num_env_steps=10,
            batch_size=16,
            update_step_num_gradient_steps_per_sample=0.1,
        )
    )
    assert result.train_step >= 60
    assert buffer.info["path"].shape == (200, 3, 2)
