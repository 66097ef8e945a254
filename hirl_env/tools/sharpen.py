"""Sharpen: multi-scale detail boosting, without training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

SIGMAS = (1.0, 2.0, 4.0)
WEIGHTS = (0.5, 0.5, 0.25)
RADIUS = 12  # three times the largest sigma


class Sharpen(nn.Module):
    """Multi-scale detail boosting (Kim et al., ICIP 2015): adds differences between blurs of increasing width.

    With B1, B2, B3 the image blurred by Gaussians of sigma 1, 2, 4 and D1 = I - B1, D2 = B1 - B2, D3 = B2 - B3, the
    result is I + (1 - w1 sgn(D1)) D1 + w2 D2 + w3 D3, w = 0.5, 0.5, 0.25. It amplifies noise.
    """

    def __init__(self) -> None:
        super().__init__()
        distance = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
        taps = torch.stack([torch.exp(-(distance**2) / (2 * sigma**2)) for sigma in SIGMAS])
        # One grouped convolution makes the three blurs of the three channels (in the order r1 r2 r3 g1 ...).
        kernels = (taps / taps.sum(dim=1, keepdim=True)).float().repeat(3, 1)[:, None]
        self.kernels: torch.Tensor
        self.register_buffer("kernels", kernels, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1] to the same shape, not clamped."""
        count, _, height, width = images.shape
        padded = F.pad(images, (RADIUS,) * 4, mode="replicate")
        across = F.conv2d(padded, self.kernels[:, :, None, :], groups=3)
        blurred = F.conv2d(across, self.kernels[:, :, :, None], groups=9).view(count, 3, 3, height, width)
        blur1, blur2, blur3 = blurred.unbind(dim=2)
        detail1, detail2, detail3 = images - blur1, blur1 - blur2, blur2 - blur3
        w1, w2, w3 = WEIGHTS
        return images + (1 - w1 * detail1.sign()) * detail1 + w2 * detail2 + w3 * detail3
