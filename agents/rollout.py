"""Follows an agent's values, step by step, until it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from hirl_agents.networks import CellValues, QAgent
from hirl_env.restoration import Restoration

Stopping = Literal["value", "reference", "quality", "steps"]


@runtime_checkable
class Agent(Protocol):
    """What chooses tools by values that may depend on the steps before, and not on the images alone."""

    @property
    def max_steps(self) -> int:
        """Longest path of its training."""
        ...

    def begin(self, restoration: Restoration) -> Callable[[npt.NDArray[np.int64]], torch.Tensor]:
        """Begins episodes; what it returns maps the rows that are to take a step to their cell values."""
        ...


@dataclass(frozen=True)
class Found:
    """The best that a search found with paths of at most a given length.

    Attributes:
        restoration: Its ``images``, ``paths`` and ``gains`` are what was found, for the whole batch.
        trials: Applications of a tool that it took, per image, int64 (N,).
    """

    restoration: Restoration
    trials: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Followed(Found):
    """What an agent made of a batch.

    Attributes:
        values: Per image, the value of the best cell before each step that was looked at; the last belongs to the step
            that was not taken where ``why`` is ``value``.
        why: Per image, why it stopped: ``value``, ``reference``, ``quality``, ``stop`` (the agent said so) or
            ``steps``.
    """

    values: list[list[float]]
    why: list[str]


def looking(values: CellValues | Agent, restoration: Restoration) -> Callable[[npt.NDArray[np.int64]], torch.Tensor]:
    """What an agent says of images that are being restored.

    Args:
        values: As of `follow`.
        restoration: N images, which will be stepped.

    Returns:
        A function of rows: their cell values, (n, types, degrees) or with one type more, as the images are by then. It
        raises ValueError where the values do not fit the toolset, or are not finite.
    """
    toolset = restoration.toolset
    look = as_followed(values).begin(restoration)

    def checked(rows: npt.NDArray[np.int64]) -> torch.Tensor:
        cells = look(rows).float()
        if cells.shape not in {(len(rows), toolset.n_types + more, toolset.n_degrees) for more in (0, 1)}:
            raise ValueError(
                f"the agent must return values (N, {toolset.n_types}, {toolset.n_degrees}), one for each tool of the "
                f"toolset; got {tuple(cells.shape)}"
            )
        if cells.isnan().any() or cells.isposinf().any():
            raise ValueError("the agent returned a value that is not finite")
        return cells

    return checked


@torch.no_grad()
def follow(
    start: Restoration,
    values: CellValues | Agent,
    max_steps: int | None = None,
    stop: Stopping = "value",
    on_step: Callable[[Restoration], None] | None = None,
) -> Followed:
    """Takes the cell of the largest value, step after step.

    Args:
        start: N images.
        values: Of the cells, (N, types, degrees) for images (N, 3, H, W); with STOP as one more type where
            the agent has one. Or an agent, whose episodes begin here.
        max_steps: Longest path; None for that of the agent's training, 7 for a function.
        stop: Where to stop before that: ``value``: when no cell is worth more than zero (needs no reference);
            ``reference`` or ``quality``: when a step does not raise the measure of ``start``, and is then taken back
            (the paper's "until there is no reward", and, with a blind measure, its inference); ``steps``: never.
        on_step: Called after each step.

    Raises:
        ValueError: If the values do not fit the toolset, or are not finite.
    """
    agent = as_followed(values)
    max_steps = agent.max_steps if max_steps is None else max_steps
    check_length(max_steps)
    current = start.unbounded()
    current.stop = "no_gain" if stop in ("reference", "quality") else None
    count = len(start.images)
    seen: list[list[float]] = [[] for _ in range(count)]
    why = ["steps"] * count
    trials = np.zeros(count, dtype=np.int64)
    rows = np.arange(count)
    look = looking(agent, current)
    for _ in range(max_steps):
        cells = look(rows)
        current.stop_action = cells.shape[1] == start.toolset.n_types + 1
        best, index = (part.cpu().numpy() for part in cells.flatten(1).max(dim=1))
        for row, value in zip(rows, best, strict=True):
            seen[row].append(float(value))
        worth = best > 0 if stop == "value" else np.ones(len(rows), dtype=np.bool_)
        for row in rows[~worth]:
            why[row] = "value"
        rows, actions = rows[worth], np.stack(np.divmod(index[worth], cells.shape[2]), axis=1)
        if not len(rows):
            break
        outcome = current.step(actions, rows)
        said = actions[:, 0] == start.toolset.n_types
        trials[rows[~said]] += 1
        for row, itself in zip(rows[outcome.terminated], said[outcome.terminated], strict=True):
            why[row] = "stop" if itself else stop
        if on_step is not None:
            on_step(current)
        rows = rows[~outcome.terminated]
        if not len(rows):
            break
    return Followed(current, trials, seen, why)


def as_followed(values: CellValues | Agent) -> Agent:
    """An agent as it is; a function of images as an agent that sees no more than these."""
    return values if isinstance(values, Agent) else QAgent(values)


def check_length(length: int) -> None:
    """Raises ValueError where a path of that length has no step."""
    if length < 1:
        raise ValueError(f"the length of a path must be at least 1, got {length}")
