"""The authors' weights of RL-Restore, which are not part of this package.

`hirl_agents.rl_restore.released` explains how to convert them to one file.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hirl_env.tools.rl_restore.networks import LargeTool, SmallTool

# The layers' names in the released files, in the order of ours.
RELEASED_LAYERS = {
    SmallTool: ("conv1", "conv2", "conv3"),
    LargeTool: ("conv1", "conv1_2", "conv2", "conv2a", "conv2c", "conv2d", "conv2_2", "conv3"),
}


class Released:
    """The authors' weights, by the names of their TensorFlow variables.

    Their kernels are (height, width, in, out), for images whose height and width are swapped.

    Args:
        path: An .npz file with arrays ``tool01/conv1/weights``, ``policy/l1/w``, ...; `hirl_agents.rl_restore.released`
            explains how to make it.

    Raises:
        ValueError: If the file is missing or not an .npz file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            with np.load(path) as file:
                self.arrays = dict(file)
        except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"weights {path}: not a readable .npz file ({error})") from None

    def take(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """The array of that name; raises ValueError if it is missing or has another shape."""
        if name not in self.arrays:
            raise ValueError(f"weights {self.path}: the array {name!r} is missing; make the file again")
        array = self.arrays[name]
        if array.shape != shape:
            raise ValueError(f"weights {self.path}: the array {name!r} must have the shape {shape}, got {array.shape}")
        return array

    @torch.no_grad()
    def fill(self, layer: nn.Conv2d, kernel: str, biases: str) -> None:
        """Fills a convolution from the arrays of those names."""
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
