"""What a training recipe of a tool consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hirl_env.data.degradations import Degradation

Draw = Callable[[np.random.Generator], Degradation]
Condition = Callable[[Degradation, float], float]


def error(image: torch.Tensor, reference: torch.Tensor) -> float:
    """Root mean square error of an image, of 255."""
    return 255 * (image - reference).square().mean().sqrt().item()


@dataclass(frozen=True)
class ToolRecipe:
    """The training recipe of one network.

    Attributes:
        network: Function that builds the network, untrained.
        own: Function that draws its own distortion at a strength that it is meant for.
        hybrid: Hybrid distortions that it meets.
        validation: Distortions on which progress is measured.
        lr: Learning rate of Muon: plain ReLU layers need a smaller one than residual blocks, or they die.
        condition: Function from an image's degradation and root mean square error (of 255) to the strength that a
            conditional network is given; None for other networks.
        strongest: Largest strength that it is given.
        erring: Largest error of the strength that it is given, in its logarithm, because agents err. If it is large,
            the network learns to estimate the strength itself, and takes the given one as a hint.
        least_error: Root mean square error (of 255) below which a hybrid is drawn again, because it is too weak.
        stored: Type of numbers in which its weights are written.
        pyramid: Whether the network has a method ``pyramid``, from images to results of rising size, and learns from
            all of them.
    """

    network: Callable[[], nn.Module]
    own: Draw
    hybrid: Degradation
    validation: tuple[Degradation, ...]
    lr: float
    condition: Condition | None = None
    strongest: float = 0.0
    erring: float = 0.25
    least_error: float = 0.0
    # Half the download of float32, and the PSNR is the same to the second decimal.
    stored: torch.dtype = torch.float16
    pyramid: bool = False

    def strength(self, degradation: Degradation, image: torch.Tensor, reference: torch.Tensor) -> float:
        """The strength that a conditional network is given of an image, if nobody errs; 0 for other networks.

        Args:
            degradation: Degradation that was applied.
            image: What is left of it, (3, H, W) in [0, 1].
            reference: The clean original, of the same shape.
        """
        return 0.0 if self.condition is None else self.condition(degradation, error(image, reference))

    def results(self, network: nn.Module, images: torch.Tensor, strengths: torch.Tensor) -> list[torch.Tensor]:
        """Results of the network that it learns from, coarse to fine.

        Args:
            network: Network of this recipe.
            images: Images (N, 3, H, W) in [0, 1].
            strengths: Strengths of the distortions, (N,), for a conditional network.
        """
        if self.condition is not None:
            return [network(images, strengths)]
        if self.pyramid:
            results: list[torch.Tensor] = network.pyramid(images)  # type: ignore[operator]
            return results
        return [network(images)]
