"""Training recipes of the tools: to add one, register it in `tool_recipes`.

A tool is the specialist of its cell over a range of strengths, so most of its examples have its own distortion alone.
In an episode it also meets other distortions, results of other tools and of itself, and pictures that need nothing. So
shares of the examples are hybrids, hybrids that tools have already processed, and `light`; the target is always the
clean reference. A conditional network, which is given the strength of its distortion, is sometimes given too large a
strength, so that it learns not to remove what is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from hirl_env.data.degradations import (
    BLUR_SIZES,
    JPEG_QUALITIES,
    LEVELS,
    NOISE_SIGMAS,
    Degradation,
    DoubleJpeg,
    FullColourJpeg,
    GaussianBlur,
    GaussianNoise,
    JpegCompression,
    Mixture,
    RLRestoreRecipe,
    Unknown,
    degradations,
)
from hirl_env.registry import Registry
from hirl_env.tools.fast_arcnn import FastARCNN
from hirl_env.tools.ffdnet import FFDNet
from hirl_env.tools.hirl import BLUR_UNIT, BLURS, ERROR_UNIT, ERRORS, NOISES, QUALITIES
from hirl_env.tools.paper import FFDNET_WIDTH
from hirl_env.tools.rl_restore import BLUR_BANDS, JPEG_BANDS, NOISE_BANDS, TOOL_CLASSES, Band
from hirl_env.tools.srcnn import SRCNN
from hirl_env.tools.srn import SRN
from hirl_env.tools.unet import UNet
from hirl_experiments.training.tool_recipe import Draw, ToolRecipe

tool_recipes: Registry[ToolRecipe] = Registry("network to train", ToolRecipe)


_UNKNOWN = degradations.resolve("unknown")
_MIXED = Unknown(blurred=0.8, noisy=0.8, compressed=0.8)
_HYBRIDS = Mixture((_UNKNOWN, _MIXED, degradations.resolve("rl-restore-any"), degradations.resolve("levels")))


def strongest(degradation: Degradation, family: str) -> float:
    """The strength of the strongest distortion of a family that was applied; 0 if none was."""
    return max((step.strength for step in degradation.steps if step.family == family), default=0.0)


def _noise_strength(degradation: Degradation, error: float) -> float:
    # Noise that JPEG or a tool has removed no longer counts.
    return min(strongest(degradation, "noise"), error)


def _blur_strength(degradation: Degradation, error: float) -> float:
    return strongest(degradation, "blur")


def _error_strength(degradation: Degradation, error: float) -> float:
    return error


def _unknown_jpeg(lowest: int, highest: int) -> Draw:
    return Unknown(jpeg_quality=(lowest, highest)).draw_jpeg


_RESTORE = ToolRecipe(
    partial(UNet, unit=ERROR_UNIT),
    _MIXED.draw,
    _HYBRIDS,
    tuple(degradations.resolve(level) for level in LEVELS),
    lr=0.012,
    condition=_error_strength,
    strongest=1.5 * max(ERRORS),
    stored=torch.int8,
)

# The toolset `hirl`: each network's range of strengths, and the distortions it meets.
_HIRL: dict[str, ToolRecipe] = {
    "hirl-denoise": ToolRecipe(
        FFDNet,
        Unknown().draw_noise,
        _HYBRIDS,
        tuple(GaussianNoise(sigma) for sigma in NOISES),
        lr=0.005,
        condition=_noise_strength,
        strongest=Unknown.noise_sigma[1],
    ),
    **{
        f"hirl-dejpeg-{quality}": ToolRecipe(
            FastARCNN,
            _unknown_jpeg(lowest, highest),
            _HYBRIDS,
            (JpegCompression(quality), FullColourJpeg(quality), DoubleJpeg(quality, quality, 3, 5)),
            lr=0.01,
        )
        for quality, (lowest, highest) in QUALITIES.items()
    },
    "hirl-deblur": ToolRecipe(
        partial(UNet, unit=BLUR_UNIT),
        Unknown().draw_blur,
        _HYBRIDS,
        tuple(GaussianBlur.of_sigma(sigma) for sigma in BLURS),
        lr=0.012,
        condition=_blur_strength,
        strongest=Unknown.blur_sigma[1],
        erring=0.7,
        stored=torch.int8,
    ),
    "hirl-restore": _RESTORE,
    "hirl-restore-strong": replace(_RESTORE, erring=0.7, least_error=10.0),
}


def _paper_noise(rng: np.random.Generator) -> Degradation:
    # Near the three strengths that its map is set to, and mostly the strongest, which is learned last.
    return GaussianNoise(float(rng.choice(NOISE_SIGMAS, p=(0.15, 0.25, 0.6)) + rng.uniform(-2, 2)))


def _paper_blur(rng: np.random.Generator) -> Degradation:
    return GaussianBlur(int(rng.choice(BLUR_SIZES)))


def _always(degradation: Degradation) -> Draw:
    return lambda rng: degradation


_NOISES = tuple(GaussianNoise(sigma) for sigma in NOISE_SIGMAS)
_BLURS = tuple(GaussianBlur(size) for size in BLUR_SIZES)

# The toolset `paper`: each network knows one distortion alone (sections 2.1 and 3.1), and no hybrids.
_PAPER_TOOLS: dict[str, ToolRecipe] = {
    "ffdnet": ToolRecipe(
        partial(FFDNet, FFDNET_WIDTH),
        _paper_noise,
        Mixture(_NOISES),
        _NOISES,
        lr=0.007,
        condition=_noise_strength,
        strongest=float(NOISE_SIGMAS[-1]),
    ),
    **{
        f"fast-arcnn-{jpeg.quality}": ToolRecipe(FastARCNN, _always(jpeg), jpeg, (jpeg,), lr=0.015)
        for jpeg in map(JpegCompression, JPEG_QUALITIES)
    },
    "srcnn": ToolRecipe(SRCNN, _paper_blur, Mixture(_BLURS), _BLURS, lr=0.004),
    "srn": ToolRecipe(SRN, _paper_blur, Mixture(_BLURS), _BLURS, lr=0.01, pyramid=True),
}


# How a degradation of RL-Restore's recipe is made from its strength, for each of its types of tools.
_RL_RESTORE: tuple[tuple[tuple[Band, ...], Callable[[float], Degradation]], ...] = (
    (BLUR_BANDS, RLRestoreRecipe.blur),
    (NOISE_BANDS, GaussianNoise),
    (JPEG_BANDS, lambda quality: JpegCompression(round(quality))),
)


def _rl_restore(network: Callable[[], nn.Module], band: Band, make: Callable[[float], Degradation]) -> ToolRecipe:
    def own(rng: np.random.Generator) -> Degradation:
        return make(float(rng.uniform(min(band), max(band))))

    return ToolRecipe(network, own, degradations.resolve("rl-restore-moderate"), (make(band.middle),), lr=0.004)


_RL_RESTORE_TOOLS: dict[str, ToolRecipe] = {
    f"rl-restore-{number}": _rl_restore(network, band, make)
    for number, network, (band, make) in zip(
        range(1, 13),
        TOOL_CLASSES,
        [(band, make) for bands, make in _RL_RESTORE for band in bands],
        strict=True,
    )
}


def _register(name: str, recipe: ToolRecipe) -> None:
    tool_recipes.register(name, lambda: recipe)


for _name, _recipe in {**_HIRL, **_PAPER_TOOLS, **_RL_RESTORE_TOOLS}.items():
    _register(_name, _recipe)
