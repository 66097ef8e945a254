"""sb3-contrib's MaskablePPO, which masks tools that have gained nothing."""

import gymnasium as gym
import numpy as np
import pytest

from hirl_agents import make_vec_env
from hirl_agents.networks import ResNet18Extractor

sb3_contrib = pytest.importorskip("sb3_contrib", reason="sb3-contrib is not installed")
SETTINGS = {
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 1,
    "policy_kwargs": {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": {"width": 8}},
}


@pytest.mark.parametrize(
    "make",
    [
        lambda **task: gym.make("HIRL-RestoreFlat-v0", **task),
        lambda **task: make_vec_env("HIRL-RestoreFlat-v0", 2, **task),
    ],
)
def test_maskable_ppo_trains_and_leaves_masked_tools_out(make, small):
    model = sb3_contrib.MaskablePPO("CnnPolicy", make(**small, mask_useless=True), seed=0, **SETTINGS).learn(64)
    masks = np.zeros(9, dtype=bool)
    masks[4] = True
    observation = np.zeros((16, 16, 3), np.uint8)
    assert {int(model.predict(observation, action_masks=masks)[0]) for _ in range(8)} == {4}
