"""The residual block of SRN and of the U-Net."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), no norm.

    Args:
        width: Channels.
        size: Side of both kernels, odd.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, size, padding=size // 2)
        self.second = nn.Conv2d(width, width, size, padding=size // 2)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        # A block starts close to the identity, so that the signal passes through all of them.
        nn.init.normal_(self.second.weight, std=1e-3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The same shape, (N, ``width``, H, W)."""
        residual: torch.Tensor = self.second(F.relu(self.first(features)))
        return features + residual
