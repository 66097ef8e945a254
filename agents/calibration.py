"""When an agent is to stop: how far above zero its best value must be for a step to be taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hirl_agents.agent import Agent
from hirl_agents.networks import CellValues
from hirl_agents.rollout import rollout
from hirl_env.restoration import Restoration

MARGINS = 51  # tried, on either side of zero
HARM = 0.1  # units of the reward: an image that loses more is harmed
FORBIDDEN = 1e3  # units of the reward that a share of 1 of images harmed beyond the bound is taken to cost


@dataclass(frozen=True, eq=False)
class FullPaths:
    """What an agent that never stops makes of N images, and how it values its steps.

    Attributes:
        values: Value of the best tool before each step, float64 (N, steps).
        gains: What an image has gained after no step, one, two ..., in units of the reward, float64 (N, steps + 1).
        tools: Number of the tool used last before each step, 0 for none, int64 (N, steps).
        perfect: Whether an image had the largest score that counts from the start, bool (N,).
        n_tools: Number of tools.
    """

    values: npt.NDArray[np.float64]
    gains: npt.NDArray[np.float64]
    tools: npt.NDArray[np.int64]
    perfect: npt.NDArray[np.bool_]
    n_tools: int


def full_paths(
    starts: Iterable[Restoration], values: CellValues | Agent, max_steps: int, most: float = np.inf
) -> FullPaths:
    """Follows an agent to the end of its paths, whatever it thinks of the steps.

    Args:
        starts: Batches of images, with the measure that is to gain.
        values: Cell values, or an agent, that stop by no margin yet.
        max_steps: Length of the paths.
        most: Largest score that counts: what an image loses beyond is no loss.
    """
    every_value, every_gain, every_tool, every_perfect = [], [], [], []
    for start in starts:
        steps = [start]
        result = rollout(start, values, max_steps, "steps", lambda now, steps=steps: steps.append(now.branch()))  # type: ignore[misc]
        worth = np.stack([start.worth(step.state, most) for step in steps], axis=1)
        every_value.append(result.values)
        every_gain.append(worth - worth[:, :1])
        every_tool.append(np.stack([step.last_tools for step in steps[:-1]], axis=1))
        every_perfect.append(start.state.scores >= most)
    return FullPaths(
        np.concatenate(every_value),
        np.concatenate(every_gain),
        np.concatenate(every_tool),
        np.concatenate(every_perfect),
        len(start.toolset.cells),
    )


def stop_margins(paths: FullPaths, per_tool: bool, harm: float = 1.0) -> tuple[npt.NDArray[np.float64], float]:
    """The stop margin that gains most on given images, and harms no more of them than it may.

    The largest of several uncertain values is more often too high than too low, and how uncertain they are hangs on
    what was done: after one tool little is left to say, after another a small and certain gain.

    Args:
        paths: What the agent makes of the images where nothing stops it.
        per_tool: Whether each tool has a margin of its own, for steps after it.
        harm: Largest share of the images that may be harmed, 0 to 1: may lose more than `HARM`, or be perfect and take
            a step.

    Returns:
        Margins in units of the reward, float64 (tools + 1,), by the number of the tool used last, 0 for none; or (1,).
        And the mean gain with them, in the same units, less what harm beyond the bound is taken to cost.
    """
    sizes = np.quantile(np.abs(paths.values), np.linspace(0, 0.9, MARGINS))
    # Of margins that gain the same, the smallest.
    candidates = sorted({0.0, *sizes, *-sizes}, key=abs)
    steps = paths.values.shape[1]

    def worth(margins: npt.NDArray[np.float64]) -> float:
        stops = paths.values <= margins[paths.tools]
        length = np.where(stops.any(axis=1), stops.argmax(axis=1), steps)
        gained = paths.gains[np.arange(len(length)), length]
        harmed = (gained < -HARM) | (paths.perfect & (length > 0))
        return float(gained.mean() - FORBIDDEN * max(0.0, harmed.mean() - harm))

    every = np.arange(paths.n_tools + 1)
    margins = max((np.full(len(every), candidate) for candidate in candidates), key=worth)
    for tool in [*every, *every] if per_tool else ():
        tried = [np.where(every == tool, candidate, margins) for candidate in candidates]
        margins = max((margins, *tried), key=worth)
    return margins if per_tool else margins[:1], worth(margins)
