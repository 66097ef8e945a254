"""The default toolset for restoring photographs: 4 x 4, three types of specialists and one of generalists."""

from __future__ import annotations

from functools import lru_cache

from hirl_env.data.degradations import GaussianBlur, GaussianNoise, JpegCompression
from hirl_env.tools.fast_arcnn import FastARCNN
from hirl_env.tools.ffdnet import FFDNet
from hirl_env.tools.tool import Conditioned, Tool, shipped
from hirl_env.tools.toolset import ShippedToolset, Toolset
from hirl_env.tools.unet import UNet
from hirl_env.weights import makes_networks

NOISES = (6, 15, 28, 48)  # standard deviations of noise, of 255
QUALITIES = {80: (66, 95), 50: (38, 65), 28: (20, 37), 14: (10, 19)}  # JPEG qualities, each with its range
BLURS = (0.7, 1.3, 2.1, 3.2)  # standard deviations of blurs, pixels
ERRORS = {5: "restore", 9: "restore", 15: "restore-strong", 24: "restore-strong"}  # strengths of mixtures: the network
BLUR_UNIT = 2.0  # strengths that the maps of the U-Nets show as 1
ERROR_UNIT = 16.0


@lru_cache(maxsize=1)
@makes_networks
def hirl_toolset() -> Toolset:
    """The toolset with the shipped weights; made once per process and shared."""
    denoise = shipped(FFDNet(), "hirl", "denoise")
    deblur = shipped(UNet(unit=BLUR_UNIT), "hirl", "deblur")
    restore = {name: shipped(UNet(unit=ERROR_UNIT), "hirl", name) for name in dict.fromkeys(ERRORS.values())}
    return ShippedToolset(
        {
            "denoise": [Tool(f"FFDNet {sigma}", Conditioned(denoise, sigma), GaussianNoise(sigma)) for sigma in NOISES],
            "dejpeg": [
                Tool(
                    f"Fast AR-CNN {quality}",
                    shipped(FastARCNN(), "hirl", f"dejpeg-{quality}"),
                    JpegCompression(quality),
                )
                for quality in QUALITIES
            ],
            "deblur": [
                Tool(f"Deblur {sigma}", Conditioned(deblur, sigma), GaussianBlur.of_sigma(sigma)) for sigma in BLURS
            ],
            "restore": [Tool(f"Restore {error}", Conditioned(restore[name], error)) for error, name in ERRORS.items()],
        }
    )
