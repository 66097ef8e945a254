"""Saving and loading of replay buffers, of this package and of Stable-Baselines3: only their filled rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer


class OwnReplayBuffer(ReplayBuffer):
    """A replay buffer of this package, which knows its arrays.

    Attributes:
        arrays: Names of the arrays that have a row for each transition, or for each episode.
    """

    arrays: ClassVar[tuple[str, ...]]

    def cut_off_episodes(self) -> None:
        """Ends the episodes in progress; none are remembered, unless a subclass does."""


def buffer_state(memory: ReplayBuffer) -> dict[str, Any]:
    """The filled rows of a replay buffer; the rest may be gigabytes of zeros."""
    rows = _filled(memory)
    arrays = {name: getattr(memory, name)[rows] for name in _arrays(memory)}
    return {"size": memory.buffer_size, "pos": memory.pos, "full": memory.full, "arrays": arrays}


def fill_buffer(memory: ReplayBuffer, state: dict[str, Any]) -> None:
    """Fills a replay buffer with the state of another one.

    Raises:
        ValueError: If the other one had another size, or held something else.
    """
    names = _arrays(memory)
    if state["size"] != memory.buffer_size or state["arrays"].keys() != set(names):
        raise ValueError(f"it has {', '.join(state['arrays'])}, of {state['size']} rows")
    pos, full = int(state["pos"]), bool(state["full"])
    if not 0 <= pos < memory.buffer_size:
        raise ValueError(f"row {pos} of {memory.buffer_size} comes next")
    memory.pos, memory.full = pos, full
    for name in names:
        array, stored = getattr(memory, name), state["arrays"][name]
        if stored.dtype != array.dtype or stored.shape != array[_filled(memory)].shape:
            raise ValueError(f"{name} is {stored.dtype} {stored.shape}")
        array[_filled(memory)] = stored


def append_rows(memory: ReplayBuffer, state: dict[str, Any]) -> None:
    """Adds the rows of another replay buffer, of any size, to those of a buffer, oldest first.

    The episodes that the other one had in progress end there.

    Raises:
        ValueError: If they do not fit beside those that the buffer has, or hold something else.
    """
    names = _arrays(memory)
    if state["arrays"].keys() != set(names):
        raise ValueError(f"it has {', '.join(state['arrays'])}")
    pos, full = int(state["pos"]), bool(state["full"])
    rows = np.roll(np.arange(state["size"]), -pos) if full else np.arange(pos)
    first, end = memory.pos, memory.pos + len(rows)
    if memory.full or end > memory.buffer_size:
        raise ValueError(
            f"{len(rows) * memory.n_envs} transitions do not fit beside {memory.size() * memory.n_envs} of "
            f"{memory.buffer_size * memory.n_envs}: give a larger buffer_size"
        )
    for name in names:
        array, stored = getattr(memory, name), state["arrays"][name][rows]
        if stored.dtype != array.dtype or stored.shape[1:] != array.shape[1:]:
            raise ValueError(f"{name} is {stored.dtype} {stored.shape}")
        array[first:end] = stored
    memory.pos, memory.full = end % memory.buffer_size, end == memory.buffer_size
    cut_off_episodes(memory)


def cut_off_episodes(memory: ReplayBuffer) -> None:
    """Ends the episodes in progress, because their environments begin others, so that none runs into the next.

    Replay buffers of Stable-Baselines3 without timeouts handle this themselves.
    """
    if isinstance(memory, OwnReplayBuffer):
        memory.cut_off_episodes()
    elif memory.handle_timeout_termination:
        last = (memory.pos - 1) % memory.buffer_size
        memory.timeouts[last] = np.where(memory.dones[last] == 0, 1, memory.timeouts[last])
        memory.dones[last] = 1


def _arrays(memory: ReplayBuffer) -> tuple[str, ...]:
    if isinstance(memory, OwnReplayBuffer):
        return memory.arrays
    return tuple(name for name, value in vars(memory).items() if isinstance(value, np.ndarray))


def _filled(memory: ReplayBuffer) -> slice:
    """The filled rows: a slice, which does not copy what may be gigabytes."""
    if isinstance(memory, OwnReplayBuffer):
        return slice(memory.size())
    return slice(min(memory.size() + 1, memory.buffer_size))  # the next row may already hold an observation
