"""The cost of tools: floating-point operations, counted by PyTorch."""

from __future__ import annotations

import torch
from torch import nn

SIDE = 64  # pixels of the image on which operations are counted
MEGAPIXELS = SIDE**2 / 1e6


@torch.no_grad()
def gflop_per_megapixel(network: nn.Module | object, device: torch.device | str = "cpu") -> float:
    """GFLOP of a network for a million pixels, with a multiplication and an addition counted as two operations.

    Args:
        network: Network from images (N, 3, H, W) to images; convolutions and matrix products are counted.
        device: Device of the network.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imported here, because most importers never count

    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.float32, device=device))  # type: ignore[operator]
    return float(counter.get_total_flops()) / 1e9 / MEGAPIXELS
