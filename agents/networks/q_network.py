"""A trunk with a head, the building block of every Q-network."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from hirl_env.resnet import Norm, ResNet18

TOOL_WEIGHT = 8.0  # so that Adam changes the contribution of a tool as fast as that of all features together
HIDDEN = 64  # width of the second head
MOST_RAISED = 0.3  # in units of values: what the second head adds at most


class QNetwork(nn.Sequential):
    """A ResNet-18 trunk with a linear head: (N, C, H, W) to (N, ``outputs``).

    Args:
        outputs: Number of values.
        width: Width of the trunk.
        norm: Normalisation of the trunk.
        n_tools: Number of tools, if the network sees the one used last: that is the last channel then, and goes to the
            head in addition to the trunk's features. 0 if it does not.
        channels: Number of channels that the trunk sees.
        n_traces: Number of traces that were measured, in as many further channels, each of them constant. A second
            head, of three layers, sees them beside the trunk's features and adds its values, `MOST_RAISED` at most. 0
            for none.

    Attributes:
        second: The second head, if there is one.
    """

    second: nn.Sequential

    def __init__(
        self, outputs: int, width: int, norm: Norm, n_tools: int = 0, channels: int = 3, n_traces: int = 0
    ) -> None:
        n_features = 8 * width
        head = nn.Linear(n_features + (n_tools + 1 if n_tools else 0), outputs)
        # Values start near zero, so that no cell is preferred and no gain predicted before anything is learned.
        nn.init.normal_(head.weight, std=1e-3)
        nn.init.zeros_(head.bias)
        parts: dict[str, nn.Module] = {"0": ResNet18(width, norm, channels)}
        if n_traces:
            parts["second"] = _second_head(n_features + n_traces, outputs)
        super().__init__(OrderedDict(parts | {"1": head}))
        self.n_tools, self.channels, self.n_traces = n_tools, channels, n_traces

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Values (N, ``outputs``)."""
        traces = images[:, self.channels : self.channels + self.n_traces, 0, 0]
        return self.values(self.features(images), traces, last_tools(images) if self.n_tools else None)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the trunk makes of images, (N, 8 ``width``)."""
        return cast(torch.Tensor, self[0](images[:, : self.channels]))

    def values(self, features: torch.Tensor, traces: torch.Tensor, last: torch.Tensor | None) -> torch.Tensor:
        """What the heads make of it, (N, ``outputs``).

        Args:
            features: Features (N, 8 ``width``), as from `features`.
            traces: Traces, (N, ``n_traces``).
            last: Numbers of the tools used last, int64 (N,), if the network sees them.
        """
        seen = features
        if last is not None:
            seen = torch.cat([features, TOOL_WEIGHT * F.one_hot(last, self.n_tools + 1)], dim=1)
        values = self[-1](seen)
        if self.n_traces:
            # Bounded upwards alone: on pictures that are like none in training, it is safe to do nothing.
            values = values - F.celu(-self.second(torch.cat([features, traces], dim=1)), alpha=MOST_RAISED)
        return cast(torch.Tensor, values)


def _second_head(inputs: int, outputs: int) -> nn.Sequential:
    """Three layers that change no value at first."""
    last = nn.Linear(HIDDEN, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), last)


def last_tools(images: torch.Tensor) -> torch.Tensor:
    """The numbers of the tools used last, int64 (N,), from the last channel of images (N, C, H, W)."""
    return (images[:, -1, 0, 0] * 255).round().long()
