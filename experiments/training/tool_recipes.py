"""What each tool is trained on.

A tool is the specialist of its cell, so most of its examples carry its own distortion alone. In an episode it meets
the others too, and what other tools leave behind; RL-Restore's authors found that tools trained for that combine
better. So a share of the examples is a hybrid distortion, and a share of those has been through other tools already.
The target is always the clean reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hirl_env.data.degradations import (
    BLUR_SIZES,
    JPEG_QUALITIES,
    LEVELS,
    NOISE_SIGMAS,
    Degradation,
    GaussianBlur,
    GaussianNoise,
    JpegCompression,
    Mixture,
    degradations,
)
from hirl_env.tools.fast_arcnn import FastARCNN
from hirl_env.tools.ffdnet import FFDNet
from hirl_env.tools.rl_restore import BLUR_BANDS, JPEG_BANDS, NOISE_BANDS, Band, new_tools
from hirl_env.tools.srcnn import SRCNN
from hirl_env.tools.srn import SRN


@dataclass(frozen=True)
class ToolRecipe:
    """How one network is made.

    Attributes:
        network: Builds it, untrained.
        own: Draws its own distortion at a strength it is meant for.
        hybrid: The hybrid distortions it meets.
        validation: The distortions on which progress is measured.
        lr: The learning rate of Muon that suits it: plain ReLU layers die of what residual blocks need.
        stored: In which numbers its weights are written.
    """

    network: Callable[[], nn.Module]
    own: Callable[[np.random.Generator], Degradation]
    hybrid: Degradation
    validation: tuple[Degradation, ...]
    lr: float
    # Half the download of float32, and the PSNR is the same to the second decimal.
    stored: torch.dtype = torch.float16


# Mostly the paper's levels; RL-Restore's recipe keeps the tools from knowing three strengths only.
_ANY_LEVEL = Mixture((degradations.resolve("levels"),) * 4 + (degradations.resolve("rl-restore-moderate"),))
# What most of every path gains is SRN's; the middle level it also learns from the two beside it.
_OUTER_LEVELS = Mixture(
    tuple(
        degradations.resolve(name) for name in ("mild", "mild", "moderate", "severe", "severe", "rl-restore-moderate")
    )
)


def _noise(rng: np.random.Generator) -> Degradation:
    # Near the three settings of its map, and mostly the strongest, which is learned last.
    return GaussianNoise(float(rng.choice(NOISE_SIGMAS, p=(0.1, 0.2, 0.7)) + rng.uniform(-2, 2)))


def _blur(rng: np.random.Generator) -> Degradation:
    return GaussianBlur(int(rng.choice(BLUR_SIZES)))


def _dejpeg(quality: int, level: str) -> ToolRecipe:
    own = JpegCompression(quality)
    hybrid = Mixture((degradations.resolve(level), _ANY_LEVEL))
    return ToolRecipe(FastARCNN, lambda rng: own, hybrid, (own,), lr=0.02)


# How a degradation of RL-Restore's recipe is made from its strength, for each of its types of tools.
_RL_RESTORE: tuple[tuple[tuple[Band, ...], Callable[[float], Degradation]], ...] = (
    (BLUR_BANDS, lambda sigma: GaussianBlur(21, max(sigma, 1e-3))),
    (NOISE_BANDS, GaussianNoise),
    (JPEG_BANDS, lambda quality: JpegCompression(round(quality))),
)


def _rl_restore(network: Callable[[], nn.Module], band: Band, make: Callable[[float], Degradation]) -> ToolRecipe:
    def own(rng: np.random.Generator) -> Degradation:
        return make(float(rng.uniform(min(band), max(band))))

    return ToolRecipe(network, own, degradations.resolve("rl-restore-moderate"), (make(band.middle),), lr=0.004)


RECIPES: dict[str, ToolRecipe] = {
    "ffdnet": ToolRecipe(FFDNet, _noise, _ANY_LEVEL, tuple(GaussianNoise(sigma) for sigma in NOISE_SIGMAS), lr=0.007),
    **{f"fast-arcnn-{quality}": _dejpeg(quality, level) for quality, level in zip(JPEG_QUALITIES, LEVELS, strict=True)},
    "srcnn": ToolRecipe(SRCNN, _blur, _ANY_LEVEL, tuple(GaussianBlur(size) for size in BLUR_SIZES), lr=0.004),
    "srn": ToolRecipe(
        SRN,
        _blur,
        _OUTER_LEVELS,
        tuple(GaussianBlur(size) for size in BLUR_SIZES),
        lr=0.0015,
        stored=torch.int8,  # four times the weights of all other tools
    ),
    **{
        f"rl-restore-{number}": _rl_restore(type(network), band, make)
        for number, network, (band, make) in zip(
            range(1, 13),
            new_tools(),
            [(band, make) for bands, make in _RL_RESTORE for band in bands],
            strict=True,
        )
    },
}


def noise_level(degradation: Degradation) -> float:
    """The strength of the noise in a degradation, as FFDNet's map states it: within 15 to 35, its three settings."""
    sigmas = [step.sigma for step in degradation.steps if isinstance(step, GaussianNoise)]
    return float(np.clip(max(sigmas, default=0.0), NOISE_SIGMAS[0], NOISE_SIGMAS[-1]))


def run_network(network: nn.Module, images: torch.Tensor, sigmas: torch.Tensor) -> list[torch.Tensor]:
    """Results of a network whose targets are known, coarse to fine (only SRN has more than one)."""
    if isinstance(network, FFDNet):
        return [network(images, sigmas)]
    if isinstance(network, SRN):
        return network.pyramid(images)
    return [network(images)]
