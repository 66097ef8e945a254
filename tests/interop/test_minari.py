"""Minari: a data set recorded with infos, and read back."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import hirl_env  # noqa: F401  (registers the ids)

minari = pytest.importorskip("minari", reason="minari is not installed")
pytest.importorskip("jax", reason="minari[create] is not installed")
pytest.importorskip("h5py", reason="minari[hdf5] is not installed")


def record(name, steps, **task):
    env = minari.DataCollector(gym.make("HIRL-RestoreFlat-v0", full_feedback=True, **task), record_infos=True)
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(steps):
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
    return env.create_dataset(name, algorithm_name="random", author="you", author_email="you@example.org")


def train(name, epochs):
    """Values of every tool, learned from what each would have gained (the infos' ``tool_gains``)."""
    episodes = list(minari.load_dataset(name))
    images = torch.as_tensor(np.concatenate([each.observations[:-1] for each in episodes])).float()
    gains = torch.as_tensor(np.concatenate([each.infos["tool_gains"][1:] for each in episodes])).float().flatten(1)
    layers = [torch.nn.Flatten(), torch.nn.LayerNorm(images[0].numel())]
    values = torch.nn.Sequential(*layers, torch.nn.Linear(images[0].numel(), gains.shape[1]))
    optimizer = torch.optim.Adam(values.parameters(), 1e-3)
    for _ in range(epochs):
        loss = torch.nn.functional.smooth_l1_loss(values(images), gains)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return values, gains, float(loss.detach())


def test_an_agent_learns_from_a_recorded_data_set(small, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    torch.manual_seed(0)
    record("hirl/random-v0", 201, **small)
    _, gains, last = train("hirl/random-v0", 60)
    assert gains.shape == (201, 4)
    assert last < train("hirl/random-v0", 1)[2]


@pytest.mark.parametrize("arguments", [{}, {"full_feedback": True}])
def test_a_data_set_with_infos_is_recorded_and_read_back(small, arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make("HIRL-Restore-v0", **small, **arguments), record_infos=True)
    gains = []
    for seed in range(2):
        env.reset(seed=seed)
        env.action_space.seed(seed)
        gains.append([env.step(env.action_space.sample())[1] for _ in range(3)])
    env.create_dataset("hirl/test-v0", algorithm_name="random", author="test", author_email="test@example.org")
    episodes = list(minari.load_dataset("hirl/test-v0"))
    assert [list(episode.rewards) for episode in episodes] == [pytest.approx(each) for each in gains]
    for episode in episodes:
        assert episode.observations.shape == (4, 16, 16, 3)
        assert episode.infos["path"].shape == (4, 3, 2)
        assert np.diff(episode.infos["psnr"]) == pytest.approx(episode.rewards)
