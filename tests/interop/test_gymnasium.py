"""Gymnasium's own vector wrappers, which stack, convert and record what environments tell."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import hirl_env  # noqa: F401  (registers the ids)

MODES = ("NextStep", "SameStep", "Disabled")
VARIANTS = ({}, {"full_feedback": True})


@pytest.fixture(params=VARIANTS)
def vector(request, small):
    return lambda mode: gym.make_vec("HIRL-Restore-v0", 2, autoreset_mode=mode, **small, **request.param)


def conversion(name):
    pytest.importorskip("array_api_compat", reason="gymnasium[array-api] is not installed")
    return getattr(pytest.importorskip("gymnasium.wrappers.vector"), name)


# Not SameStep, whose final_obs is an array of objects by Gymnasium's own convention, which it converts for nobody.
@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_numpy_to_torch(vector, mode):
    env = conversion("NumpyToTorch")(vector(mode))
    observations, infos = env.reset(seed=0)
    assert isinstance(observations, torch.Tensor)
    assert isinstance(infos["path"], torch.Tensor)
    for _ in range(2 if mode == "Disabled" else 7):
        observations, rewards, *_, infos = env.step(torch.zeros(2, 2, dtype=torch.int64))
    assert isinstance(rewards, torch.Tensor)
    assert isinstance(infos["score"], torch.Tensor)


def test_array_conversion(vector):
    env = conversion("ArrayConversion")(vector("NextStep"), env_xp=np, target_xp=torch)
    env.reset(seed=0)
    for _ in range(7):
        *_, infos = env.step(torch.zeros(2, 2, dtype=torch.int64))
    assert isinstance(infos["psnr"], torch.Tensor)


@pytest.mark.parametrize("mode", MODES)
def test_statistics_and_infos_of_each(vector, mode):
    env = gym.wrappers.vector.DictInfoToList(gym.wrappers.vector.RecordEpisodeStatistics(vector(mode)))
    _, infos = env.reset(seed=0)
    assert [info["path"].shape for info in infos] == [(3, 2)] * 2
    for _ in range(3):
        *_, truncated, infos = env.step(np.zeros((2, 2), dtype=int))
    assert truncated.all()
    told = [info["final_info"] if mode == "SameStep" else info for info in infos]
    assert [info["path"].tolist() for info in told] == [[[0, 0]] * 3] * 2


def test_wrappers_of_single_environments(small, tmp_path):
    env = gym.make("HIRL-Restore-v0", **small)
    env = gym.wrappers.RecordEpisodeStatistics(gym.wrappers.GrayscaleObservation(env, keep_dim=True))
    env = gym.wrappers.FrameStackObservation(gym.wrappers.NormalizeReward(env), 2)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (2, 16, 16, 1)
    for _ in range(3):
        *_, truncated, info = env.step((0, 0))
    assert truncated
    assert info["episode"]["l"] == 3
