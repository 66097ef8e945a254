"""Quality measures: they score images, and the gain in score over a step is its reward."""

from hirl_env.quality.full_reference import look_alike, psnr, ssim
from hirl_env.quality.measure import BlindNetwork, Measure
from hirl_env.quality.paq2piq import PaQ2PiQ, load_paq2piq
from hirl_env.quality.registry import measures, weighted

__all__ = [
    "BlindNetwork",
    "Measure",
    "PaQ2PiQ",
    "load_paq2piq",
    "look_alike",
    "measures",
    "psnr",
    "ssim",
    "weighted",
]
