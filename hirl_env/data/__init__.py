"""The images that episodes begin with: photographs, and the degradations that distort them."""

from hirl_env.data.datasets import DATASETS
from hirl_env.data.degradations import (
    Degradation,
    GaussianBlur,
    GaussianNoise,
    InOrder,
    JpegCompression,
    Mixture,
    MotionBlur,
    RLRestoreRecipe,
    degradations,
)
from hirl_env.data.photographs import Photographs, image_sources

__all__ = [
    "DATASETS",
    "Degradation",
    "GaussianBlur",
    "GaussianNoise",
    "InOrder",
    "JpegCompression",
    "Mixture",
    "MotionBlur",
    "Photographs",
    "RLRestoreRecipe",
    "degradations",
    "image_sources",
]
