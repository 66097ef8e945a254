"""RL-Restore's twelve tools: small convolutional networks, each made for one band of one distortion.

The authors' weights are not part of this package. `hirl_agents.rl_restore.released` says how to make one file of them;
`hirl train-tools rl-restore-1` to ``rl-restore-12`` train others.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hirl_env.data.degradations import Degradation, GaussianBlur, GaussianNoise, JpegCompression, RLRestoreRecipe
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset
from hirl_env.weights import load_weights, preserves_rng_state

TOOLS = 12
DEGREES = 4


class Band(NamedTuple):
    """The strengths that a tool is made for, from weak to strong."""

    weakest: float
    strongest: float

    @property
    def middle(self) -> float:
        """Half way between the two."""
        return (self.weakest + self.strongest) / 2


def _bands(edges: tuple[float, ...]) -> tuple[Band, ...]:
    return tuple(Band(*pair) for pair in pairwise(edges))


# Table 1 of the paper: the ranges of the ten bands of its degradations, in four parts.
BLUR_BANDS = _bands((0.0, 1.25, 2.5, 3.75, 5.0))  # sigma, pixels
NOISE_BANDS = _bands((0.0, 12.5, 25.0, 37.5, 50.0))  # sigma, of 255
JPEG_BANDS = _bands(tuple(RLRestoreRecipe.QUALITIES[edge] for edge in (0, 2, 5, 8, 10)))


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


def new_tools() -> nn.ModuleList:
    """The twelve networks, untrained: of each type two small ones, then two large ones."""
    return nn.ModuleList(SmallTool() if tool % DEGREES < 2 else LargeTool() for tool in range(TOOLS))


# The layers' names in the released files, in the order of ours.
RELEASED_LAYERS = {
    SmallTool: ("conv1", "conv2", "conv3"),
    LargeTool: ("conv1", "conv1_2", "conv2", "conv2a", "conv2c", "conv2d", "conv2_2", "conv3"),
}


@preserves_rng_state
def read_tools(path: str | Path) -> nn.ModuleList:
    """The twelve networks with the weights that are at a place, ready for inference.

    Args:
        path: The released weights as an .npz file, a .safetensors file of an agent that has these tools, or a folder
            with rl-restore-1.safetensors to rl-restore-12.safetensors, as `hirl train-tools` writes them.

    Raises:
        ValueError: If a file or an array is missing, or does not fit.
    """
    tools, path = new_tools(), Path(path)
    if path.is_dir():
        for number, tool in enumerate(tools, 1):
            load_weights(tool, path / f"rl-restore-{number}.safetensors")
    elif path.suffix == ".npz":
        Released(path).fill_tools(tools)
    else:
        load_weights(tools, path, prefix="tools.")
    return tools.eval().to(memory_format=torch.channels_last)


class Released:
    """The authors' weights, by the names of their TensorFlow variables.

    Their kernels are (height, width, in, out), and for images whose height and width are swapped.

    Args:
        path: An .npz file with arrays ``tool01/conv1/weights``, ``policy/l1/w``, ...; `hirl_agents.rl_restore.released`
            says how to make it.

    Raises:
        ValueError: If the file is missing or no .npz file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            with np.load(path) as file:
                self.arrays = dict(file)
        except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"weights {path}: not a readable .npz file ({error})") from None

    def take(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """The array of a name; raises ValueError where it is missing or of another shape."""
        if name not in self.arrays:
            raise ValueError(f"weights {self.path}: the array {name!r} is missing; make the file again")
        array = self.arrays[name]
        if array.shape != shape:
            raise ValueError(f"weights {self.path}: the array {name!r} must have the shape {shape}, got {array.shape}")
        return array

    @torch.no_grad()
    def fill(self, layer: nn.Conv2d, kernel: str, biases: str) -> None:
        """Fills a convolution from the arrays of two names."""
        outputs, inputs, height, width = layer.weight.shape
        array = self.take(kernel, (width, height, inputs, outputs))
        layer.weight.copy_(torch.from_numpy(array).permute(3, 2, 1, 0))
        assert layer.bias is not None
        layer.bias.copy_(torch.from_numpy(self.take(biases, (outputs,))))

    def fill_tools(self, tools: nn.ModuleList) -> None:
        """Fills the twelve networks of `new_tools`."""
        for number, tool in enumerate(tools, 1):
            convolutions = [layer for layer in tool.modules() if isinstance(layer, nn.Conv2d)]
            for name, layer in zip(RELEASED_LAYERS[type(tool)], convolutions, strict=True):
                place = f"tool{number:02d}/{name}"
                self.fill(layer, f"{place}/weights", f"{place}/biases")


def rl_restore_toolset(networks: Iterable[nn.Module], device: str | torch.device = "cpu") -> Toolset:
    """RL-Restore's 3 x 4 toolset (Yu et al., CVPR 2018).

    Args:
        networks: The twelve tools in the authors' order: four that deblur, denoise, and remove JPEG artefacts, each
            from weak to strong, as `hirl_env.tools.rl_restore.read_tools` returns them.
        device: Device that they are on.
    """
    undone: dict[str, list[Degradation]] = {
        "deblur": [GaussianBlur(21, band.middle) for band in BLUR_BANDS],
        "denoise": [GaussianNoise(band.middle) for band in NOISE_BANDS],
        "dejpeg": [JpegCompression(round(band.middle)) for band in JPEG_BANDS],
    }
    numbered = enumerate(networks, 1)
    return Toolset(
        {
            name: [
                Tool(f"RL-Restore {number} ({name})", network, undoes, clamp=False)
                for undoes, (number, network) in zip(each, numbered, strict=False)
            ]
            for name, each in undone.items()
        },
        device,
    )
