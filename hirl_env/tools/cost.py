"""The cost of tools: floating-point operations, counted by PyTorch."""

from __future__ import annotations

import torch
from torch import nn

from hirl_env.errors import first_line

SIDES = 64, 128, 256, 32, 16  # pixels of the image on which operations are counted: the first that a network takes


@torch.no_grad()
def gflop_per_megapixel(network: nn.Module | object, device: torch.device | str = "cpu") -> float:
    """GFLOP of a network for a million pixels, with a multiplication and an addition counted as two operations.

    Args:
        network: Network from images (N, 3, H, W) to images; convolutions and matrix products are counted.
        device: Device of the network.

    Raises:
        ValueError: If it can run on none of a few sizes of images.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imported here, because most importers never count

    reasons = []
    for side in SIDES:
        try:
            with FlopCounterMode(display=False) as counter:
                network(torch.zeros(1, 3, side, side, dtype=torch.float32, device=device))  # type: ignore[operator]
        except Exception as error:  # whatever a network of somebody else's raises
            reasons.append(f"{side}x{side}: {first_line(error)}")
        else:
            return float(counter.get_total_flops()) / 1e3 / side**2
    raise ValueError(f"its cost is counted on small images, and it can run on none: {'; '.join(reasons)}")
