"""skrl's wrapper around the native vector environment."""

import gymnasium as gym
import pytest
import torch

import hirl_env  # noqa: F401  (registers the ids)

wrappers = pytest.importorskip("skrl.envs.wrappers.torch", reason="skrl is not installed")


def test_it_steps_and_renders_the_native_environment(small):
    env = wrappers.wrap_env(gym.make_vec("HIRL-Restore-v0", 2, render_mode="rgb_array", **small), verbose=False)
    observations, _ = env.reset()
    assert observations.shape == (2, 16 * 16 * 3)
    for _ in range(4):
        _, rewards, *_ = env.step(torch.zeros(2, 2, dtype=torch.int32))
    assert rewards.shape == (2, 1)
    assert len(env.render()) == 2
