"""Fast AR-CNN: removal of JPEG artefacts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class FastARCNN(nn.Module):
    """Fast AR-CNN for RGB (Dong et al., arXiv 1608.02778): 85,376 weights, most of the work at half resolution.

    Layers: 9x9 stride 2, 64; 1x1, 32; 7x7, 32; 1x1, 64; 9x9 transposed stride 2, 3; PReLU between them.

    Deviation: a global skip (the network predicts what to add), without which training on RGB yields blurred copies of
    the input for a long time.
    """

    def __init__(self) -> None:
        super().__init__()
        enlarge = nn.ConvTranspose2d(64, 3, 9, stride=2, padding=4, output_padding=1)
        nn.init.normal_(enlarge.weight, std=1e-3)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 64, 9, stride=2, padding=4),
            nn.PReLU(64),
            nn.Conv2d(64, 32, 1),
            nn.PReLU(32),
            nn.Conv2d(32, 32, 7, padding=3),
            nn.PReLU(32),
            nn.Conv2d(32, 64, 1),
            nn.PReLU(64),
            enlarge,
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1], any H and W, to the same shape, not clamped."""
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
        return images + self.layers(padded)[..., :height, :width]
