"""RL-Restore's toolset, with the authors' weights or with weights that `hirl train-tools rl-restore-N` trained."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from hirl_env.data.degradations import Degradation, GaussianNoise, JpegCompression, RLRestoreRecipe
from hirl_env.tools.rl_restore.networks import DEGREES, TOOLS, new_tools
from hirl_env.tools.rl_restore.released import Released
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset
from hirl_env.weights import load_weights, makes_networks


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


@makes_networks
def read_tools(path: str | Path) -> nn.ModuleList:
    """The twelve networks with the weights at a path, ready for inference.

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


def rl_restore_toolset(networks: Iterable[nn.Module], device: str | torch.device = "cpu") -> Toolset:
    """RL-Restore's 3 x 4 toolset (Yu et al., CVPR 2018).

    Args:
        networks: The twelve tools in the authors' order: four that deblur, denoise, and remove JPEG artefacts, each
            from weak to strong, as `hirl_env.tools.rl_restore.read_tools` returns them.
        device: Device of the networks.
    """
    undone: dict[str, list[Degradation]] = {
        "deblur": [RLRestoreRecipe.blur(band.middle) for band in BLUR_BANDS],
        "denoise": [GaussianNoise(band.middle) for band in NOISE_BANDS],
        "dejpeg": [JpegCompression(round(band.middle)) for band in JPEG_BANDS],
    }
    numbered = list(enumerate(networks, 1))
    return Toolset(
        {
            name: [
                Tool(f"RL-Restore {number} ({name})", network, undoes, clamp=False)
                for undoes, (number, network) in zip(each, numbered[first : first + DEGREES], strict=True)
            ]
            for first, (name, each) in zip(range(0, TOOLS, DEGREES), undone.items(), strict=True)
        },
        device,
    )
