"""A residual U-Net that is given the strength of a distortion: for blurs, and for mixtures of distortions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from hirl_env.tools.residual import ResidualBlock

LEVELS = 3
MULTIPLE = 2**LEVELS  # of both sides: the pixel-unshuffle halves them once, and each level below the first once more


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width, 3) for _ in range(count)))


class UNet(nn.Module):
    """A U-Net of residual blocks at 1/2, 1/4 and 1/8 of the size, with additive skips and a global one.

    Like FFDNet (Zhang, Zuo and Zhang, IEEE TIP 2018) it works on the unshuffled image and sees the strength as
    a constant map. Its blocks are EDSR's (Lim et al., CVPRW 2017), and the whole resembles DRUNet (Zhang et al., IEEE
    TPAMI 2021), which is wider. It has neither attention nor norm: its result at a pixel depends only on the pixel's
    surroundings, so that tiles agree and large pictures are treated like crops.

    Args:
        width: Channels at half the size; the lower levels have 2 and 4 times as many.
        blocks: Residual blocks of each level, in the encoder and again in the decoder.
        unit: Strength that the map shows as 1.
    """

    def __init__(self, width: int = 48, blocks: int = 2, unit: float = 1.0) -> None:
        super().__init__()
        self.unit = unit
        self.head = nn.Conv2d(13, width, 3, padding=1)
        self.encoder1 = _blocks(width, blocks)
        self.down1 = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.encoder2 = _blocks(2 * width, blocks)
        self.down2 = nn.Conv2d(2 * width, 4 * width, 2, stride=2)
        self.middle = _blocks(4 * width, 2 * blocks)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.decoder2 = _blocks(2 * width, blocks)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.decoder1 = _blocks(width, blocks)
        self.tail = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.normal_(self.tail.weight, std=1e-3)

    def forward(self, images: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        """Removes a distortion of a given strength.

        Args:
            images: Images (N, 3, H, W) in [0, 1], any H and W.
            strength: Strength of the distortion in the unit of its training, (N,).

        Returns:
            (N, 3, H, W), not clamped.
        """
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        halved = F.pixel_unshuffle(padded, 2)
        strengths = (strength / self.unit).to(halved.dtype).view(-1, 1, 1, 1).expand(-1, 1, *halved.shape[-2:])
        features1 = self.encoder1(self.head(torch.cat([halved, strengths], dim=1)))
        features2 = self.encoder2(self.down1(features1))
        features3 = self.middle(self.down2(features2))
        features2 = self.decoder2(self.up2(features3) + features2)
        features1 = self.decoder1(self.up1(features2) + features1)
        return images + F.pixel_shuffle(self.tail(features1), 2)[..., :height, :width]
