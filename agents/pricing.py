"""Agents that are charged for the cost of the tools."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hirl_agents.agent import Agent, RowValues
from hirl_env.config import CROP_SIZE
from hirl_env.restoration import Restoration


@dataclass(frozen=True, eq=False)
class Priced:
    """An agent whose values of tools are lowered by the price of their cost.

    The cost is that of a crop of 64x64 pixels, on which agents are trained, whatever the size of the image. So a tool
    that is worth its price on a crop is worth it on the photograph, and the price is that of the reward
    ``psnr - PRICE*cost``.

    Attributes:
        agent: Agent whose values are gains.
        price: Price of a GFLOP, in units of the values.
    """

    agent: Agent
    price: float

    @property
    def max_steps(self) -> int:
        """Longest path of the agent's training."""
        return self.agent.max_steps

    def begin(self, restoration: Restoration) -> RowValues:
        """Begins episodes, as `hirl_agents.agent.Agent.begin` does."""
        look = self.agent.begin(restoration)
        prices = torch.as_tensor(self.price * restoration.toolset.costs * (CROP_SIZE**2 / 1e6), dtype=torch.float32)

        def priced(rows: npt.NDArray[np.int64]) -> torch.Tensor:
            cells = look(rows).clone()
            cells[:, : len(prices)] -= prices.to(cells.device)  # STOP, if an agent has it, comes after the tools
            return cells

        return priced


def priced(agent: Agent, price: float) -> Agent:
    """An agent under a price of a GFLOP; the agent itself if the price is 0."""
    return Priced(agent, price) if price else agent
