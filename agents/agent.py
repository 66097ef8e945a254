"""Agents: they map an image under restoration to the value of every tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from hirl_agents.networks import CellValues, FlatQ, TurnAveraged, TwoLevelQ
from hirl_env.config import MAX_STEPS
from hirl_env.restoration import Restoration

RowValues = Callable[[npt.NDArray[np.int64]], torch.Tensor]  # from rows to the cell values of their current images


@runtime_checkable
class Agent(Protocol):
    """Chooses tools by values that may depend on previous steps as well as on the images."""

    @property
    def max_steps(self) -> int:
        """Longest path of its training."""
        ...

    def begin(self, restoration: Restoration) -> RowValues:
        """Begins the episodes of a restoration, which will be stepped.

        Args:
            restoration: Restoration of N images.

        Returns:
            A function to call before each step. It maps the rows that will take the step, int64 (n,), to their cell
            values, (n, types, degrees), with STOP as one more type if the agent has it.
        """
        ...


def with_stop(cells: torch.Tensor, stop: torch.Tensor) -> torch.Tensor:
    """Cell values with STOP as one more type, whose first degree has a value, and whose others are never chosen.

    Args:
        cells: Cell values, (N, types, degrees).
        stop: Values of STOP, (N,).
    """
    last = cells.new_full((len(cells), 1, cells.shape[2]), -torch.inf)
    last[:, 0, 0] = stop
    return torch.cat([cells, last], dim=1)


@dataclass(frozen=True)
class QAgent:
    """An agent whose values depend on the current image, and optionally on the first image and the last tool.

    Attributes:
        values: Function from images (N, C, H, W) to cell values (N, types, degrees); images have the following channels
            in addition to RGB, in this order.
        sees_start: Whether there are three channels for the image at the start of the episode.
        sees_tool: Whether there is one constant channel, the number of the tool used last divided by 255.
        max_steps: Longest path of its training.
        preview: An agent that values images less surely, in a fraction of the time; None if there is none.
        ranks: Whether values only rank the tools, as probabilities of actions do, and are no gains.
    """

    values: CellValues
    sees_start: bool = False
    sees_tool: bool = False
    max_steps: int = MAX_STEPS
    preview: QAgent | None = None
    ranks: bool = False

    def begin(self, restoration: Restoration) -> RowValues:
        """Begins episodes, or continues them, because a restoration knows its paths."""

        def look(rows: npt.NDArray[np.int64]) -> torch.Tensor:
            state = restoration.state[rows]  # no copy if these are all rows
            images = state.images
            seen = [images]
            if self.sees_start:
                seen.append(state.first_images)
            if self.sees_tool:
                tools = torch.as_tensor(restoration.last_tools[rows] / 255, dtype=images.dtype, device=images.device)
                seen.append(tools[:, None, None, None].expand_as(images[:, :1]))
            return self.values(torch.cat(seen, dim=1))

        return look


def q_agent(network: TwoLevelQ | FlatQ, view: Callable[[TurnAveraged], CellValues] = lambda network: network) -> QAgent:
    """The agent of a Q-network, whose values are averaged over all rotations and mirror images of each image.

    Its preview looks at each image as it is.

    Args:
        network: A network in evaluation mode.
        view: Function from the averaged network to cell values of images of any size.
    """
    inputs = (network.sees_start, network.sees_tool, network.max_steps)
    return QAgent(view(TurnAveraged(network)), *inputs, preview=QAgent(view(TurnAveraged(network, turns=1)), *inputs))


def as_agent(values: CellValues | Agent) -> Agent:
    """An agent unchanged; a function of images as an agent that sees only the current image."""
    return values if isinstance(values, Agent) else QAgent(values)


def begin_episodes(values: CellValues | Agent, restoration: Restoration) -> RowValues:
    """Begins an agent's episodes, and checks the values that it returns.

    Args:
        values: An agent, or cell values of images (N, 3, H, W).
        restoration: Restoration of N images, which will be stepped.

    Returns:
        A function of rows, as from `Agent.begin`. It raises ValueError if the values do not fit the toolset, or are not
        finite.
    """
    toolset = restoration.toolset
    look = as_agent(values).begin(restoration)

    def checked(rows: npt.NDArray[np.int64]) -> torch.Tensor:
        cells = look(rows).float()
        if cells.shape not in {(len(rows), toolset.n_types + more, toolset.n_degrees) for more in (0, 1)}:
            raise ValueError(
                f"the agent must return values (N, {toolset.n_types}, {toolset.n_degrees}), one for each tool of the "
                f"toolset; got {tuple(cells.shape)}: name the toolset that it was trained with"
            )
        if cells.isnan().any() or cells.isposinf().any():
            raise ValueError("the agent returned a value that is not finite")
        return cells

    return checked


def check_length(length: int) -> None:
    """Raises ValueError if a path of that length has no step."""
    if length < 1:
        raise ValueError(f"the length of a path must be at least 1, got {length}")
