"""SRCNN at scale 1: light deblurring."""

from __future__ import annotations

import torch
from torch import nn


class SRCNN(nn.Module):
    """SRCNN 9-5-5 for RGB (Dong et al., IEEE TPAMI 2015) at scale 1: 69,251 parameters.

    Deviation: a global skip, so that the three layers restore what blur removed instead of copying the image.
    """

    def __init__(self) -> None:
        super().__init__()
        last = nn.Conv2d(32, 3, 5, padding=2, padding_mode="replicate")
        self.layers = nn.Sequential(
            nn.Conv2d(3, 64, 9, padding=4, padding_mode="replicate"),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 32, 5, padding=2, padding_mode="replicate"),
            nn.ReLU(inplace=True),
            last,
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        with torch.no_grad():
            last.weight.mul_(0.1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1] to the same shape, not clamped."""
        residual: torch.Tensor = self.layers(images)
        return images + residual
