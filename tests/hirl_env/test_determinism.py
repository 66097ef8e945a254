"""What comes out the same again, to the bit, and what within a level of 255: as docs/environment.md says it."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import hirl_env  # noqa: F401

COUNT, STEPS = 3, 3
ACTIONS = np.random.default_rng(0).integers(0, 3, (STEPS, COUNT, 2))


def observed(env_of=lambda: gym.make_vec("HIRL-Restore-v0", COUNT, crop_size=16)) -> np.ndarray:
    """Observations (steps, images, 16, 16, 3) of episodes of which the seed is 5."""
    env = env_of()
    seen = [env.reset(seed=5)[0]]
    seen += [env.step(actions)[0] for actions in ACTIONS]
    env.close()
    return np.stack(seen)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_same_seed_is_the_same_to_the_bit():
    assert np.array_equal(observed(), observed())


def test_side_by_side_and_one_by_one_are_within_a_level():
    def single() -> gym.vector.VectorEnv:
        return gym.make_vec("HIRL-Restore-v0", COUNT, vectorization_mode="sync", crop_size=16)

    native, one_by_one = observed().astype(int), observed(single).astype(int)
    assert np.array_equal(native[0], one_by_one[0]), "samples are the same to the bit: no network is in them"
    assert np.abs(native - one_by_one).max() <= 1


def test_other_numbers_of_threads_are_within_a_level(threads):
    threads(1)
    one = observed().astype(int)
    threads(2)
    assert np.abs(observed().astype(int) - one).max() <= 1
