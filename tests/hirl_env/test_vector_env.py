import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from PIL import Image

import hirl_env
from hirl_env.vector_env import RestoreVectorEnv

IDS = ("HIRL-Restore-v0", "HIRL-RestoreFlat-v0")
N = 4


def both(env_id, mode, **arguments):
    native = gym.make_vec(env_id, N, autoreset_mode=mode, **arguments)
    sync = gym.make_vec(env_id, N, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **arguments)
    assert isinstance(native, RestoreVectorEnv)
    return native, sync


def assert_equal(one, other):
    """Equal but for the last digits, in which convolutions of a batch and of one image may differ."""
    for native, sync in zip(one[:-1], other[:-1], strict=True):
        assert_close(native, sync)
    assert_infos_equal(one[-1], other[-1])


def assert_close(native, sync):
    assert native.dtype == sync.dtype
    tolerance = {np.dtype(np.uint8): 1, np.dtype(np.float64): 1e-4}.get(native.dtype, 0)
    assert np.abs(native.astype(float) - sync.astype(float)).max() <= tolerance


def assert_infos_equal(native, sync):
    assert native.keys() == sync.keys()
    for key, value in native.items():
        if isinstance(value, dict):
            assert_infos_equal(value, sync[key])
        elif value.dtype == np.float64:
            assert np.allclose(value, sync[key], atol=1e-4)
        elif key == "final_obs":
            assert [last is None for last in value] == [last is None for last in sync[key]]
            for last, same in zip(value, sync[key], strict=True):
                if last is not None:
                    assert_close(last, same)
        else:
            assert value.dtype == sync[key].dtype
            assert data_equivalence(list(value), list(sync[key]))


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize(
    "arguments",
    [
        {"max_steps": 3, "observe_tool": True, "observe_start": True},
        {"stop": "no_gain", "stop_action": True, "max_steps": 4, "full_feedback": True, "string_infos": True},
    ],
)
def test_equal_to_sync_vector_env_step_by_step(env_id, mode, arguments):
    native, sync = both(env_id, mode, crop_size=32, **arguments)
    assert native.single_action_space == sync.single_action_space
    assert native.action_space == sync.action_space
    assert native.observation_space == sync.observation_space
    assert native.metadata["autoreset_mode"] is sync.metadata["autoreset_mode"] is mode
    assert_equal(native.reset(seed=11), sync.reset(seed=11))
    assert native.np_random_seed == sync.np_random_seed
    native.action_space.seed(1)
    for _ in range(12):
        actions = native.action_space.sample()
        one, other = native.step(actions), sync.step(actions)
        assert_equal(one, other)
        over = one[2] | one[3]
        if mode == AutoresetMode.DISABLED and over.any():
            assert_equal(native.reset(options={"reset_mask": over}), sync.reset(options={"reset_mask": over}))


@pytest.mark.parametrize(("env_id", "none"), [(IDS[0], np.array([-1, 99])), (IDS[1], np.array(-1))])
def test_what_is_done_to_an_ended_episode_is_of_no_matter(env_id, none):
    native, sync = both(env_id, AutoresetMode.NEXT_STEP, stop_action=True, crop_size=16)
    stop = np.zeros_like(native.action_space.sample())
    stop[0] = native.single_action_space.n - 1 if env_id == IDS[1] else (3, 0)
    assert_equal(native.reset(seed=4), sync.reset(seed=4))
    assert_equal(native.step(stop), sync.step(stop))
    actions = np.zeros_like(stop)
    actions[0] = none
    assert_equal(native.step(actions), sync.step(actions))
    with pytest.raises(ValueError, match=r"out of range|an action is an integer in"):
        native.step(actions)


def test_equal_with_the_full_toolset_and_crops():
    native, sync = both(IDS[0], AutoresetMode.SAME_STEP, max_steps=2, degradation="severe")
    assert_equal(native.reset(seed=[5, 3, 8, 1]), sync.reset(seed=[5, 3, 8, 1]))
    for cell in range(9):
        actions = np.array([divmod((cell + shift) % 9, 3) for shift in range(N)])
        assert_equal(native.step(actions), sync.step(actions))


def test_final_observations_are_the_last_of_their_episode():
    vector = gym.make_vec(IDS[0], N, autoreset_mode="SameStep", max_steps=1, crop_size=32)
    vector.reset(seed=0)
    observations, _, _, truncated, infos = vector.step(np.zeros((N, 2), dtype=int))
    assert truncated.all()
    assert infos["final_obs"].dtype == object
    assert infos["final_obs"][0].shape == (32, 32, 3)
    assert not np.array_equal(infos["final_obs"][0], observations[0])
    assert infos["final_info"]["path"][0].tolist() == [[0, 0]]
    assert infos["path"][0].tolist() == [[-1, -1]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_processes_of_async_vector_env_compute_though_their_parent_did():
    code = """
import warnings
import gymnasium as gym, torch
warnings.simplefilter("ignore")
torch.set_num_threads(2)
torch.rand(500, 500) @ torch.rand(500, 500)
(torch.rand(10**6) + 1).sum()
make = lambda: gym.make("hirl_env:HIRL-Restore-v0", crop_size=16)
make()
envs = gym.vector.AsyncVectorEnv([make] * 2, context="fork")
envs.reset_async(seed=0)
envs.reset_wait(timeout=100)
envs.step(envs.action_space.sample())
envs.close()
print("done")
"""
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.stdout == "done\n", ran.stderr


def test_the_metadata_of_the_class_is_left_alone():
    gym.make_vec(IDS[0], 2, autoreset_mode="Disabled")
    assert "autoreset_mode" not in RestoreVectorEnv.metadata


def test_observations_share_no_memory_with_the_environment():
    vector = gym.make_vec(IDS[0], 2, crop_size=16)
    first, _ = vector.reset(seed=0)
    kept = first.copy()
    vector.step(np.array([[2, 0], [0, 2]]))
    assert np.array_equal(first, kept)


def test_some_are_reset_and_the_others_go_on(toy_toolset):
    vector = gym.make_vec(IDS[0], 3, autoreset_mode="Disabled", toolset=toy_toolset, crop_size=16)
    vector.reset(seed=0)
    vector.step(np.array([[0, 1]] * 3))
    _, infos = vector.reset(options={"reset_mask": np.array([False, True, False])})
    assert infos["_path"].tolist() == [False, True, False]
    *_, infos = vector.step(np.array([[1, 0]] * 3))
    assert infos["path"][:, :2].tolist() == [[[0, 1], [1, 0]], [[1, 0], [-1, -1]], [[0, 1], [1, 0]]]


def test_all_start_from_a_given_picture(toy_toolset):
    vector = gym.make_vec(IDS[0], 2, toolset=toy_toolset, crop_size=16)
    image = np.full((16, 16, 3), 100, np.uint8)
    observations, _ = vector.reset(options={"image": image, "reference": image + 10})
    assert (observations == 100).all()
    _, rewards, *_ = vector.step(np.array([[0, 1], [1, 0]]))
    assert rewards[0] > 0 > rewards[1]


def darkness(images, references):
    return -images.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("own", ["levels", None])
def test_a_given_picture_of_another_kind_than_those_that_follow_one_by_one(mode, own, toy_toolset):
    made = {"reward": darkness, "toolset": toy_toolset, "crop_size": 16, "degradation": own}
    image = np.full((16, 16, 3), 100, np.uint8)
    kinds = [{"image": image}, {"image": image, "reference": image}]
    other, same = kinds if own else kinds[::-1]
    actions = np.array([[2, 0], [0, 0]])  # one stops, the other goes on
    vector = gym.make_vec(IDS[0], 2, autoreset_mode=mode, stop_action=True, **made)
    with pytest.raises(ValueError, match=r"given image has .* reference, and the environment's own.*'Disabled'"):
        vector.reset(options=other)
    vector.reset(options=same)
    for _ in range(3):
        vector.step(actions)
    # Where all end at once, or none is reset by itself, they go together.
    vector = gym.make_vec(IDS[0], 2, autoreset_mode=mode, max_steps=1, **made)
    vector.reset(options=other)
    vector.step(actions % 2)
    vector.step(actions % 2)
    vector = gym.make_vec(IDS[0], 2, autoreset_mode="Disabled", stop_action=True, **made)
    vector.reset(options=other)
    assert vector.step(actions)[2].tolist() == [True, False]


def test_pictures_too_small_are_passed_over_alike(folder, toy_toolset):
    Image.new("RGB", (20, 50)).save(folder / "picture1-narrow.png")
    made = {"images": str(folder), "toolset": toy_toolset, "crop_size": 24, "max_steps": 1}
    native, sync = both(IDS[0], AutoresetMode.SAME_STEP, **made)
    with pytest.warns(UserWarning, match="left out: .*picture1-narrow"):
        assert_equal(native.reset(seed=3), sync.reset(seed=3))
        for _ in range(8):
            actions = native.action_space.sample()
            assert_equal(native.step(actions), sync.step(actions))


def test_frames():
    vector = gym.make_vec(IDS[0], 2, render_mode="rgb_array", crop_size=16)
    vector.reset(seed=0)
    observations, *_ = vector.step(np.array([[0, 1], [2, 0]]))
    frames = vector.render()
    assert len(frames) == 2
    for frame, observation in zip(frames, observations, strict=True):
        assert np.array_equal(frame[10 : 10 + 384 : 24, 10 : 10 + 384 : 24], observation)
    assert not np.array_equal(observations[0], observations[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"crop_size": None}, "use gym.make, one at a time"),
        ({"num_envs": 0}, "num_envs must be at least 1"),
        (
            {"autoreset_mode": "Sometimes"},
            "'Sometimes'; known are: NextStep, SameStep, Disabled",
        ),
        ({"degradation": "nothing"}, "unknown degradation"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        RestoreVectorEnv(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": [1, 2, 3]}, "list of 2, got 3"),
        ({"options": {"reset_mask": [True, False]}}, "reset_mask must be a bool array"),
        ({"options": {"reset_mask": np.array([True, False])}}, "first reset must reset every"),
    ],
)
def test_wrong_resets(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec(IDS[0], 2).reset(**arguments)


def test_wrong_steps():
    vector = gym.make_vec(IDS[0], 2, autoreset_mode="Disabled", max_steps=1)
    with pytest.raises(RuntimeError, match="step before reset"):
        vector.step(np.zeros((2, 2), dtype=int))
    vector.reset(seed=0)
    with pytest.raises(ValueError, match="one for each sub-environment; got shape"):
        vector.step(np.zeros((3, 2), dtype=int))
    with pytest.raises(ValueError, match=r"an action is two integers"):
        vector.step(np.zeros((2, 2)))
    vector.step(np.zeros((2, 2), dtype=int))
    with pytest.raises(RuntimeError, match=r"after the end of the episode \(of image 0, 1\)"):
        vector.step(np.zeros((2, 2), dtype=int))


def test_the_flat_one_is_a_constructor_argument():
    assert hirl_env.RestoreVectorEnv(num_envs=2, flat=True).single_action_space == gym.spaces.Discrete(9)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize(("max_steps", "bound"), [(7, 2), (2, 7), (None, 3), (3, -1)])
def test_max_episode_steps_cuts_off_as_a_time_limit_does(mode, max_steps, bound, toy_toolset):
    made = {"toolset": toy_toolset, "crop_size": 16, "max_steps": max_steps, "max_episode_steps": bound}
    native, sync = both(IDS[0], mode, **made)
    assert_equal(native.reset(seed=1), sync.reset(seed=1))
    for _ in range(5):
        actions = native.action_space.sample()
        one, other = native.step(actions), sync.step(actions)
        assert_equal(one, other)
        if mode == AutoresetMode.DISABLED and one[3].any():
            assert_equal(native.reset(options={"reset_mask": one[3]}), sync.reset(options={"reset_mask": one[3]}))


def test_a_time_limit_cuts_off_an_episode_that_ends_in_its_last_step(toy_toolset):
    made = {"toolset": toy_toolset, "crop_size": 16, "stop_action": True, "max_steps": None, "max_episode_steps": 2}
    native, sync = both(IDS[0], AutoresetMode.NEXT_STEP, **made)
    stop = native.single_action_space.nvec[0] - 1
    for env in (native, sync):
        env.reset(seed=1)
        env.step(np.array([[0, 0]] * N))
        _, _, terminated, truncated, _ = env.step(np.array([[stop, 0]] + [[0, 1]] * (N - 1)))
        assert terminated[0]
        assert truncated.all()


def test_a_bound_of_no_steps(toy_toolset):
    with pytest.raises(ValueError, match="max_episode_steps must be at least 1, or None for no bound; got 0"):
        gym.make_vec(IDS[0], 2, toolset=toy_toolset, max_episode_steps=0)


def test_each_sub_environment_is_called_as_of_sync_vector_env(toy_toolset):
    made = {"toolset": toy_toolset, "crop_size": 16, "stop_action": True, "mask_useless": True}
    native = gym.make_vec(IDS[1], 2, render_mode="rgb_array", **made)
    sync = gym.make_vec(IDS[1], 2, "sync", render_mode="rgb_array", **made)
    native.reset(seed=3), sync.reset(seed=3)
    actions = np.array([0, 3])
    native.step(actions), sync.step(actions)
    for name in ("render", "action_masks"):
        for ours, theirs in zip(native.call(name), sync.call(name), strict=True):
            assert np.array_equal(ours, theirs)
    for name in ("action_space", "observation_space", "render_mode", "np_random_seed"):
        assert native.get_attr(name) == sync.get_attr(name)
    assert native.action_masks().tolist() == [list(masks) for masks in native.call("action_masks")]
