"""sb3-contrib: MaskablePPO, which masks tools that have gained nothing, and QR-DQN, TRPO and RecurrentPPO."""

import gymnasium as gym
import numpy as np
import pytest

from hirl_agents import make_vec_env
from hirl_agents.networks import ResNet18Extractor

pytest.importorskip("sb3_contrib", reason="sb3-contrib is not installed")
NETWORK = {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": {"width": 8}}


def train(steps, **task):
    from sb3_contrib import MaskablePPO

    env = make_vec_env("HIRL-RestoreFlat-v0", n_envs=4, mask_useless=True, **task)
    network = {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": {"width": 8}}
    return MaskablePPO("CnnPolicy", env, n_steps=16, batch_size=32, n_epochs=2, policy_kwargs=network).learn(steps)


def leaves_out_what_is_masked(model):
    masks = np.zeros(4, dtype=bool)
    masks[2] = True
    return {int(model.predict(np.zeros((16, 16, 3), np.uint8), action_masks=masks)[0]) for _ in range(8)} == {2}


def test_maskable_ppo(small):
    model = train(256, **small)
    assert model.num_timesteps >= 256
    assert leaves_out_what_is_masked(model)


def test_maskable_ppo_on_a_single_environment(small):
    from sb3_contrib import MaskablePPO

    env = gym.make("HIRL-RestoreFlat-v0", mask_useless=True, **small)
    assert leaves_out_what_is_masked(MaskablePPO("CnnPolicy", env, n_steps=32, policy_kwargs=NETWORK).learn(64))


@pytest.mark.parametrize(
    ("name", "policy", "settings"),
    [
        ("QRDQN", "CnnPolicy", {"learning_starts": 32, "buffer_size": 500}),
        ("TRPO", "CnnPolicy", {"n_steps": 16, "batch_size": 32}),
        ("RecurrentPPO", "CnnLstmPolicy", {"n_steps": 16, "batch_size": 32, "n_epochs": 1}),
    ],
)
def test_others(name, policy, settings, small):
    import sb3_contrib

    env = make_vec_env("HIRL-RestoreFlat-v0", n_envs=4, **small)
    model = getattr(sb3_contrib, name)(policy, env, policy_kwargs=NETWORK, **settings).learn(192)
    assert model.num_timesteps >= 192
