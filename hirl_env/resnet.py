"""ResNet-18 of any width: the trunk of the agents' Q-networks and of the embedded blind measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, cast

import torch
from torch import nn

Norm = Literal["group", "batch", "none"]
GROUPS = 8

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "group": partial(nn.GroupNorm, GROUPS),
    "batch": nn.BatchNorm2d,
    "none": nn.Identity,
}


class Centre(nn.Module):
    """Maps [0, 1] to [-2, 2], about zero mean and unit variance for photographs."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return 4 * (images - 0.5)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a skip: the input itself or, if the shape changes, a 1x1 convolution of it.

    Names and order of the parameters are those of torchvision's ``BasicBlock``.

    Args:
        narrower: Channels of the input.
        wider: Channels of the result.
        stride: Stride of the first convolution.
        make_norm: Function from a number of channels to their normalisation.
    """

    def __init__(self, narrower: int, wider: int, stride: int, make_norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        shortcut = None
        if stride > 1:
            shortcut = nn.Sequential(nn.Conv2d(narrower, wider, 1, stride, bias=False), make_norm(wider))
        self.conv1 = nn.Conv2d(narrower, wider, 3, stride, padding=1, bias=False)
        self.bn1 = make_norm(wider)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.bn2 = make_norm(wider)
        self.downsample = shortcut

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps (N, ``narrower``, H, W) to (N, ``wider``, H / ``stride``, W / ``stride``)."""
        residual: torch.Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(features)))))
        residual += features if self.downsample is None else self.downsample(features)
        return cast(torch.Tensor, self.relu(residual))


class ResNet18(nn.Sequential):
    """ResNet-18 (He et al., CVPR 2016) up to its average pooling, of any width.

    Maps (N, C, H, W) in [0, 1] to features (N, 8 ``width``). Width 64 with batch norm is the published network,
    11,176,512 parameters.

    Args:
        width: Channels of the first stage, a multiple of 8; the later ones have 2, 4 and 8 times as many.
        norm: Normalisation: ``batch``, ``group`` (8 groups), or ``none``. The strength of a distortion shows in
            amplitudes. Batch norm preserves them; group norm, which normalises each image by itself, hides them. But
            batch norm does not work with updates from single transitions.
        channels: Channels of the images, C.

    Raises:
        ValueError: If the width or the norm is invalid.
    """

    def __init__(self, width: int = 64, norm: Norm = "batch", channels: int = 3) -> None:
        if width < GROUPS or width % GROUPS:
            raise ValueError(f"the width of a ResNet-18 must be a positive multiple of {GROUPS}, got {width}")
        if norm not in NORMS:
            raise ValueError(f"unknown norm {norm!r}; known are: {', '.join(NORMS)}")
        make_norm = NORMS[norm]
        blocks, narrower = [], width
        for stage in range(4):
            wider, stride = width * 2**stage, 1 if stage == 0 else 2
            blocks += [BasicBlock(narrower, wider, stride, make_norm), BasicBlock(wider, wider, 1, make_norm)]
            narrower = wider
        super().__init__(
            Centre(),
            nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False),
            make_norm(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
