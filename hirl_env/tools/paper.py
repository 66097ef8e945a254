"""The paper's 3 x 3 toolset (section 2.1)."""

from __future__ import annotations

from functools import lru_cache

from hirl_env.data.degradations import (
    BLUR_SIZES,
    JPEG_QUALITIES,
    NOISE_SIGMAS,
    GaussianBlur,
    GaussianNoise,
    JpegCompression,
)
from hirl_env.tools.fast_arcnn import FastARCNN
from hirl_env.tools.ffdnet import FFDNet
from hirl_env.tools.sharpen import Sharpen
from hirl_env.tools.srcnn import SRCNN
from hirl_env.tools.srn import SRN
from hirl_env.tools.tool import Conditioned, Tool, shipped
from hirl_env.tools.toolset import ShippedToolset, Toolset
from hirl_env.weights import makes_networks

FFDNET_WIDTH = 72  # published: 96, with which the toolset's three FFDNets cost 5.2 GFLOP for 64x64 pixels, not 3.0


@lru_cache(maxsize=1)
@makes_networks
def paper_toolset() -> Toolset:
    """The toolset with the shipped weights; made once per process and shared."""
    ffdnet = shipped(FFDNet(FFDNET_WIDTH), "paper", "ffdnet")
    denoise = [Tool(f"FFDNet {sigma}", Conditioned(ffdnet, sigma), GaussianNoise(sigma)) for sigma in NOISE_SIGMAS]
    dejpeg = [
        Tool(f"Fast AR-CNN {quality}", shipped(FastARCNN(), "paper", f"fast-arcnn-{quality}"), JpegCompression(quality))
        for quality in JPEG_QUALITIES
    ]
    # The paper sorts the three deblurring tools by their results on Gaussian blur.
    sorted_tools = {
        "Sharpen": Sharpen(),
        "SRCNN": shipped(SRCNN(), "paper", "srcnn"),
        "SRN": shipped(SRN(), "paper", "srn"),
    }
    deblur = [
        Tool(name, network, GaussianBlur(size))
        for (name, network), size in zip(sorted_tools.items(), BLUR_SIZES, strict=True)
    ]
    return ShippedToolset({"denoise": denoise, "dejpeg": dejpeg, "deblur": deblur})
