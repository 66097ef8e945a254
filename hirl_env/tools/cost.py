"""What tools cost: floating-point operations, counted by PyTorch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hirl_env.tools.toolset import Toolset

SIDE = 64  # pixels of the image on which operations are counted


@torch.no_grad()
def gflop_per_megapixel(network: nn.Module | object) -> float:
    """Operations (10^9, a multiplication and an addition counted as two) of a network for a million pixels.

    Args:
        network: Maps images (N, 3, H, W) to images; convolutions and matrix products are counted.
    """
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIDE, SIDE))  # type: ignore[operator]
    return float(counter.get_total_flops()) / 1e9 / (SIDE**2 / 1e6)


@lru_cache(maxsize=8)
def tool_costs(toolset: Toolset) -> npt.NDArray[np.float64]:
    """The cost of each tool of a toolset, GFLOP for a million pixels, (types, degrees)."""
    on_cpu = toolset.on("cpu")
    costs = [gflop_per_megapixel(on_cpu[cell].restore) for cell in on_cpu.cells]
    return np.array(costs).reshape(toolset.n_types, toolset.n_degrees)
