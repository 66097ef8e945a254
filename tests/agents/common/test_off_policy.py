"""Trainings in several parts: what is remembered at the seams, and another environment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.callbacks import BaseCallback, StopTrainingOnMaxEpisodes

from hirl_agents import HIRL, FlatDQN, make_vec_env
from hirl_agents.common.off_policy import epsilon_at

NETWORK = {HIRL: {"width": 8}, FlatDQN: {"features_extractor_kwargs": {"width": 8}}}
ALGORITHMS = pytest.mark.parametrize("algorithm", NETWORK)


@pytest.fixture
def env(pictures, toy_toolset):
    """Makes an environment for an algorithm, whose episodes have so many steps."""

    def make(algorithm, max_steps):
        task = {"images": pictures, "toolset": toy_toolset, "crop_size": 16, "flat": algorithm is FlatDQN}
        return make_vec_env(n_envs=1, max_steps=max_steps, **task)

    return make


def made(algorithm, env):
    """A model that only remembers."""
    small = {"learning_starts": 1000, "train_freq": 1, "buffer_size": 16, "batch_size": 4}
    return algorithm(env=env, seed=0, policy_kwargs=NETWORK[algorithm], **small)


def ends(model, rows: int) -> tuple[list[int], list[int]]:
    """After which of the steps in memory an episode ended, and which of these ends were no real ones."""
    memory = model.replay_buffer
    assert memory.pos == rows
    return np.flatnonzero(memory.dones[:rows]).tolist(), np.flatnonzero(memory.timeouts[:rows]).tolist()


@ALGORITHMS
def test_an_episode_ends_in_memory_where_the_next_training_resets_it(algorithm, env):
    model = made(algorithm, env(algorithm, 3)).learn(5)
    assert ends(model, 5) == ([2], [2])
    model.learn(3)
    assert ends(model, 8) == ([2, 4, 7], [2, 4, 7])
    assert not np.array_equal(model.replay_buffer.next_observations[4], model.replay_buffer.observations[5])


@ALGORITHMS
def test_a_training_that_goes_on_resets_what_a_callback_ended_between_a_step_and_its_storing(algorithm, env):
    model = made(algorithm, env(algorithm, 3))
    model.learn(100, callback=StopTrainingOnMaxEpisodes(2))
    assert model.num_timesteps == 6
    assert ends(model, 5) == ([2], [2])
    model.learn(3, reset_num_timesteps=False)
    assert ends(model, 8) == ([2, 4, 7], [2, 4, 7])


@ALGORITHMS
def test_so_does_one_that_was_interrupted_there(algorithm, env):
    class Interrupt(BaseCallback):
        def _on_step(self):
            if self.num_timesteps == 5:
                raise KeyboardInterrupt
            return True

    model = made(algorithm, env(algorithm, 3))
    with pytest.raises(KeyboardInterrupt):
        model.learn(100, callback=Interrupt())
    assert ends(model, 4) == ([2], [2])
    model.learn(3, reset_num_timesteps=False)
    assert ends(model, 7) == ([2, 3, 6], [2, 3, 6])


@ALGORITHMS
def test_a_training_that_goes_on_continues_its_episodes(algorithm, env):
    model = made(algorithm, env(algorithm, 3)).learn(2)
    model.learn(4, reset_num_timesteps=False)
    assert ends(model, 6) == ([2, 5], [2, 5])


@ALGORITHMS
def test_paths_are_as_long_as_the_episodes_of_the_environment_that_was_learned_in_last(algorithm, env):
    model = made(algorithm, env(algorithm, 2))
    model.set_env(env(algorithm, 6))
    model.learn(1)
    network = model.policy.q if algorithm is HIRL else model.q_network(2)
    assert model.max_steps == network.max_steps == 6


@given(stairs=st.integers(1, 200), steps=st.integers(1, 3000), data=st.data())
def test_every_stair_of_epsilon_falls_at_its_step(stairs, steps, data):
    stair = data.draw(st.integers(1, stairs))
    first = -(-stair * steps // stairs)  # the first step at which so many stairs are down
    assert epsilon_at(1.0, 0.0, first, steps, stairs) <= 1 - stair / stairs + 1e-9
    assert epsilon_at(1.0, 0.0, first - 1, steps, stairs) > 1 - stair / stairs + 1e-9
