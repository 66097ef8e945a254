"""When an agent is to stop: how far above zero its best value must be for a step to be taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hirl_agents.agent import Agent, begin_episodes
from hirl_agents.networks import CellValues
from hirl_agents.rollout import rollout
from hirl_env.quality import look_alike
from hirl_env.restoration import Restoration

DOUBTS = range(5)  # standard deviations, tried
MARGINS = 51  # tried, on either side of zero
HARM = 0.1  # units of the reward: an image that loses more is harmed
# The price of an image that is harmed beyond the bound, in units of the reward.
FORBIDDEN = 1e3  # where margins are fitted
TOO_MANY = 10.0  # on other images, where no bound can be kept exactly


@dataclass(frozen=True, eq=False)
class FullPaths:
    """What an agent that never stops makes of N images, and how it values its steps.

    Attributes:
        values: Value of the best tool before each step, without doubt, float64 (N, steps).
        doubts: By how much a doubt of 1 lowers that value, float64 (N, steps).
        gains: What an image has gained after no step, one, two ..., in units of the reward, float64 (N, steps + 1).
        tools: Number of the tool used last before each step, 0 for none, int64 (N, steps).
        unseen: Whether the first step changed nothing visible, so that a rollout takes it back and ends, bool (N,).
        perfect: Whether an image had the largest score that counts from the start, bool (N,).
        n_tools: Number of tools.
    """

    values: npt.NDArray[np.float64]
    doubts: npt.NDArray[np.float64]
    gains: npt.NDArray[np.float64]
    tools: npt.NDArray[np.int64]
    unseen: npt.NDArray[np.bool_]
    perfect: npt.NDArray[np.bool_]
    n_tools: int

    def __add__(self, other: FullPaths) -> FullPaths:
        """The paths of both."""
        each = (field.name for field in fields(self) if field.name != "n_tools")
        joined: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in each}
        return replace(self, **joined)

    def doubted(self, doubt: float) -> FullPaths:
        """The same paths, with the values of an agent of that doubt, which changes none of its choices."""
        return replace(self, values=self.values - doubt * self.doubts)

    def objective(self, margins: npt.NDArray[np.float64], harm: float = 1.0, price: float = FORBIDDEN) -> float:
        """The mean gain where margins end the paths, in units of the reward, less what too much harm is taken to cost.

        Args:
            margins: Stop margins, float64 (tools + 1,), by the number of the tool used last; or (1,), of all.
            harm: Largest share of the images that may be harmed, 0 to 1: may lose more than `HARM`, or be perfect and
                take a step.
            price: Price of an image that is harmed beyond that, in units of the reward.
        """
        gained, harmed = self._ended(margins)
        return float(gained.mean() - price * max(0.0, harmed.mean() - harm))

    def harm(self, margins: npt.NDArray[np.float64]) -> float:
        """The share of the images that are harmed where margins end the paths; margins as of `objective`."""
        return float(self._ended(margins)[1].mean())

    def _ended(self, margins: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """What each image gains where margins end its path, and whether it is harmed, (N,)."""
        stops = self.values <= np.broadcast_to(margins, self.n_tools + 1)[self.tools]
        length = np.where(stops.any(axis=1), stops.argmax(axis=1), self.values.shape[1])
        length = np.where(self.unseen, 0, length)
        gained = self.gains[np.arange(len(length)), length]
        return gained, (gained < -HARM) | (self.perfect & (length > 0))


def full_paths(
    starts: Iterable[Restoration],
    values: CellValues | Agent,
    max_steps: int,
    most: float = np.inf,
    doubting: CellValues | Agent | None = None,
) -> FullPaths:
    """Follows an agent to the end of its paths, whatever it thinks of the steps.

    Args:
        starts: Batches of images, with the measure that is to gain.
        values: Cell values, or an agent, that stop by no margin yet.
        max_steps: Length of the paths.
        most: Largest score that counts: what an image loses beyond is no loss.
        doubting: The same with a doubt of 1; None if doubt is not asked for, which then lowers no value.
    """
    parts = []
    for start in starts:
        steps = [start]
        result = rollout(start, values, max_steps, "steps", lambda now, steps=steps: steps.append(now.branch()))  # type: ignore[misc]
        worth = np.stack([start.worth(step.state, most) for step in steps], axis=1)
        reached, ahead = np.array(result.values), steps[:-1]
        parts.append(
            FullPaths(
                values=reached,
                doubts=np.zeros_like(reached) if doubting is None else reached - _best_values(doubting, ahead),
                gains=worth - worth[:, :1],
                tools=np.stack([step.last_tools for step in ahead], axis=1),
                unseen=look_alike(start.state.images, steps[1].state.images).cpu().numpy(),
                perfect=start.state.scores >= most,
                n_tools=len(start.toolset.cells),
            )
        )
    return reduce(add, parts)


@torch.no_grad()
def _best_values(values: CellValues | Agent, steps: Sequence[Restoration]) -> npt.NDArray[np.float64]:
    """Value of the best tool at each of several stages of a batch, (N, stages)."""
    best = [begin_episodes(values, step)(np.arange(len(step.state))).flatten(1).amax(dim=1) for step in steps]
    return torch.stack(best, dim=1).double().cpu().numpy()


def stop_margins(paths: FullPaths, per_tool: bool, harm: float = 1.0) -> npt.NDArray[np.float64]:
    """The stop margins that are worth most on given images.

    The largest of several uncertain values is more often too high than too low, and how uncertain they are hangs on
    what was done: after one tool little is left to say, after another a small and certain gain.

    Args:
        paths: What the agent makes of the images where nothing stops it.
        per_tool: Whether each tool has a margin of its own, for steps after it.
        harm: Largest share of the images that may be harmed, as of `FullPaths.objective`.

    Returns:
        Margins in units of the reward, float64 (tools + 1,), by the number of the tool used last, 0 for none; or (1,).
    """
    sizes = np.quantile(np.abs(paths.values), np.linspace(0, 0.9, MARGINS))
    # No step is above the largest value, and doing nothing harms none. Of margins that gain the same, the smallest.
    candidates = sorted({0.0, *sizes, *-sizes, paths.values.max()}, key=abs)

    def worth(margins: npt.NDArray[np.float64]) -> float:
        return paths.objective(margins, harm)

    margins = max((np.array([candidate]) for candidate in candidates), key=worth)
    if not per_tool:
        return margins
    every = np.arange(paths.n_tools + 1)
    margins = np.full(every.shape, margins[0])
    for tool in [*every, *every]:
        tried = [np.where(every == tool, candidate, margins) for candidate in candidates]
        margins = max((margins, *tried), key=worth)
    return margins


def doubt_and_margins(
    parts: Sequence[FullPaths], per_tool: bool, harm: float = 1.0
) -> tuple[int, npt.NDArray[np.float64]]:
    """The doubt of an agent that is worth most, and the stop margins with it.

    Margins that keep the bound on harm where they are fitted may exceed it on other images. By how much depends on the
    doubt, so it is chosen by cross-validation.

    Args:
        parts: Paths on at least two sets of images.
        per_tool: Whether each tool has a margin of its own, as of `stop_margins`.
        harm: Largest share of the images that may be harmed, as of `FullPaths.objective`.

    Returns:
        The doubt, as of `CellQ`, and margins, as of `stop_margins`, fitted on all images.
    """

    def worth_on_others(doubt: int) -> float:
        every = [part.doubted(doubt) for part in parts]
        others = (reduce(add, every[:index] + every[index + 1 :]) for index in range(len(every)))
        return sum(
            judge.objective(stop_margins(fit, per_tool, harm), harm, TOO_MANY)
            for judge, fit in zip(every, others, strict=True)
        )

    doubt = max(DOUBTS, key=worth_on_others)
    return doubt, stop_margins(reduce(add, parts).doubted(doubt), per_tool, harm)
