"""Stable-Baselines3: on its VecEnv over the native vector environment, and on single environments."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.env_checker import check_env

import hirl_env  # noqa: F401  (registers the ids)
from hirl_agents import make_vec_env
from hirl_agents.networks import ResNet18Extractor

NETWORK = {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": {"width": 8}}


def train(steps, **task):
    env = make_vec_env(n_envs=4, **task)
    network = {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": {"width": 8}}
    return PPO("CnnPolicy", env, n_steps=16, batch_size=32, n_epochs=2, policy_kwargs=network).learn(steps)


def train_flat(steps, **task):
    env = make_vec_env("HIRL-RestoreFlat-v0", n_envs=4, **task)
    network = {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": {"width": 8}}
    return DQN("CnnPolicy", env, learning_starts=32, buffer_size=500, policy_kwargs=network).learn(steps)


@pytest.mark.parametrize("training", [train, train_flat])
def test_trainings(training, small):
    model = training(256, **small)
    assert model.num_timesteps >= 256
    assert len(model.ep_info_buffer) > 50
    action, _ = model.predict(np.zeros((16, 16, 3), np.uint8))
    assert model.action_space.contains(action if action.ndim else int(action))


@pytest.mark.slow
def test_a_single_environment(small):
    env = gym.make("HIRL-Restore-v0", **small)
    check_env(env, warn=False, skip_render_check=True)
    assert A2C("CnnPolicy", env, policy_kwargs=NETWORK).learn(200).num_timesteps >= 200
