"""Models and replay buffers on disk: what comes back, and what does not run."""

import io
import zipfile

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.utils import LinearSchedule

from hirl_agents import HIRL, FlatDQN, RLRestore, make_vec_env
from hirl_agents.common.saving import fill_model, fill_replay_buffer, save_model, save_replay_buffer
from tests.conftest import evil_pickle

ALGORITHMS = [HIRL, FlatDQN, RLRestore]
NETWORK = {
    HIRL: {"width": 8},
    FlatDQN: {"features_extractor_kwargs": {"width": 8}},
    RLRestore: {"units": 8},
}


@pytest.fixture
def made(pictures, toy_toolset):
    """Makes a model of an algorithm."""

    def make(algorithm, **arguments):
        task = {"images": pictures, "toolset": toy_toolset, "crop_size": 16, "max_steps": 3}
        flat = algorithm is not HIRL
        env = make_vec_env(n_envs=2, flat=flat, stop_action=algorithm is RLRestore, **task)
        small = {"learning_starts": 4, "buffer_size": 24, "batch_size": 4, "policy_kwargs": NETWORK[algorithm]}
        return algorithm(env=env, seed=0, **small | arguments)

    return make


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_arguments_come_back(algorithm, made, tmp_path):
    model = made(algorithm, learning_rate=LinearSchedule(1e-3, 0, 1), gamma=0.5, train_freq=(2, "step"))
    model.save(tmp_path / "model")
    assert (tmp_path / "model.safetensors").exists()
    again = algorithm.load(tmp_path / "model")
    assert (again.gamma, again.train_freq, again.seed) == (0.5, model.train_freq, 0)
    assert again.learning_rate(0.5) == 5e-4
    assert again.policy_kwargs == model.policy_kwargs
    assert again.observation_space == model.observation_space
    assert again.action_space == model.action_space
    for name, value in model.policy.state_dict().items():
        assert torch.equal(again.policy.state_dict()[name], value)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_numbers_of_numpy_come_back(algorithm, made, tmp_path):
    made(algorithm, gamma=np.float64(0.5), batch_size=np.int64(8)).save(tmp_path / "model")
    again = algorithm.load(tmp_path / "model")
    assert (again.gamma, again.batch_size) == (0.5, 8)


def test_the_buffer_of_a_flat_dqn_is_as_it_was_asked_for(made, tmp_path):
    class Own(ReplayBuffer):
        pass

    lean = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
    made(FlatDQN, **lean).save(tmp_path / "lean")
    assert FlatDQN.load(tmp_path / "lean").replay_buffer.optimize_memory_usage
    made(FlatDQN, n_steps=2).save(tmp_path / "steps")
    assert FlatDQN.load(tmp_path / "steps").replay_buffer.n_steps == 2
    made(FlatDQN, replay_buffer_class=Own).save(tmp_path / "own")
    with pytest.raises(ValueError, match="replay_buffer_class cannot be stored; give load"):
        FlatDQN.load(tmp_path / "own")
    assert isinstance(FlatDQN.load(tmp_path / "own", replay_buffer_class=Own).replay_buffer, Own)


def test_a_callbacks_zip_is_found_without_its_suffix(made, tmp_path):
    made(HIRL).save(tmp_path / "model.zip")
    assert HIRL.load(tmp_path / "model").gamma == 0
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        HIRL.load(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="give the path of the file, not a BytesIO"):
        made(HIRL).save(io.BytesIO())


def test_custom_objects_take_the_place_of_what_is_stored_and_others_are_passed_over(made, tmp_path, capsys):
    made(HIRL, gamma=0.5, buffer_size=24).save(tmp_path / "model")
    zoos = {"learning_rate": 0.0, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0}
    again = HIRL.load(tmp_path / "model", custom_objects=zoos, print_system_info=True, buffer_size=8)
    assert (again.learning_rate, again.gamma, again.buffer_size) == (0, 0.5, 8)
    assert "Stable-Baselines3" in capsys.readouterr().out


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_is_saved_and_loaded_with_the_options_of_stable_baselines3(algorithm, made, tmp_path):
    made(algorithm).save(tmp_path / "model", exclude=["replay_buffer"])
    again = algorithm.load(tmp_path / "model", stats_window_size=7)
    assert again._stats_window_size == 7


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_replay_buffer_comes_back_when_it_went_round(algorithm, made, tmp_path):
    model = made(algorithm).learn(40)
    model.save_replay_buffer(tmp_path / "memory")
    again = made(algorithm)
    again.load_replay_buffer(tmp_path / "memory")
    assert again.replay_buffer.full
    assert again.replay_buffer.pos == model.replay_buffer.pos
    rows = slice(model.replay_buffer.size())
    for name in ("observations", "actions", "rewards"):
        assert np.array_equal(getattr(again.replay_buffer, name)[rows], getattr(model.replay_buffer, name)[rows])


def test_any_algorithm_is_filled(toy_toolset, tmp_path):
    env = make_vec_env(n_envs=2, toolset=toy_toolset, crop_size=36, stop_action=True)

    def ppo():
        small = {"features_extractor_kwargs": {"features_dim": 4}}
        return PPO("CnnPolicy", env, n_steps=4, batch_size=4, policy_kwargs=small)

    model, again = ppo().learn(16), ppo()
    save_model(model, tmp_path / "model")
    fill_model(again, tmp_path / "model")
    assert (again.num_timesteps, again._n_updates) == (16, model._n_updates)
    for name, value in model.policy.state_dict().items():
        assert torch.equal(again.policy.state_dict()[name], value)
    kept, filled = (one.policy.optimizer.state_dict()["state"] for one in (model, again))
    assert kept
    assert all(torch.equal(kept[key]["exp_avg"], filled[key]["exp_avg"]) for key in kept)


def test_what_a_file_cannot_hold_is_asked_for(made, tmp_path):
    model = made(HIRL, learning_rate=lambda remaining: 1e-3 * remaining)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="learning_rate cannot be stored; give load"):
        HIRL.load(tmp_path / "model")
    assert HIRL.load(tmp_path / "model", learning_rate=0.5).learning_rate == 0.5


def test_files_of_others_are_refused_in_a_line(made, tmp_path):
    made(FlatDQN).save(tmp_path / "flat")
    with pytest.raises(ValueError, match=r"flat.safetensors: not of such a HIRL \(it is of FlatDQN\)"):
        HIRL.load(tmp_path / "flat")
    with pytest.raises(ValueError, match="No such file"):
        HIRL.load(tmp_path / "none")
    (tmp_path / "torn.zip").write_bytes((tmp_path / "flat.safetensors").read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged, or no file of this package"):
        FlatDQN.load(tmp_path / "torn.zip")
    small, large = made(HIRL), made(HIRL, policy_kwargs={"width": 16}, buffer_size=48)
    save_model(small, tmp_path / "small")
    save_replay_buffer(small, tmp_path / "memory")
    with pytest.raises(ValueError, match="small: not of such a HIRL"):
        fill_model(large, tmp_path / "small")
    with pytest.raises(ValueError, match="memory: not of such a ReplayBuffer"):
        fill_replay_buffer(large, tmp_path / "memory")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_code_of_a_file_is_run(algorithm, made, tmp_path):
    """As Stable-Baselines3 had it: a pickle in a zip, and a pickled replay buffer."""
    evil = evil_pickle(tmp_path / "ran")
    (tmp_path / "memory.pkl").write_bytes(evil)
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("data", evil)
        archive.writestr("policy.pth", evil)
    (tmp_path / "model.safetensors").write_bytes(evil)
    for name in ("model.zip", "model.safetensors"):
        with pytest.raises(ValueError, match="damaged, or no file of this package"):
            algorithm.load(tmp_path / name)
    with pytest.raises(ValueError, match="damaged, or no file of this package"):
        made(algorithm).load_replay_buffer(tmp_path / "memory.pkl")
    assert not (tmp_path / "ran").exists()
