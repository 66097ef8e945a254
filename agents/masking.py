"""Agents that are allowed some of the tools only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hirl_agents.agent import Agent, RowValues
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Toolset


def allowed_tools(toolset: Toolset, only: Collection[str] = (), without: Collection[str] = ()) -> torch.Tensor:
    """Which tools an agent may use.

    Args:
        toolset: Tools that it chooses among.
        only: Names of the tools and types that it may use. Default: all.
        without: Names of tools and types that it may not use.

    Returns:
        bool (types, degrees).

    Raises:
        ValueError: If a name is unknown, or is not in a collection, or no tool is left.
    """
    for option, names in {"only": only, "without": without}.items():
        if isinstance(names, str):
            raise ValueError(f"{option} must be several names, got {names!r}; write ({names!r},)")
    allowed = _named(toolset, only) if only else torch.ones(toolset.n_types, toolset.n_degrees, dtype=torch.bool)
    allowed &= ~_named(toolset, without)
    if not allowed.any():
        raise ValueError("no tool is left to use: name more by --only, or fewer by --without")
    return allowed


def _named(toolset: Toolset, names: Collection[str]) -> torch.Tensor:
    cells = torch.zeros(toolset.n_types, toolset.n_degrees, dtype=torch.bool)
    known = list(toolset.types)
    for cell in toolset.cells:
        known += [toolset[cell].name, toolset.name_of(cell)]
    for name in names:
        wanted = [
            cell
            for cell in toolset.cells
            if name in (toolset.types[cell[0]], toolset[cell].name, toolset.name_of(cell))
        ]
        if not wanted:
            raise ValueError(f"unknown tool or type {name!r}; known are: {', '.join(dict.fromkeys(known))}")
        for cell in wanted:
            cells[cell] = True
    return cells


@dataclass(frozen=True, eq=False)
class Masked:
    """An agent whose values of the tools that it may not use are minus infinity.

    Attributes:
        agent: Agent of any kind.
        allowed: Tools that it may use, as of `allowed_tools`.
    """

    agent: Agent
    allowed: torch.Tensor

    @property
    def max_steps(self) -> int:
        """Longest path of the agent's training."""
        return self.agent.max_steps

    def begin(self, restoration: Restoration) -> RowValues:
        """Begins episodes, as of `hirl_agents.agent.Agent`."""
        look = self.agent.begin(restoration)

        def masked(rows: npt.NDArray[np.int64]) -> torch.Tensor:
            cells = look(rows).clone()
            tools = cells[:, : len(self.allowed)]  # STOP, where an agent has it, comes after them
            tools[:, ~self.allowed.to(cells.device)] = -torch.inf
            return cells

        return masked
