"""RL-Restore's network and its own tools, for inference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hirl_agents.agent import RowValues, with_stop
from hirl_agents.rl_restore.network import LSTMState, RecurrentQ
from hirl_env.restoration import Restoration
from hirl_env.tools.rl_restore import LargeTool, SmallTool, rl_restore_toolset
from hirl_env.tools.toolset import Toolset

MAX_STEPS = 3


class RLRestoreAgent(nn.Module):
    """Chooses tools by values that depend on previous steps; `hirl_agents.rollout.rollout` takes it like any agent.

    It stops by its own action, STOP, as in the authors' tests. Their rule that an episode ends when PSNR falls below
    its start is for training only, because it needs the reference.

    Args:
        q: The network.
        tools: The twelve networks it was trained with; None if it was trained with another toolset.
        max_steps: Longest path it was trained for.
    """

    def __init__(self, q: RecurrentQ, tools: nn.ModuleList | None = None, max_steps: int = MAX_STEPS) -> None:
        super().__init__()
        self.q, self.tools, self.max_steps = q, tools, max_steps

    @classmethod
    def trained_with(cls, q: RecurrentQ, toolset: Toolset, max_steps: int = MAX_STEPS) -> RLRestoreAgent:
        """The agent of a network; it keeps the tools if they are RL-Restore's."""
        networks = [toolset[cell].restore for cell in toolset.cells]
        kept = [network for network in networks if isinstance(network, SmallTool | LargeTool)]
        return cls(q, nn.ModuleList(kept) if len(kept) == len(networks) else None, max_steps)

    def toolset(self, otherwise: Toolset) -> Toolset:
        """Its own tools as a toolset, on the device of ``otherwise``; or ``otherwise`` if it has none.

        Raises:
            ValueError: If the network has another number of tools.
        """
        if self.tools is None:
            toolset = otherwise
        else:
            toolset = rl_restore_toolset(self.tools, self.q.q.weight.device).to(otherwise.device)
        self._check(toolset)
        return toolset

    def _check(self, toolset: Toolset) -> None:
        if len(toolset.cells) != self.q.n_tools:
            raise ValueError(
                f"the agent chooses among {self.q.n_tools} tools, and the toolset has {len(toolset.cells)}; "
                "choose the toolset that the agent was trained with, and train it with stop_action=True"
            )

    def begin(self, restoration: Restoration) -> RowValues:
        """Begins episodes.

        Args:
            restoration: Restoration of N images before their first step, which will be stepped.

        Returns:
            A function to call before each step. It maps the rows that will take the step to their cell values
            (n, types + 1, degrees); the last type has a single value, STOP's.

        Raises:
            ValueError: If the network has another number of tools, or steps were already taken, which it has not seen.
        """
        self._check(restoration.toolset)
        if restoration.state.lengths.any():
            raise ValueError(
                "an agent that remembers its steps, as RL-Restore's, cannot go on from steps that it has not seen, as "
                "searches and hirl web ask it to; use hirl restore, or a rollout"
            )
        n_degrees = restoration.toolset.n_degrees
        count = len(restoration.state)
        state: LSTMState | None = None
        # A network in training may be on another device than the tools.
        device = self.q.q.weight.device

        @torch.no_grad()
        def look(rows: npt.NDArray[np.int64]) -> torch.Tensor:
            nonlocal state
            last = torch.as_tensor(restoration.last_tools[rows] - 1)
            indices = torch.as_tensor(rows, device=device)
            # Rows that have ended are left out, so their LSTM state does not change.
            before = None if state is None else (state[0][indices], state[1][indices])
            values, after = self.q(restoration.state.images[rows].to(device), last.to(device), before)
            if state is None:
                h, c = (part.new_zeros(count, *part.shape[1:]) for part in after)
                state = h, c
            for whole, part in zip(state, after, strict=True):
                whole[indices] = part
            cells = with_stop(values[:, :-1].unflatten(1, (-1, n_degrees)), values[:, -1])
            return cells.to(restoration.state.images.device)

        return look
