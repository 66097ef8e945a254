"""OWAN, one network for everything, as a baseline; its authors' weights are not part of this package."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hirl_env.weights import makes_networks

WIDTH = 16
GROUPS, LAYERS = 10, 4
SIZES, DILATED = (1, 3, 5, 7), (3, 5, 7)
OPERATIONS = len(SIZES) + len(DILATED) + 1  # the last is the mean over 3x3


def _depthwise(size: int, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(WIDTH, WIDTH, size, padding=padding, dilation=dilation, groups=WIDTH, bias=False)


def _pointwise(inputs: int = WIDTH) -> nn.Conv2d:
    return nn.Conv2d(inputs, WIDTH, 1, bias=False)


class FeatureBlock(nn.Module):
    """relu(x + conv(relu(conv(x)))), depthwise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = _depthwise(3), _depthwise(3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return F.relu(features + self.conv2(F.relu(self.conv1(features))))


class OperationLayer(nn.Module):
    """Eight parallel operations, each weighted by its attention, and a convolution that combines them."""

    def __init__(self) -> None:
        super().__init__()
        separable = [
            nn.Sequential(_depthwise(size), _pointwise(), nn.ReLU(), _depthwise(size), _pointwise()) for size in SIZES
        ]
        dilated = [nn.Sequential(_depthwise(size, 2), _pointwise()) for size in DILATED]
        self.operations = nn.ModuleList([*separable, *dilated, nn.AvgPool2d(3, 1, 1, count_include_pad=False)])
        self.out = _pointwise(OPERATIONS * WIDTH)

    def forward(self, features: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """The same shape; ``attention`` is (N, operations)."""
        weights = attention[..., None, None, None]
        results = [operation(features) * weights[:, index] for index, operation in enumerate(self.operations)]
        return F.relu(F.relu(self.out(torch.cat(results, dim=1))) + features)


class Group(nn.Module):
    """Attention from the mean of the features, then four operation layers, each with its part of the attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, LAYERS * OPERATIONS))
        self.preprocess = _pointwise()
        self.layers = nn.ModuleList([OperationLayer() for _ in range(LAYERS)])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        attention = self.attention(features.mean(dim=(2, 3))).unflatten(1, (LAYERS, OPERATIONS)).softmax(dim=2)
        features = F.relu(self.preprocess(features))
        for index, layer in enumerate(self.layers):
            features = layer(features, attention[:, index])
        return features


class OWAN(nn.Module):
    """The operation-wise attention network (Suganuma, Liu and Okatani, CVPR 2019): 391,456 parameters.

    It was trained on RL-Restore's moderate recipe, on crops of 63x63 with height and width swapped. Its attention is
    computed from a mean over the image, so it is meant for crops.
    """

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, WIDTH, 3, padding=1, bias=False)
        self.features = nn.Sequential(*(FeatureBlock() for _ in range(4)))
        self.groups = nn.Sequential(*(Group() for _ in range(GROUPS)))
        self.tail = nn.Conv2d(WIDTH, 3, 3, padding=1, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1] to the same shape, not clamped."""
        swapped = images.transpose(2, 3)
        restored: torch.Tensor = self.tail(self.groups(self.features(self.head(swapped))))
        return restored.transpose(2, 3)


@makes_networks
def load_owan(path: str | Path) -> OWAN:
    """The network with its authors' weights, ready for inference.

    Args:
        path: An .npz file of the released state dictionary, each array under its name.

    Raises:
        ValueError: If the file is missing or damaged, or holds other arrays.
    """
    try:
        with np.load(path) as file:
            arrays = [torch.from_numpy(file[name]) for name in file.files]
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(f"{path}: not OWAN's weights ({error}); give an .npz file of its state dictionary") from None
    network = OWAN()
    state = network.state_dict()
    # The authors' modules have other names, but the same order.
    shapes = [tuple(array.shape) for array in arrays]
    if shapes != [tuple(value.shape) for value in state.values()]:
        raise ValueError(f"{path}: not OWAN's weights (other arrays); give an .npz file of its state dictionary")
    network.load_state_dict(dict(zip(state, arrays, strict=True)))
    return network.eval()
