"""The Q-network of a flat DQN: one head for all cells."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from hirl_agents.networks.cell_q import CellQ
from hirl_agents.networks.q_network import QNetwork
from hirl_env.config import CROP_SIZE, MAX_STEPS
from hirl_env.resnet import Norm


class FlatQ(CellQ):
    """One network for all cells at once, as in a flat DQN.

    Args:
        n_types: Number of types.
        n_degrees: Number of degrees of each type.
        width: Width of the ResNet-18 trunk.
        norm: Normalisation of the trunk.
        view: Side of the images of its training, as in `CellQ`.
        max_steps: Longest path of its training, as in `CellQ`.
        doubt: Standard deviations by which values are lowered, as in `CellQ`.
        tools: Names of the tools of its training, as in `CellQ`.
    """

    def __init__(
        self,
        n_types: int,
        n_degrees: int,
        width: int = 64,
        norm: Norm = "batch",
        view: int = CROP_SIZE,
        max_steps: int = MAX_STEPS,
        doubt: int = 0,
        tools: str = "",
    ) -> None:
        super().__init__(n_types, n_degrees, view, max_steps, doubt, tools=tools)
        self.architecture = {"width": width, "norm": norm, "view": view}
        self.q: nn.Sequential = QNetwork(n_types * n_degrees, width, norm)

    def expected_returns(self, seen: torch.Tensor) -> torch.Tensor:
        """The network's values of the cells, (N, types, degrees)."""
        return cast(torch.Tensor, self.q(seen).unflatten(1, (self.n_types, self.n_degrees)))
