"""The stop margin of an agent: how far above zero its best value must be for a step to be taken."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hirl_agents.agent import Agent
from hirl_agents.networks import CellValues
from hirl_agents.rollout import rollout
from hirl_env.restoration import Restoration

MARGINS = 51  # tried, on either side of zero
HARM = 0.1  # units of the reward: an image that loses more is harmed
FORBIDDEN = 1e3  # units of the reward that a share of 1 of images harmed beyond the bound is taken to cost


def stop_margins(
    starts: Iterable[Restoration],
    values: CellValues | Agent,
    max_steps: int,
    per_tool: bool,
    harm: float = 1.0,
    most: float = np.inf,
) -> tuple[npt.NDArray[np.float64], float]:
    """The stop margin that gains most on given images, and harms no more of them than it may.

    The largest of several uncertain values is more often too high than too low, and how uncertain they are hangs on
    what was done: after one tool little is left to say, after another a small and certain gain.

    Args:
        starts: Batches of images, with the measure that is to gain.
        values: Cell values, or an agent, that stop by no margin yet.
        max_steps: Longest path.
        per_tool: Whether each tool has a margin of its own, for steps after it.
        harm: Largest share of the images that may lose more than `HARM`, 0 to 1.
        most: Largest score that counts: what an image loses beyond is no loss.

    Returns:
        Margins in units of the reward, float64 (tools + 1,), by the number of the tool used last, 0 for none; or (1,).
        And the mean gain with them, in the same units, less what harm beyond the bound is taken to cost.
    """
    every_value, every_gain, every_tool = [], [], []
    for start in starts:
        steps = [start]
        result = rollout(start, values, max_steps, "steps", lambda now, steps=steps: steps.append(now.branch()))  # type: ignore[misc]
        every_value.append(result.values)
        every_gain.append(np.stack([_gains(step, start, most) for step in steps], axis=1))
        every_tool.append(np.stack([step.last_tools for step in steps[:-1]], axis=1))
    best, gains, tools = (np.concatenate(each) for each in (every_value, every_gain, every_tool))
    sizes = np.quantile(np.abs(best), np.linspace(0, 0.9, MARGINS))
    # Of margins that gain the same, the smallest.
    candidates = sorted({0.0, *sizes, *-sizes}, key=abs)

    def worth(margins: npt.NDArray[np.float64]) -> float:
        stops = best <= margins[tools]
        length = np.where(stops.any(axis=1), stops.argmax(axis=1), max_steps)
        gained = gains[np.arange(len(gains)), length]
        return float(gained.mean() - FORBIDDEN * max(0.0, (gained < -HARM).mean() - harm))

    every = np.arange(len(start.toolset.cells) + 1)
    margins = max((np.full(len(every), candidate) for candidate in candidates), key=worth)
    for tool in [*every, *every] if per_tool else ():
        tried = [np.where(every == tool, candidate, margins) for candidate in candidates]
        margins = max((margins, *tried), key=worth)
    return margins if per_tool else margins[:1], worth(margins)


def _gains(now: Restoration, start: Restoration, most: float) -> npt.NDArray[np.float64]:
    return start.worth(now.state, most) - start.worth(start.state, most)
