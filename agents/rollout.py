"""Follows an agent's values, step by step, until its stopping rule ends the rollout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from hirl_agents.agent import Agent, as_agent, begin_episodes, check_length
from hirl_agents.networks import CellValues
from hirl_agents.search import SearchResult
from hirl_env.restoration import Restoration, Rules, Stop

Stopping = Literal["value", "reference", "quality", "steps"]
# By value: a picture that would look the same comes out as it is. Rewards of PSNR that is capped where differences
# are no longer visible say nothing about such steps.
STOPS: dict[Stopping, Stop | None] = {"value": "no_change", "reference": "no_gain", "quality": "no_gain", "steps": None}


@dataclass(frozen=True)
class Rollout(SearchResult):
    """The result of an agent's rollout on a batch.

    Attributes:
        values: Value of the best tool before each step that was considered, for each image; if ``why`` is ``value``,
            the last belongs to the step that was not taken, or was taken back.
        why: Reason why the rollout of each image ended: ``value``, ``reference``, ``quality``, ``stop`` (the agent's
            own action) or ``steps``.
    """

    values: list[list[float]]
    why: list[str]


@torch.no_grad()
def rollout(
    start: Restoration,
    values: CellValues | Agent,
    max_steps: int | None = None,
    stop: Stopping = "value",
    on_step: Callable[[Restoration], None] | None = None,
) -> Rollout:
    """Takes the tool with the largest value, step after step.

    Args:
        start: Restoration of N images, which is not changed.
        values: Function from images (N, 3, H, W) to cell values (N, types, degrees), with STOP as one more type if
            there is one. Or an agent, whose episodes begin here.
        max_steps: Longest path; None for that of the agent's training, or 7 for a function.
        stop: The stopping rule: ``value`` stops when no tool is worth more than zero or, for an agent that has STOP,
            when it chooses STOP, or at a first step that changes nothing visible, which it takes back (needs no
            reference);
            ``reference`` or ``quality`` stops when a step does not raise the measure of ``start``, and takes that step
            back (the paper's "until there is no reward", and, with a blind measure, its inference); ``steps`` never
            stops before ``max_steps``, except by STOP.
        on_step: Function called after each step.

    Raises:
        ValueError: If the values do not fit the toolset, or are not finite.
    """
    agent = as_agent(values)
    max_steps = agent.max_steps if max_steps is None else max_steps
    check_length(max_steps)
    # STOP is always allowed: an agent without it never chooses it.
    rules = Rules(stop=STOPS[stop], stop_action=True)
    current = start.with_rules(rules)
    look = begin_episodes(agent, current)
    count = len(start.state)
    considered: list[list[float]] = [[] for _ in range(count)]
    why = ["steps"] * count
    trials = np.zeros(count, dtype=np.int64)
    rows = np.arange(count)
    for _ in range(max_steps):
        cells = look(rows)
        best, index = (part.cpu().numpy() for part in cells.flatten(1).max(dim=1))
        for row, value in zip(rows, best, strict=True):
            considered[row].append(float(value))
        by_value = stop == "value" and cells.shape[1] == start.toolset.n_types
        worth = best > 0 if by_value else np.ones(len(rows), dtype=np.bool_)
        for row in rows[~worth]:
            why[row] = "value"
        rows, actions = rows[worth], np.stack(np.divmod(index[worth], cells.shape[2]), axis=1)
        if not len(rows):
            break
        outcome = current.step(actions, rows)
        chose_stop = actions[:, 0] == start.toolset.n_types
        trials[rows[~chose_stop]] += 1
        for row, own in zip(rows[outcome.terminated], chose_stop[outcome.terminated], strict=True):
            why[row] = "stop" if own else stop
        if on_step is not None:
            on_step(current)
        rows = rows[~outcome.terminated]
        if not len(rows):
            break
    return Rollout(current.state, trials, considered, why)
