"""One restoration operator, and how its network is made from shipped weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hirl_env.data.degradations import Degradation
from hirl_env.weights import load_weights

SHIPPED_TOOLS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Tool:
    """One restoration operator.

    Attributes:
        name: Name in paths and tables.
        restore: Function from images (N, 3, H, W), float32 in [0, 1], to new ones of the same shape, which need not be
            clamped. It may be a module in evaluation mode.
        undoes: Distortion that the tool specialises in, if any; used by the reverse order, and to evaluate the tool.
        clamp: Whether results are clamped to [0, 1]. RL-Restore's are not: its tools and its agent were trained on
            values beyond this range.
    """

    name: str
    restore: Callable[[torch.Tensor], torch.Tensor]
    undoes: Degradation | None = None
    clamp: bool = True


class Conditioned(nn.Module):
    """A conditional network at one strength; several cells share the network.

    Args:
        network: Network from images (N, 3, H, W) and strengths (N,) to images.
        strength: Strength of the distortion that the network assumes, in the network's unit.
    """

    def __init__(self, network: nn.Module, strength: float) -> None:
        super().__init__()
        self.network, self.strength = network, strength

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        restored: torch.Tensor = self.network(images, images.new_full((len(images),), self.strength))
        return restored


def shipped(network: nn.Module, toolset: str, name: str) -> nn.Module:
    """A network with the shipped weights of that name, ready for inference."""
    load_weights(network, SHIPPED_TOOLS / toolset / f"{name}.safetensors")
    return network.eval().to(memory_format=torch.channels_last)
