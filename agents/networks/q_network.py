"""A trunk with a head, the building block of every Q-network."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from hirl_env.resnet import Norm, ResNet18

TOOL_WEIGHT = 8.0  # so that Adam changes the contribution of a tool as fast as that of all features together


class QNetwork(nn.Sequential):
    """A ResNet-18 trunk with a linear head: (N, C, H, W) to (N, ``outputs``).

    Args:
        outputs: Number of values.
        width: Width of the trunk.
        norm: Normalisation of the trunk.
        n_tools: Number of tools, if the network sees the one used last: that is the last channel then, and goes to the
            head in addition to the trunk's features. 0 if it does not.
        channels: Number of channels that the trunk sees.
    """

    def __init__(self, outputs: int, width: int, norm: Norm, n_tools: int = 0, channels: int = 3) -> None:
        head = nn.Linear(8 * width + (n_tools + 1 if n_tools else 0), outputs)
        # Values start near zero, so that no cell is preferred and no gain predicted before anything is learned.
        nn.init.normal_(head.weight, std=1e-3)
        nn.init.zeros_(head.bias)
        super().__init__(ResNet18(width, norm, channels), head)
        self.n_tools, self.channels = n_tools, channels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Values (N, ``outputs``)."""
        trunk, head = self
        features = trunk(images[:, : self.channels])
        if self.n_tools:
            last = F.one_hot(last_tools(images), self.n_tools + 1)
            features = torch.cat([features, TOOL_WEIGHT * last], dim=1)
        return cast(torch.Tensor, head(features))


def last_tools(images: torch.Tensor) -> torch.Tensor:
    """The numbers of the tools used last, int64 (N,), from the last channel of images (N, C, H, W)."""
    return (images[:, -1, 0, 0] * 255).round().long()
