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


def resized(env):
    pytest.importorskip("cv2", reason="gymnasium[other] is not installed")
    return gym.wrappers.ResizeObservation(env, (8, 8))


def recorded(env):
    pytest.importorskip("moviepy", reason="gymnasium[other] is not installed")
    return gym.wrappers.RecordVideo(env, "videos", episode_trigger=lambda episode: True)


wrappers = gym.wrappers
SINGLE = {
    "AddRenderObservation": lambda env: wrappers.AddRenderObservation(env, render_only=False),
    "AddWhiteNoise": lambda env: wrappers.AddWhiteNoise(env, 0.3),
    "Autoreset": wrappers.Autoreset,
    "ClipReward": lambda env: wrappers.ClipReward(env, -1, 1),
    "DelayObservation": lambda env: wrappers.DelayObservation(env, 1),
    "DtypeObservation": lambda env: wrappers.DtypeObservation(env, np.float32),
    "FlattenObservation": wrappers.FlattenObservation,
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 2),
    "GrayscaleObservation": lambda env: wrappers.GrayscaleObservation(env, keep_dim=True),
    "MaxAndSkipObservation": lambda env: wrappers.MaxAndSkipObservation(env, 2),
    "NormalizeObservation": wrappers.NormalizeObservation,
    "NormalizeReward": wrappers.NormalizeReward,
    "NumpyToTorch": lambda env: conversion_of_one("NumpyToTorch")(env),  # noqa: PLW0108  (may not be installed)
    "ArrayConversion": lambda env: conversion_of_one("ArrayConversion")(env, env_xp=np, target_xp=torch),
    "ObstructView": lambda env: wrappers.ObstructView(env, 0.2, 2),
    "OrderEnforcing": wrappers.OrderEnforcing,
    "PassiveEnvChecker": wrappers.PassiveEnvChecker,
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "RecordVideo": recorded,
    "RenderCollection": wrappers.RenderCollection,
    "RepeatAction": lambda env: wrappers.RepeatAction(env, 2),
    "RescaleObservation": lambda env: wrappers.RescaleObservation(
        wrappers.DtypeObservation(env, np.float32), np.float32(0), np.float32(1)
    ),
    "ReshapeObservation": lambda env: wrappers.ReshapeObservation(env, (16 * 16, 3)),
    "ResizeObservation": resized,
    "StickyAction": lambda env: wrappers.StickyAction(env, 0.5),
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(wrappers.TimeLimit(env, 3)),
    "TimeLimit": lambda env: wrappers.TimeLimit(env, 2),
    "TransformAction": lambda env: wrappers.TransformAction(env, lambda action: action, env.action_space),
    "TransformObservation": lambda env: wrappers.TransformObservation(env, lambda image: image, env.observation_space),
    "TransformReward": lambda env: wrappers.TransformReward(env, lambda gain: 2 * gain),
}
# They are for continuous actions, or for observations of another kind, or for JAX, or for a screen.
OTHERS = {
    "AtariPreprocessing",
    "ClipAction",
    "DiscretizeAction",
    "DiscretizeObservation",
    "FilterObservation",
    "HumanRendering",
    "JaxToNumpy",
    "JaxToTorch",
    "RescaleAction",
}


def conversion_of_one(name):
    pytest.importorskip("array_api_compat", reason="gymnasium[array-api] is not installed")
    return getattr(gym.wrappers, name)


def test_no_wrapper_is_forgotten():
    assert {name for name in wrappers.__all__ if name != "vector"} - {*SINGLE, *OTHERS} == set()


@pytest.mark.parametrize("name", SINGLE)
def test_wrappers_of_single_environments(name, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name not in wrappers.__all__:
        pytest.skip(f"this Gymnasium has no {name}")
    env = SINGLE[name](gym.make("HIRL-Restore-v0", render_mode="rgb_array", **small))
    actions = gym.make("HIRL-Restore-v0", **small).action_space
    actions.seed(0)
    ends = 0
    for seed in range(3):
        _, info = env.reset(seed=seed)
        assert np.isfinite(float(info["psnr"]))
        terminated = truncated = False
        while not (terminated or truncated):
            action = actions.sample()
            converted = torch.as_tensor(action) if name in ("NumpyToTorch", "ArrayConversion") else action
            _, reward, terminated, truncated, info = env.step(converted)
            assert np.isfinite(float(reward))
            assert np.isfinite(float(info["score"]))
        ends += 1
    env.close()
    assert ends == 3


VECTOR = {
    "ClipReward": lambda env: wrappers.vector.ClipReward(env, -1, 1),
    "DtypeObservation": lambda env: wrappers.vector.DtypeObservation(env, np.float32),
    "FlattenObservation": wrappers.vector.FlattenObservation,
    "GrayscaleObservation": lambda env: wrappers.vector.GrayscaleObservation(env, keep_dim=True),
    "NormalizeObservation": wrappers.vector.NormalizeObservation,
    "NormalizeReward": wrappers.vector.NormalizeReward,
    "RecordEpisodeStatistics": wrappers.vector.RecordEpisodeStatistics,
    "DictInfoToList": wrappers.vector.DictInfoToList,
    "ReshapeObservation": lambda env: wrappers.vector.ReshapeObservation(env, (16 * 16, 3)),
    "TransformAction": lambda env: wrappers.vector.TransformAction(env, lambda actions: actions, env.action_space),
    "TransformObservation": lambda env: wrappers.vector.TransformObservation(
        env, lambda images: images, single_observation_space=env.single_observation_space
    ),
    "TransformReward": lambda env: wrappers.vector.TransformReward(env, lambda gains: 2 * gains),
}


@pytest.mark.parametrize("name", VECTOR)
def test_wrappers_of_the_native_vector_environment(name, small):
    env = VECTOR[name](gym.make_vec("HIRL-Restore-v0", 2, **small))
    env.reset(seed=0)
    ends = 0
    for _ in range(8):  # two episodes of three steps, and the resets after them
        _, rewards, _, truncated, _ = env.step(np.ones((2, 2), dtype=int))
        ends += truncated.sum()
        assert np.isfinite(rewards).all()
    assert ends == 4
