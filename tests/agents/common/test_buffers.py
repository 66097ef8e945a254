"""Replay buffers that are joined."""

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from hirl_agents.common.buffers import append_rows, buffer_state

IMAGES, ACTIONS = spaces.Box(0, 255, (4, 4, 3), np.uint8), spaces.MultiDiscrete([3, 3])


def filled(steps: int, size: int, first: int = 0) -> ReplayBuffer:
    """A buffer of so many steps, whose rewards count them."""
    memory = ReplayBuffer(size, IMAGES, ACTIONS)
    image = np.zeros((1, 4, 4, 3), np.uint8)
    for step in range(first, first + steps):
        memory.add(image, image, np.zeros((1, 2), np.int64), np.array([float(step)]), np.array([False]), [{}])
    return memory


def test_rows_are_joined_oldest_first():
    memory = filled(3, 20)
    append_rows(memory, buffer_state(filled(7, 5, first=3)))  # its first two rows were overwritten
    append_rows(memory, buffer_state(filled(2, 9, first=10)))
    assert memory.rewards[: memory.pos, 0].tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]
    assert not memory.full


def test_no_return_runs_from_one_buffer_into_the_next():
    memory = filled(3, 20)
    append_rows(memory, buffer_state(filled(2, 5)))
    assert memory.dones[memory.pos - 1] == memory.timeouts[memory.pos - 1] == 1


def test_a_buffer_that_is_just_full():
    memory = filled(3, 5)
    append_rows(memory, buffer_state(filled(2, 9)))
    assert memory.full
    assert memory.pos == 0


@pytest.mark.parametrize("before", [3, 5, 7])
def test_rows_without_room(before):
    memory = filled(before, 5)
    with pytest.raises(ValueError, match="give a larger buffer_size"):
        append_rows(memory, buffer_state(filled(3, 5)))


def test_rows_of_something_else():
    state = buffer_state(filled(2, 5))
    state["arrays"]["rewards"] = state["arrays"]["rewards"].astype(np.float64)
    with pytest.raises(ValueError, match="rewards is float64"):
        append_rows(filled(1, 5), state)
