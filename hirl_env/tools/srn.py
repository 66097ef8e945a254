"""SRN: scale-recurrent deblurring."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from hirl_env.tools.residual import ResidualBlock

SCALES = 3
STRIDE = 4  # of the encoder; with the coarsest scale of 1/4, sizes must be multiples of 16


def _blocks(width: int, kernel: int) -> list[nn.Module]:
    return [ResidualBlock(width, kernel) for _ in range(3)]


class Stage(nn.Sequential):
    """A convolution with ReLU, then three residual blocks."""

    def __init__(self, inputs: int, width: int, kernel: int, stride: int) -> None:
        first = nn.Conv2d(inputs, width, kernel, stride=stride, padding=kernel // 2)
        super().__init__(first, nn.ReLU(inplace=True), *_blocks(width, kernel))


class SRN(nn.Module):
    """The scale-recurrent network (Tao et al., CVPR 2018) without its LSTM, the same weights at 1/4, 1/2 and full size.

    Each scale sees the image and the enlarged, detached result of the coarser scale. The encoder has stages of
    ``width``, 2 and 4 times ``width`` channels with three residual blocks each; the decoder mirrors it, with 4x4
    transposed convolutions and additive skips.

    Deviations: it has a global skip: each scale predicts what to add to the image, which trains in a fraction of the
    steps. And it is smaller: the published 32 channels and kernels of 5 cost 10.4 GFLOP for 64x64 pixels, these 1.0.

    Args:
        width: Channels at full size; the lower levels have 2 and 4 times as many.
        kernel: Side of the kernels, odd.
    """

    def __init__(self, width: int = 16, kernel: int = 3) -> None:
        super().__init__()
        self.encoder1 = Stage(6, width, kernel, stride=1)
        self.encoder2 = Stage(width, 2 * width, kernel, stride=2)
        self.encoder3 = Stage(2 * width, 4 * width, kernel, stride=2)
        self.decoder3 = nn.Sequential(*_blocks(4 * width, kernel))
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1)
        self.decoder2 = nn.Sequential(*_blocks(2 * width, kernel))
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.decoder1 = nn.Sequential(*_blocks(width, kernel))
        self.output = nn.Conv2d(width, 3, kernel, padding=kernel // 2)
        nn.init.normal_(self.output.weight, std=1e-3)

    def one_scale(self, images: torch.Tensor, coarser: torch.Tensor) -> torch.Tensor:
        """One pass of the encoder and decoder; both inputs (N, 3, h, w), h and w multiples of 4."""
        features1 = self.encoder1(torch.cat([images, coarser], dim=1))
        features2 = self.encoder2(features1)
        features3 = self.decoder3(self.encoder3(features2))
        features2 = self.decoder2(F.relu(self.up2(features3)) + features2)
        features1 = self.decoder1(F.relu(self.up1(features2)) + features1)
        return images + self.output(features1)

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The result at every scale, coarse to fine; the training loss is a sum over them.

        Args:
            images: Images (N, 3, H, W) with H and W multiples of 16.
        """
        results: list[torch.Tensor] = []
        for scale in reversed(range(SCALES)):
            small = F.avg_pool2d(images, 2**scale) if scale else images
            coarser = F.interpolate(results[-1].detach(), scale_factor=2, mode="bilinear") if results else small
            results.append(self.one_scale(small, coarser))
        return results

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1], any H and W, to the same shape, not clamped."""
        height, width = images.shape[-2:]
        multiple = STRIDE * 2 ** (SCALES - 1)
        padded = F.pad(images, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        return self.pyramid(padded)[-1][..., :height, :width]
