"""Where episodes come from: photographs, and what distorts them."""

from hirl_env.data.degradations import (
    Degradation,
    GaussianBlur,
    GaussianNoise,
    JpegCompression,
    Mixture,
    MotionBlur,
    RLRestoreRecipe,
    Sequence,
    degradations,
)
from hirl_env.data.photographs import DATASETS, Photographs, open_photographs, photographs

__all__ = [
    "DATASETS",
    "Degradation",
    "GaussianBlur",
    "GaussianNoise",
    "JpegCompression",
    "Mixture",
    "MotionBlur",
    "Photographs",
    "RLRestoreRecipe",
    "Sequence",
    "degradations",
    "open_photographs",
    "photographs",
]
