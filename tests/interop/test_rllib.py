"""Ray RLlib's new API stack, with the Gymnasium that it pins."""

import gymnasium as gym
import numpy as np
import pytest

import hirl_env  # noqa: F401  (registers the ids)

pytest.importorskip("ray.rllib", reason="ray[rllib] is not installed")


def make(task):
    # RLlib's networks take floats: it refuses images of uint8.
    env = gym.make("hirl_env:HIRL-Restore-v0", **task)
    return gym.wrappers.RescaleObservation(gym.wrappers.DtypeObservation(env, np.float32), np.float32(0), np.float32(1))


def configuration(**task):
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
    from ray.tune import register_env

    register_env("restore", make)
    network = DefaultModelConfig(conv_filters=[[8, 4, 2], [16, 4, 2]], head_fcnet_hiddens=[32])
    return (
        PPOConfig()
        .environment("restore", env_config=task)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=2)
        .rl_module(model_config=network)
        .training(train_batch_size=128, minibatch_size=32, num_epochs=1)
    )


@pytest.fixture
def ray():
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    yield ray
    ray.shutdown()


def test_ppo_trains(ray, small):
    algorithm = configuration(**small).build_algo()
    for _ in range(2):
        result = algorithm.train()
    algorithm.stop()
    assert result["num_env_steps_sampled_lifetime"] >= 256
    # By RLlib's own count, which was 64/21 where every episode has three steps.
    assert result["env_runners"]["episode_len_mean"] == pytest.approx(3, abs=0.1)
    assert np.isfinite(result["learners"]["default_policy"]["total_loss"])
