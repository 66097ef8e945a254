"""RL-Restore's twelve tools: small convolutional networks, each made for one band of one distortion."""

from __future__ import annotations

import torch
from torch import nn

TOOLS = 12
DEGREES = 4


def _convolution(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def _last(inputs: int) -> nn.Conv2d:
    layer = _convolution(inputs, 3, 5)
    with torch.no_grad():
        layer.weight.mul_(0.1)
    return layer


class SmallTool(nn.Module):
    """RL-Restore's tool for weak distortions (Yu et al., CVPR 2018): 9x9 32, 5x5 16, 5x5 3, global skip.

    21,827 parameters. Zero padding, as published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(3, 32, 9), nn.ReLU(inplace=True), _convolution(32, 16, 5), nn.ReLU(inplace=True), _last(16)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1] to the same shape, not clamped."""
        residual: torch.Tensor = self.layers(images)
        return images + residual


class PreActivation(nn.Module):
    """A residual block whose ReLUs come before its two 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), _convolution(width, width, 3), nn.ReLU(inplace=True), _convolution(width, width, 3)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        residual: torch.Tensor = self.layers(features)
        return features + residual


class LargeTool(nn.Module):
    """RL-Restore's tool for strong distortions (Yu et al., CVPR 2018): eight layers, two residual blocks, global skip.

    5x5 64, 1x1 32, two blocks of 3x3 32, 1x1 64, 5x5 3; 50,851 parameters. Zero padding, as published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(3, 64, 5),
            nn.ReLU(inplace=True),
            _convolution(64, 32, 1),
            PreActivation(32),
            PreActivation(32),
            _convolution(32, 64, 1),
            nn.ReLU(inplace=True),
            _last(64),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1] to the same shape, not clamped."""
        residual: torch.Tensor = self.layers(images)
        return images + residual


# For each type two small ones, then two large ones.
TOOL_CLASSES = tuple(SmallTool if tool % DEGREES < 2 else LargeTool for tool in range(TOOLS))


def new_tools() -> nn.ModuleList:
    """The twelve networks, untrained."""
    return nn.ModuleList(tool() for tool in TOOL_CLASSES)
