"""Agents that are charged for the cost of the tools."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hirl_agents.agent import Agent, QAgent, RowValues
from hirl_env.restoration import Restoration


@dataclass(frozen=True, eq=False)
class Priced:
    """An agent whose values of tools are lowered by the price of their cost, as the reward ``psnr - PRICE*cost`` is.

    Attributes:
        agent: Agent whose values are gains.
        price: Price of a GFLOP, in units of the values.
        crop: Side in pixels of a crop that the cost is counted on, whatever the size of the image, so that a tool that
            is worth its price on the crop is worth it on a photograph; None for the cost on the image itself.
        preview: Whether the agent's preview, if it has one, tells where no tool is worth its price, so that the agent
            itself looks only at the other images, because looking has its cost, too. For rollouts that stop there.
    """

    agent: Agent
    price: float
    crop: int | None = None
    preview: bool = False

    @property
    def max_steps(self) -> int:
        """Longest path of the agent's training."""
        return self.agent.max_steps

    def begin(self, restoration: Restoration) -> RowValues:
        """Begins episodes, as `hirl_agents.agent.Agent.begin` does."""
        look = self.agent.begin(restoration)
        preview = self.agent.preview if self.preview and isinstance(self.agent, QAgent) else None
        first_look = look if preview is None else preview.begin(restoration)
        costs = restoration.tool_costs if self.crop is None else restoration.toolset.costs * (self.crop**2 / 1e6)
        prices = torch.as_tensor(self.price * costs, dtype=torch.float32)

        def charged(values: RowValues, rows: npt.NDArray[np.int64]) -> torch.Tensor:
            cells = values(rows).clone()
            cells[:, : len(prices)] -= prices.to(cells.device)  # STOP, if an agent has it, comes after the tools
            return cells

        def priced(rows: npt.NDArray[np.int64]) -> torch.Tensor:
            cells = charged(first_look, rows)
            if preview is not None:
                worth = cells.flatten(1).amax(dim=1) > 0
                if worth.any():
                    cells[worth] = charged(look, rows[worth.cpu().numpy()])
            return cells

        return priced


def priced(agent: Agent, price: float, crop: int | None = None, preview: bool = False) -> Agent:
    """An agent under a price of a GFLOP, with arguments as of `Priced`; the agent itself if the price is 0.

    Raises:
        ValueError: If there is a price, and the agent's values are no gains.
    """
    if not price:
        return agent
    if isinstance(agent, QAgent) and agent.ranks:
        raise ValueError(
            f"a price of {price:g} is subtracted from predicted gains, and this policy has only probabilities of "
            "actions; leave the price out, or train it with the reward 'psnr - PRICE*cost'"
        )
    return Priced(agent, price, crop, preview)
