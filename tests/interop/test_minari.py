"""Minari: a data set recorded with infos, and read back."""

import gymnasium as gym
import numpy as np
import pytest

import hirl_env  # noqa: F401  (registers the ids)

minari = pytest.importorskip("minari", reason="minari is not installed")
pytest.importorskip("jax", reason="minari[create] is not installed")
pytest.importorskip("h5py", reason="minari[hdf5] is not installed")


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
