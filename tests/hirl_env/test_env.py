import copy
import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3.common.env_checker
import torch
from gymnasium.utils.env_checker import check_env, data_equivalence
from PIL import Image

import hirl_env
from hirl_env import Measure, Tool, Toolset, degradations, measures, toolsets
from hirl_env.data.datasets import DATASETS
from hirl_env.data.degradations import LEVELS, GaussianNoise, InOrder, MotionBlur
from hirl_env.data.images import to_pixels
from tests.conftest import add

README = Path(__file__).parents[2] / "README.md"
IDS = ("HIRL-Restore-v0", "HIRL-RestoreFlat-v0")
VARIANTS = (
    {},
    {"stop": "no_gain"},
    {"stop": "no_change"},
    {"stop_action": True},
    {"reward": "ssim"},
    {"crop_size": 40, "max_steps": 2},
    {"observe_tool": True},
    {"observe_start": True, "full_feedback": True},
    {"string_infos": True, "max_steps": None},
)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("arguments", VARIANTS)
def test_gymnasiums_checker_has_nothing_to_say(env_id, arguments, monkeypatch):
    # It renders in every mode; the window, which needs a package and a screen, has tests of its own.
    monkeypatch.setitem(hirl_env.RestoreEnv.metadata, "render_modes", ["rgb_array"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(env_id, render_mode="rgb_array", **arguments).unwrapped)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("arguments", VARIANTS)
def test_sb3s_checker_has_nothing_to_say(env_id, arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stable_baselines3.common.env_checker.check_env(gym.make(env_id, **arguments).unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_torchrls_checker_has_nothing_to_say(env_id):
    libs = pytest.importorskip("torchrl.envs.libs.gym")
    utils = pytest.importorskip("torchrl.envs.utils")
    utils.check_env_specs(libs.GymEnv(env_id, from_pixels=False))


@pytest.mark.parametrize("env_id", IDS)
def test_specs_are_json_and_pickle(env_id):
    spec = gym.make(env_id, degradation="severe", max_steps=3).spec
    again = gym.envs.registration.EnvSpec.from_json(spec.to_json())
    assert json.loads(spec.to_json())["kwargs"]["degradation"] == "severe"
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert gym.make(again).unwrapped.task.restoration.rules.max_steps == 3


def test_registering_twice_is_harmless():
    hirl_env._register("HIRL-Restore-v0", "elsewhere:Env", "elsewhere:VectorEnv")
    assert gym.make("HIRL-Restore-v0").spec.id == "HIRL-Restore-v0"


@pytest.mark.slow
def test_the_module_prefix_imports_the_environment_and_nothing_that_trains_in_it():
    code = """
import sys
import gymnasium
assert gymnasium.make("hirl_env:HIRL-Restore-v0").spec.id == "HIRL-Restore-v0"
print(*{name.partition(".")[0] for name in sys.modules})
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=README.parent, capture_output=True, text=True, check=True)
    imported = set(ran.stdout.split())
    assert "hirl_env" in imported
    assert not imported & {"hirl_agents", "hirl_experiments", "wandb", "stable_baselines3", "torchvision", "piq"}


@pytest.mark.parametrize(
    ("action", "got"), [([0, 0, 0], r"int64 of shape \(3,\)"), ([0.5, 1.0], "float64 of"), (3, r"int64 of shape \(\)")]
)
def test_an_action_of_another_form_is_named(action, got):
    env = hirl_env.RestoreEnv(crop_size=16)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"an action is two integers, \(type, degree\); got " + got):
        env.step(action)


def test_spaces():
    assert gym.make(IDS[0]).action_space == gym.spaces.MultiDiscrete([3, 3])
    assert gym.make(IDS[0], stop_action=True).action_space == gym.spaces.MultiDiscrete([4, 3])
    assert gym.make(IDS[1]).action_space == gym.spaces.Discrete(9)
    assert gym.make(IDS[1], stop_action=True).action_space == gym.spaces.Discrete(10)
    assert gym.make(IDS[0], crop_size=48).observation_space.shape == (48, 48, 3)


def rollout(env_id, seed, **arguments):
    env = gym.make(env_id, **arguments)
    env.action_space.seed(seed)
    results = [env.reset(seed=seed)]
    for _episode in range(2):
        done = False
        while not done:
            results.append(env.step(env.action_space.sample()))
            done = results[-1][2] or results[-1][3]
        results.append(env.reset())
    return results


@pytest.mark.parametrize("env_id", IDS)
def test_a_seed_repeats_everything(env_id):
    for one, other in zip(rollout(env_id, 7, max_steps=3), rollout(env_id, 7, max_steps=3), strict=True):
        assert np.array_equal(one[0], other[0])
        assert data_equivalence(one[1:], other[1:], exact=True)


def test_rewards_sum_to_the_psnr_gained():
    results = rollout(IDS[0], 3, max_steps=4)
    first, steps = results[0][1]["psnr"], results[1:5]
    assert sum(step[1] for step in steps) == pytest.approx(steps[-1][4]["psnr"] - first)
    assert steps[-1][4]["score"] == steps[-1][4]["psnr"]


def test_the_tool_used_last_is_a_fourth_channel():
    env, plain = gym.make(IDS[0], observe_tool=True), gym.make(IDS[0])
    observation, _ = env.reset(seed=2)
    assert observation.shape == env.observation_space.shape == (64, 64, 4)
    assert (observation[..., 3] == 0).all()
    assert np.array_equal(observation[..., :3], plain.reset(seed=2)[0])
    for action, number in (((0, 1), 2), ((2, 2), 9)):
        observation, *_ = env.step(np.array(action))
        assert (observation[..., 3] == number).all()
        assert np.array_equal(observation[..., :3], plain.step(np.array(action))[0])


def test_the_start_is_three_more_channels_before_the_tool():
    env = gym.make(IDS[0], observe_start=True, observe_tool=True)
    first, _ = env.reset(seed=2)
    assert first.shape == env.observation_space.shape == (64, 64, 7)
    assert np.array_equal(first[..., 3:6], first[..., :3])
    for action, number in (((0, 1), 2), ((2, 2), 9)):
        observation, *_ = env.step(np.array(action))
        assert np.array_equal(observation[..., 3:6], first[..., :3])
        assert not np.array_equal(observation[..., :3], first[..., :3])
        assert (observation[..., 6] == number).all()


def test_more_tools_than_the_channel_counts():
    toolset = Toolset({"add": [add(amount) for amount in range(256)]})
    with pytest.raises(ValueError, match="observe_tool counts to 255, and the toolset has 256 tools"):
        gym.make(IDS[0], observe_tool=True, toolset=toolset)


@pytest.mark.parametrize("stop", [None, "no_gain"])
def test_full_feedback_is_what_every_tool_would_have_gained(stop):
    env = gym.make(IDS[0], full_feedback=True, stop=stop, crop_size=32)
    _, info = env.reset(seed=4)
    assert (info["tool_gains"] == 0).all()
    gains = env.step(np.array([2, 2]))[4]["tool_gains"]
    assert gains.shape == (3, 3)
    each = gym.make(IDS[0], crop_size=32)
    for cell in np.ndindex(3, 3):
        each.reset(seed=4)
        assert each.step(np.array(cell))[1] == pytest.approx(gains[cell], abs=1e-4)


def test_flat_actions_are_cells_row_by_row_and_stop_is_the_last():
    env = gym.make(IDS[1], stop_action=True, string_infos=True, max_steps=3)
    env.reset(seed=0)
    *_, info = env.step(5)
    assert info["path"].tolist() == [[1, 2], [-1, -1], [-1, -1]]
    assert info["tool"] == "Fast AR-CNN 10"
    _, reward, terminated, truncated, info = env.step(9)
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert info["path"].tolist() == [[1, 2], [-1, -1], [-1, -1]]


def test_a_given_picture(toy_toolset):
    env = gym.make(IDS[0], toolset=toy_toolset, crop_size=None)
    image, reference = np.full((20, 30, 3), 100, np.uint8), np.full((20, 30, 3), 110, np.uint8)
    observation, info = env.reset(options={"image": image, "reference": reference})
    assert np.array_equal(observation, image)
    assert observation in env.observation_space
    assert info["psnr"] == pytest.approx(-20 * np.log10(10 / 255), abs=1e-3)
    observation, *_ = env.step((0, 1))
    assert (observation == 108).all()
    assert (image == 100).all()


def test_whole_pictures_change_the_space_with_each_reset(folder):
    Image.new("RGB", (25, 50)).save(folder / "tall.png")
    env = gym.make(IDS[0], images=str(folder), crop_size=None)
    shapes = set()
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        assert observation in env.observation_space
        shapes.add(env.observation_space.shape)
    assert shapes == {(32, 40, 3), (50, 25, 3)}


def test_unpaired_pictures_serve_a_blind_reward(tmp_path, toy_toolset, folder):
    (folder).rename(tmp_path / "Images")

    def darkness(images, references):
        assert references is None
        return -images.mean(dim=(1, 2, 3))

    source = DATASETS["clive"].open(tmp_path)
    env = gym.make(IDS[0], images=source, reward=darkness, toolset=toy_toolset, crop_size=16)
    _, info = env.reset(seed=0)
    assert "psnr" not in info
    assert env.step((1, 0))[1] == pytest.approx(2 / 255, abs=1e-6)
    with pytest.raises(ValueError, match="compares with a reference"):
        gym.make(IDS[0], images=source, toolset=toy_toolset, crop_size=16).reset(seed=0)


def test_pictures_as_they_are_have_no_reference(toy_toolset):
    def darkness(images, references):
        assert references is None
        return -images.mean(dim=(1, 2, 3))

    env = gym.make(IDS[0], degradation=None, reward=darkness, toolset=toy_toolset)
    _, info = env.reset(seed=0)
    assert info.keys() == {"score", "cost", "path"}
    with pytest.raises(ValueError, match="'psnr' compares with a reference, and there is none"):
        gym.make(IDS[0], degradation=None, toolset=toy_toolset).reset(seed=0)


def test_inference_mode():
    env = gym.make(IDS[0], max_steps=2)
    with torch.inference_mode():
        first, _ = env.reset(seed=0)
        second, *_ = env.step((0, 1))
    third, _, _, truncated, _ = env.step((1, 1))
    assert truncated
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


@pytest.mark.parametrize(("degradation", "levels"), [("severe", {"severe"}), ("levels", {*LEVELS}), ("jpeg-10", {""})])
def test_a_reset_tells_the_level(degradation, levels):
    env = gym.make(IDS[0], degradation=degradation, crop_size=16, string_infos=True)
    assert {env.reset(seed=seed)[1]["level"] for seed in range(12)} == levels


def test_ones_own_parts_by_name(toy_toolset):
    def inverse(images, references):
        return 1 - images.mean(dim=(1, 2, 3))

    toolsets.register("toy", lambda: toy_toolset)
    degradations.register("toy", lambda: MotionBlur(5))
    measures.register("toy", lambda: Measure("toy", inverse, needs_reference=False))
    try:
        env = gym.make(IDS[0], toolset="toy", degradation="toy", reward="toy", string_infos=True)
        _, info = env.reset(seed=0)
        assert info["degradation"].startswith("MotionBlur(length=5, angle=")
        assert env.step((1, 1))[1] > 0
    finally:
        for registry in (toolsets, degradations, measures):
            del registry.factories["toy"]


def test_rendering_shows_the_picture_and_grows_no_taller(toy_toolset):
    env = gym.make(IDS[0], render_mode="rgb_array", toolset=toy_toolset, max_steps=3)
    observation, _ = env.reset(seed=0)
    before = env.render()
    env.step((0, 1))
    after = env.render()
    assert before.dtype == np.uint8
    assert before.shape == after.shape
    assert np.array_equal(before[10 : 10 + 384 : 6, 10 : 10 + 384 : 6], observation)
    assert not np.array_equal(before[400:], after[400:])


def test_frames_of_long_episodes_are_no_taller(toy_toolset):
    frames = []
    for max_steps in (7, 500, None):
        env = gym.make(IDS[0], render_mode="rgb_array", toolset=toy_toolset, max_steps=max_steps)
        env.reset(seed=0)
        for _ in range(6):
            env.step((0, 1))
        frames.append(env.render())
    assert np.array_equal(frames[0], frames[1])
    assert np.array_equal(frames[0], frames[2])
    env.step((0, 1))
    env.step((1, 0))
    assert env.render().shape == frames[0].shape


def test_rendering_out_of_turn():
    with pytest.raises(RuntimeError, match="render before reset"):
        gym.make(IDS[0], render_mode="rgb_array").unwrapped.render()
    with pytest.raises(ValueError, match="render_mode must be None or 'rgb_array' or 'human', got 'ansi'"):
        hirl_env.RestoreEnv(render_mode="ansi")


def test_a_window_shows_every_step(monkeypatch, toy_toolset):
    pygame = pytest.importorskip("pygame", reason="pygame is an extra: human")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setitem(hirl_env.RestoreEnv.metadata, "render_fps", 1000)  # no waiting
    env = gym.make(IDS[0], render_mode="human", toolset=toy_toolset).unwrapped
    frames = gym.make(IDS[0], render_mode="rgb_array", toolset=toy_toolset)
    with pytest.raises(RuntimeError, match="render before reset"):
        env.render()
    for each in (env, frames):
        each.reset(seed=0)
        each.step((0, 1))
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown, frames.render())
    assert env.render() is None
    other = gym.make(IDS[0], render_mode="human", toolset=toy_toolset)
    other.reset()
    other.close()
    env.step((0, 1))
    env.close()
    env.close()
    assert not pygame.display.get_init()


def test_a_window_without_pygame_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ImportError, match=r"pygame is not installed: pip install 'hirl-restore\[human\]'"):
        gym.make(IDS[0], render_mode="human")


@pytest.mark.parametrize("arguments", [{}, {"full_feedback": True, "string_infos": True, "max_steps": 4}])
def test_infos_have_the_same_keys_types_and_shapes_at_every_reset_and_step(arguments):
    env = gym.make(IDS[0], crop_size=16, stop="no_gain", stop_action=True, **arguments)
    told = [env.reset(seed=0)[1]]
    env.action_space.seed(0)
    for _ in range(8):
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        told.append(info)
        if terminated or truncated:
            told.append(env.reset()[1])
    assert isinstance(told[0]["score"], np.float64)
    assert told[0]["path"].shape == (arguments.get("max_steps", 7), 2)
    kinds = [
        {key: (type(value), np.shape(value), np.asarray(value).dtype.kind) for key, value in info.items()}
        for info in told
    ]
    assert all(kind == kinds[0] for kind in kinds)


def test_a_given_picture_without_reference_has_no_psnr(toy_toolset):
    def darkness(images, references):
        return -images.mean(dim=(1, 2, 3))

    env = gym.make(IDS[0], reward=darkness, toolset=toy_toolset)
    assert np.isfinite(env.reset(seed=0)[1]["psnr"])
    picture = np.full((64, 64, 3), 100, np.uint8)
    assert np.isnan(env.reset(options={"image": picture})[1]["psnr"])
    assert np.isnan(env.step((0, 1))[4]["psnr"])


def test_a_copy_in_mid_episode_goes_its_own_way_and_shares_the_tools():
    env = gym.make("HIRL-Restore-v0").unwrapped
    env.reset(seed=1)
    env.step((1, 2))
    copied = copy.deepcopy(env)
    assert copied.task.toolset is env.task.toolset
    explored = copied.step((2, 1))
    after = env.step((2, 1))
    assert np.array_equal(explored[0], after[0])
    assert explored[1:4] == after[1:4]
    copied.step((0, 0))
    assert env.step((2, 1))[4]["path"].tolist()[:3] == [[1, 2], [2, 1], [2, 1]]
    assert np.array_equal(copied.reset()[0], env.reset()[0]), "they draw the same photographs afterwards"


def test_the_metadata_of_one_environment_is_no_others():
    """Up to 1.3, Gymnasium's SyncVectorEnv writes into that of its environments."""
    env = hirl_env.RestoreEnv()
    env.metadata["autoreset_mode"] = "its own"
    assert "autoreset_mode" not in hirl_env.RestoreEnv.metadata
    assert "autoreset_mode" not in hirl_env.RestoreEnv().metadata
    assert hirl_env.RestoreEnv.metadata is not hirl_env.RestoreVectorEnv.metadata


def test_masks_leave_out_tools_that_gained_nothing_until_the_episode_ends(toy_toolset):
    both = {"toolset": toy_toolset, "crop_size": 16}
    image = np.full((16, 16, 3), 100, np.uint8)
    start = {"options": {"image": image, "reference": image + 5}}
    env = gym.make(IDS[1], mask_useless=True, **both).unwrapped
    env.reset(**start)
    env.step(0)  # brightens by 1
    assert env.action_masks().tolist() == [True] * 4
    env.step(2)  # darkens by 2
    assert env.action_masks().tolist() == [True, True, False, True]
    for action in (1, 3):
        env.step(action)
    env.step(0)
    assert env.action_masks().any()
    env.reset(**start)
    assert env.action_masks().tolist() == [True] * 4
    stopping = gym.make(IDS[1], mask_useless=True, stop_action=True, **both).unwrapped
    stopping.reset(**start)
    stopping.step(3)
    assert stopping.action_masks().tolist() == [True, True, True, False, True]
    plain = gym.make(IDS[1], **both).unwrapped
    plain.reset(**start)
    plain.step(3)
    assert plain.action_masks().all()
    with pytest.raises(ValueError, match=r"action_masks\(\) is for flat actions: make HIRL-RestoreFlat-v0"):
        gym.make(IDS[0], **both).unwrapped.action_masks()
    with pytest.raises(RuntimeError, match=r"action_masks\(\) before reset: .* call reset first"):
        gym.make(IDS[1], **both).unwrapped.action_masks()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"degradation": "sever"}, "unknown degradation 'sever'; known are: mild, moderate, severe"),
        ({"reward": "lpips"}, "unknown measure 'lpips'; known are: psnr, psnr-50, ssim"),
        ({"toolset": "mine"}, "unknown toolset 'mine'; known are: paper, hirl"),
        ({"toolset": ""}, "unknown toolset ''; known are: paper, hirl"),
        ({"toolset": "a=paper:dejpeg-0;a=paper:dejpeg-1"}, "a type is there twice"),
        ({"toolset": "light=mine"}, "unknown tool 'mine'; known are: tools of a toolset, as in paper:dejpeg-0"),
        ({"stop_action": "false"}, "stop_action must be True or False, got 'false'"),
        ({"flat": "no"}, "flat must be True or False, got 'no'"),
        ({"images": "nowhere"}, "nowhere: no such folder"),
        ({"images": ""}, "a folder of pictures must have a name, or be one of photos"),
        ({"crop_size": 0}, "crop_size must be a positive"),
        ({"crop_size": True}, "crop_size must be a positive"),
        ({"images": "x" * 5000}, "no such folder"),
        ({"toolset": "x" * 5000}, "unknown toolset 'xxx"),
        ({"max_steps": 0}, "max_steps must be at least 1"),
        ({"max_steps": True}, "max_steps must be at least 1"),
        ({"stop": "soon"}, "stop must be None, 'no_gain', 'no_change' or 'below_start'"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"device": "gpu9"}, "device 'gpu9' is not available here; available are: cpu"),
        ({"device": "fpga"}, "device 'fpga' is not available here; available are: cpu"),
        ({"reward": "ms-ssim"}, "reward 'ms-ssim' needs at least 161x161 pixels, and crop_size is 64; choose a larger"),
        ({"reward": "psnr + ssim", "crop_size": 10}, r"'1\*psnr \+ 1\*ssim' needs at least 11x11 pixels"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gym.make(IDS[0], **arguments)


@pytest.mark.parametrize("make", [hirl_env.RestoreEnv, hirl_env.RestoreVectorEnv])
def test_mistyped_arguments(make):
    with pytest.raises(TypeError, match="unexpected keyword argument 'degredation'; known are: images, degradation, "):
        make(degredation="severe")


def test_a_single_environment_sends_a_bound_on_steps_to_max_steps():
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_episode_steps'; use max_steps"):
        hirl_env.RestoreEnv(max_episode_steps=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": np.zeros((64, 64, 3))}, r"image must be uint8 of shape \(H, W, 3\), got float64"),
        ({"image": np.zeros((64, 64), np.uint8)}, r"of shape \(64, 64\)"),
        ({"image": np.zeros((32, 48, 3), np.uint8)}, "image is 48x32.*restores 64x64.*crop_size=None"),
        ({"image": np.zeros((64, 64, 3), np.uint8)}, "'psnr' compares with a reference"),
        ({"reference": np.zeros((64, 64, 3), np.uint8)}, r"options are 'image' and.*got \['reference'\]"),
        ({"picture": 1, "image": 2}, r"got \['image', 'picture'\]"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        gym.make(IDS[0]).reset(options=options)


def test_steps_out_of_turn_and_out_of_range():
    env = hirl_env.RestoreEnv(max_steps=1)
    with pytest.raises(RuntimeError, match="step before reset"):
        env.step((0, 0))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action \(3, 0\) is out of range"):
        env.step((3, 0))
    env.step((2, 0))
    with pytest.raises(RuntimeError, match="after the end"):
        env.step((2, 0))
    flat = hirl_env.RestoreEnv(flat=True)
    flat.reset(seed=0)
    with pytest.raises(ValueError, match=r"an integer in 0\.\.8"):
        flat.step(9)


def test_nothing_is_rounded_between_steps(toy_toolset):
    third = toy_toolset.with_type("third", [Tool("third", lambda images: images + 1 / 765, GaussianNoise(1))] * 2)
    env = gym.make(IDS[0], toolset=third, degradation=InOrder(()))
    first, _ = env.reset(seed=0)
    for _ in range(3):
        last, *_ = env.step((2, 0))
    expected = to_pixels(torch.from_numpy(first / 255).movedim(-1, 0) + 1 / 255)
    assert np.array_equal(last, expected)
