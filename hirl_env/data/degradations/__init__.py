"""Degradations: what turns a reference into a distorted image.

A degradation is a small frozen value. It may be random in its kind or strength (`Unknown`, `Mixture`,
`RLRestoreRecipe`); `draw` settles that, and returns a degradation that lists its `steps` in the order of application.
Applying it draws the noise itself. All randomness comes from the generator that is passed in.

Every step rounds to 8 bits, as if the picture had been saved. No step shifts the picture, not even by half a pixel.
"""

from hirl_env.data.degradations.blur import AnisotropicBlur, DefocusBlur, GaussianBlur, MotionBlur, opencv_sigma
from hirl_env.data.degradations.camera import CameraNoise
from hirl_env.data.degradations.degradation import Degradation, InOrder, Mixture
from hirl_env.data.degradations.enlargement import Enlargement
from hirl_env.data.degradations.jpeg import DoubleJpeg, FullColourJpeg, JpegCompression
from hirl_env.data.degradations.noise import ChromaNoise, CoarseNoise, GaussianNoise, GreyNoise, ShotNoise
from hirl_env.data.degradations.recipes import (
    LIGHT_KINDS,
    Enlarged,
    Light,
    OtherPictures,
    Pictured,
    RLRestoreRecipe,
    Slight,
    Unknown,
)
from hirl_env.data.degradations.registry import (
    BLUR_SIZES,
    JPEG_QUALITIES,
    LEVELS,
    NOISE_SIGMAS,
    SINGLES,
    degradations,
)

__all__ = [
    "BLUR_SIZES",
    "JPEG_QUALITIES",
    "LEVELS",
    "LIGHT_KINDS",
    "NOISE_SIGMAS",
    "SINGLES",
    "AnisotropicBlur",
    "CameraNoise",
    "ChromaNoise",
    "CoarseNoise",
    "DefocusBlur",
    "Degradation",
    "DoubleJpeg",
    "Enlarged",
    "Enlargement",
    "FullColourJpeg",
    "GaussianBlur",
    "GaussianNoise",
    "GreyNoise",
    "InOrder",
    "JpegCompression",
    "Light",
    "Mixture",
    "MotionBlur",
    "OtherPictures",
    "Pictured",
    "RLRestoreRecipe",
    "ShotNoise",
    "Slight",
    "Unknown",
    "degradations",
    "opencv_sigma",
]
