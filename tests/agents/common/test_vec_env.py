from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize, is_vecenv_wrapped
from stable_baselines3.common.vec_env.vec_monitor import VecMonitor

from hirl_agents import HIRL, FlatDQN, RestoreVecEnv, RLRestore, make_vec_env
from hirl_agents.common.vec_env import longest_episode
from hirl_agents.networks import ResNet18Extractor

TRUNK = {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": {"width": 8}}


@pytest.fixture
def task(pictures, toy_toolset):
    return {"images": pictures, "toolset": toy_toolset, "crop_size": 16, "max_steps": 3}


@pytest.fixture
def grey_pixels():
    return np.full((16, 16, 3), 100, dtype=np.uint8)


def test_it_steps_as_the_native_environment_does(task):
    task["string_infos"] = True
    ours = RestoreVecEnv(gym.make_vec("HIRL-Restore-v0", 3, autoreset_mode="SameStep", **task))
    native = gym.make_vec("HIRL-Restore-v0", 3, autoreset_mode="SameStep", **task)
    assert isinstance(ours, VecEnv)
    ours.seed(7)
    observations, (expected, infos) = ours.reset(), native.reset(seed=7)
    assert np.array_equal(observations, expected)
    assert [info["psnr"] for info in ours.reset_infos] == list(infos["psnr"])
    rng = np.random.default_rng(0)
    for step in range(1, 8):
        actions = rng.integers(2, size=(3, 2))
        observations, rewards, dones, each = ours.step(actions)
        expected, gains, _, truncated, infos = native.step(actions)
        assert np.array_equal(observations, expected)
        assert rewards == pytest.approx(gains, abs=1e-5)
        assert np.array_equal(dones, truncated)
        assert dones.all() == (step % 3 == 0)
        for row in range(3):
            if dones[row]:
                assert np.array_equal(each[row]["terminal_observation"], infos["final_obs"][row])
                assert each[row]["TimeLimit.truncated"] is True
                assert (each[row]["path"] >= 0).all(), "of the episode that ended"
                assert (ours.reset_infos[row]["path"] == -1).all()
            else:
                assert each[row]["tool"] == infos["tool"][row]
                assert "terminal_observation" not in each[row]


def test_it_takes_the_arguments_of_stable_baselines_own(task):
    first = make_vec_env(n_envs=2, seed=3, env_kwargs=task).reset()
    assert np.array_equal(first, make_vec_env("HIRL-Restore-v0", 2, 3, **task).reset())
    assert not np.array_equal(first, make_vec_env(n_envs=2, seed=4, **task).reset())


def test_terminated_is_not_truncated(task):
    env = make_vec_env(n_envs=2, stop_action=True, **task)
    env.reset()
    _, _, dones, infos = env.step(np.array([[2, 0], [0, 0]]))
    assert list(dones) == [True, False]
    assert infos[0]["TimeLimit.truncated"] is False
    assert infos[0]["episode"]["l"] == 1


def test_its_monitor_sums_rewards(task):
    env = make_vec_env(n_envs=2, **task)
    assert is_vecenv_wrapped(env, VecMonitor)
    env.seed(0)
    env.reset()
    totals = np.zeros(2)
    for _ in range(3):
        _, rewards, dones, infos = env.step(np.zeros((2, 2), dtype=int))
        totals += rewards
    assert dones.all()
    assert [info["episode"]["r"] for info in infos] == pytest.approx(totals, abs=1e-4)


def test_other_autoreset_modes_are_refused(task):
    with pytest.raises(ValueError, match="SameStep"):
        RestoreVecEnv(gym.make_vec("HIRL-Restore-v0", 2, **task))


def test_attributes_options_and_frames(task):
    env = make_vec_env(n_envs=2, render_mode="rgb_array", **task)
    assert env.get_attr("num_envs") == [2, 2]
    assert env.get_attr("action_space", 1) == [env.action_space]
    assert env.get_attr("observation_space") == [env.observation_space] * 2
    assert env.get_attr("np_random", [0])[0] is not env.get_attr("np_random", [1])[0]
    assert env.env_is_wrapped(gym.Wrapper) == [False, False]
    picture = np.full((16, 16, 3), 9, np.uint8)
    env.set_options({"image": picture, "reference": picture})
    assert (env.reset() == 9).all()
    assert env.render().ndim == 3
    env.set_options([{"image": picture}, {}])
    with pytest.raises(ValueError, match="same options"):
        env.reset()


@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_stable_baselines_trains_in_it(task, algorithm):
    env = make_vec_env(n_envs=4, **task)
    settings = {"n_steps": 16, "batch_size": 32, "n_epochs": 1} if algorithm is PPO else {"n_steps": 8}
    model = algorithm("CnnPolicy", env, policy_kwargs=TRUNK, seed=0, **settings)
    model.learn(256)
    assert model.num_timesteps == 256
    assert model.ep_info_buffer[-1]["l"] == 3
    mean, _ = evaluate_policy(model, env, n_eval_episodes=4)
    assert np.isfinite(mean)


def test_options_may_hold_pictures(task, grey_pixels):
    env = make_vec_env(n_envs=2, **task)
    both = {"image": grey_pixels, "reference": grey_pixels}
    env.set_options([both, {key: pixels.copy() for key, pixels in both.items()}])
    assert (env.reset() == 100).all()
    env.set_options([both, both | {"image": grey_pixels + 1}])
    with pytest.raises(ValueError, match="with the same options"):
        env.reset()


AGENTS = [(HIRL, "HIRL-Restore-v0"), (FlatDQN, "HIRL-RestoreFlat-v0"), (RLRestore, "HIRL-RestoreFlat-v0")]


@pytest.mark.parametrize(("algorithm", "env_id"), AGENTS)
def test_agents_that_stop_by_gains_refuse_others(algorithm, env_id, task):
    env = VecNormalize(make_vec_env(env_id, 1, stop_action=algorithm is RLRestore, **task), norm_obs=False)
    with pytest.raises(ValueError, match="leave VecNormalize out"):
        algorithm(env=env, buffer_size=64).learn(1)


def test_single_environments_are_sent_to_stable_baselines_own():
    same_step = {"vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
    with pytest.raises(ValueError, match=r"not SyncVectorEnv; for single ones there is .* DummyVecEnv"):
        RestoreVecEnv(gym.make_vec("HIRL-Restore-v0", 2, "sync", **same_step, crop_size=16))


def test_what_is_set_or_called_is_for_all(task):
    env = make_vec_env(n_envs=2, **task)
    env.set_attr("note", "seen")
    assert env.get_attr("note") == ["seen"] * 2
    assert env.env_method("close") == [None] * 2
    flat = make_vec_env("HIRL-RestoreFlat-v0", 2, **task)
    flat.reset()
    assert [list(masks) for masks in flat.env_method("action_masks")] == [[True] * 4] * 2
    for touch in (lambda: env.set_attr("note", "", [0]), lambda: env.env_method("close", indices=1)):
        with pytest.raises(ValueError, match="these environments are one batch"):
            touch()


def in_a_process(reward: str):
    return gym.make("HIRL-RestoreFlat-v0", crop_size=16, max_steps=2, reward=reward)


@pytest.mark.slow
def test_environments_in_processes_of_their_own_can_be_asked():
    """A measure of piq's can be pickled no more than many a tool."""
    env = SubprocVecEnv([partial(in_a_process, "haarpsi")])
    try:
        assert FlatDQN(env=env, buffer_size=64).max_steps == 2
    finally:
        env.close()


@pytest.mark.parametrize(("algorithm", "env_id"), AGENTS)
def test_agents_refuse_a_stop_that_they_would_not_use(algorithm, env_id, task):
    with pytest.raises(ValueError, match=r"this agent stops by .*: make the environment with stop_action="):
        algorithm(env=make_vec_env(env_id, 1, stop_action=algorithm is not RLRestore, **task), buffer_size=64)


@pytest.mark.parametrize(("algorithm", "env_id"), AGENTS)
def test_agents_do_not_train_on_whole_pictures(algorithm, env_id):
    with pytest.raises(ValueError, match="crop_size=None restores whole pictures: give a crop_size"):
        algorithm(env=gym.make(env_id, crop_size=None), buffer_size=64)


def test_the_longest_episode_is_that_of_the_configuration_or_of_a_limit_around_it(toy_toolset):
    def single(**arguments):
        return DummyVecEnv([lambda: gym.make("HIRL-Restore-v0", toolset=toy_toolset, crop_size=16, **arguments)])

    def native(**arguments):
        return make_vec_env(n_envs=2, toolset=toy_toolset, crop_size=16, **arguments)

    for make in (single, native):
        assert longest_episode(make()) == 7
        assert longest_episode(make(max_steps=None), otherwise=5) == 5
        assert longest_episode(make(max_steps=4, max_episode_steps=3)) == 3
        assert longest_episode(make(max_steps=2, max_episode_steps=3)) == 2
    assert longest_episode(None, otherwise=5) == 5


def test_wrappers_of_gymnasium_hide_nothing(task):
    native = gym.make_vec("HIRL-RestoreFlat-v0", 2, autoreset_mode="SameStep", **task)
    env = RestoreVecEnv(gym.wrappers.vector.RecordEpisodeStatistics(native))
    assert longest_episode(env) == 3
    env.seed(0)
    env.reset()
    assert np.array_equal(env.env_method("action_masks"), native.action_masks())
    rewards = [env.step(np.zeros(2, dtype=np.int64))[1] for _ in range(2)]
    _, last, dones, infos = env.step(np.zeros(2, dtype=np.int64))
    assert dones.all()
    assert [info["episode"]["r"] for info in infos] == pytest.approx(list(sum(rewards) + last), abs=1e-4)
    assert not any("episode" in info for info in env.reset_infos)
    stopping = gym.make_vec("HIRL-Restore-v0", 2, autoreset_mode="SameStep", stop_action=True, **task)
    with pytest.raises(ValueError, match="make the environment with stop_action=False"):
        HIRL(env=RestoreVecEnv(gym.wrappers.vector.RecordEpisodeStatistics(stopping)), buffer_size=64)


def test_its_metadata_are_those_of_the_environment(task):
    env = make_vec_env(n_envs=2, render_mode="rgb_array", **task).venv  # where VecVideoRecorder looks
    assert env.metadata["render_fps"] == gym.make("HIRL-Restore-v0", **task).metadata["render_fps"]
    assert env.metadata["render_modes"] == ["rgb_array"]


def _closeness():
    # A function that no process can send to another.
    arguments = {"crop_size": 16, "max_steps": 2, "reward": lambda images, to: -(images - to).abs().mean((1, 2, 3))}
    return gym.make("HIRL-Restore-v0", **arguments)


@pytest.mark.slow
def test_an_agent_learns_in_processes_from_a_reward_that_cannot_be_sent():
    env = SubprocVecEnv([_closeness] * 2, start_method="fork")
    try:
        model = HIRL(env=env, learning_starts=4, batch_size=4, buffer_size=64, policy_kwargs={"width": 8})
        assert model.learn(8).max_steps == 2
    finally:
        env.close()


def test_agents_do_not_learn_from_rescaled_rewards(task):
    native = gym.make_vec("HIRL-Restore-v0", 2, autoreset_mode="SameStep", **task)
    for env in (
        DummyVecEnv([lambda: gym.wrappers.NormalizeReward(gym.make("HIRL-Restore-v0", **task))]),
        RestoreVecEnv(gym.wrappers.vector.NormalizeReward(native)),
    ):
        with pytest.raises(ValueError, match="leave NormalizeReward out"):
            HIRL(env=env, buffer_size=64)
