"""BRISQUE (Mittal et al., IEEE TIP 2012): blind quality from the statistics of neighbouring pixels.

Needs the optional package ``brisque``, which carries the trained model.
"""

from __future__ import annotations

import numpy as np
import torch
from brisque import BRISQUE

SMALLEST = 14  # pixels: its window of 7, at half the size
FLAT = -100.0  # about the score of almost flat pictures; a crop of clear sky must not end a training with NaN


class _Model(BRISQUE):
    """A workaround: release 0.2.0 uses arrays of one element as numbers, which NumPy 2.4 refuses."""

    def scale_features(self, features: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = super().scale_features([np.ravel(feature)[0] for feature in features])
        return scaled


class Brisque:
    """Minus the BRISQUE of a picture, so that larger is better: near 0 for clean pictures, near -100 for bad ones.

    It runs on the CPU, one picture after the other.
    """

    def __init__(self) -> None:
        self._model = _Model()

    def __reduce__(self) -> tuple[type[Brisque], tuple[()]]:
        """Makes copies read the model again, because it lies in C's memory."""
        return Brisque, ()

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None = None) -> torch.Tensor:
        """Scores (N,), float32, of images (N, 3, H, W) in [0, 1]; -100 for flat images, which have no statistics."""
        pixels = images.clamp(0, 1).permute(0, 2, 3, 1).double().cpu().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = [-float(self._model.score(picture)) for picture in pixels]
        return images.new_tensor(np.nan_to_num(scores, nan=FLAT, posinf=FLAT, neginf=FLAT))
