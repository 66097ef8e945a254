"""Measures by how much tools shift the picture, which they should not do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from hirl_env.arrays import Floats
from hirl_env.data.samples import Sample, stacked
from hirl_env.devices import Precision
from hirl_env.tools.toolset import Cell, Toolset
from hirl_experiments.evaluation.sampling import batches

SMOOTH = 1.0  # standard deviation of the Gaussian whose derivatives are the gradients, pixels
BORDER = 8  # pixels left out, near which tools and Gaussians see beyond the image
SMALLEST = 32  # pixels: a smaller image has too little left inside its border


class Translation:
    """The rows and columns by which images are shifted against others: the single translation that best fits all.

    A small translation changes an image in proportion to its gradient. A blur or a sharpening changes edges
    symmetrically, which is uncorrelated with the gradient of the unshifted image. That gradient is the instrument of
    the regression.
    """

    def __init__(self) -> None:
        self._products, self._changes = np.zeros((2, 2)), np.zeros(2)

    def add(self, references: Iterable[torch.Tensor], restored: Iterable[torch.Tensor]) -> None:
        """Fits more images, which are not kept.

        Args:
            references: Images (3, H, W) that are not shifted.
            restored: Images of the same shape that may be shifted.

        Raises:
            ValueError: If an image has a side of fewer than `SMALLEST` pixels.
        """
        for reference, image in zip(references, restored, strict=True):
            if min(image.shape[1:]) < SMALLEST:
                raise ValueError(f"translations are found in images of at least {SMALLEST}x{SMALLEST} pixels")
            before, after = (each.mean(dim=0).double().cpu().numpy() for each in (reference, image))
            unmoved, moved = (
                np.stack([_inside(plane, order) for order in ((1, 0), (0, 1))]) for plane in (before, after)
            )
            self._products += unmoved @ moved.T
            self._changes -= unmoved @ _inside(after - before, (0, 0))

    def found(self) -> Floats:
        """Rows and columns, (2,); positive ones mean down and to the right."""
        return np.asarray(np.linalg.solve(self._products, self._changes), dtype=np.float64)


def _inside(plane: Floats, order: tuple[int, int]) -> Floats:
    """A plane's derivatives of that order (vertical, horizontal), without its borders, flattened."""
    smooth: Floats = gaussian_filter(plane, SMOOTH, order)
    return smooth[BORDER:-BORDER, BORDER:-BORDER].ravel()


def moves(samples: Iterable[Sample], tools: Toolset, precision: Precision) -> dict[Cell | None, float]:
    """The number of pixels by which each tool shifts images against their references; the key None is for no tool.

    Args:
        samples: Distorted images with references.
        tools: Tools.
        precision: Precision of the tools' convolutions.
    """
    fits: dict[Cell | None, Translation] = {cell: Translation() for cell in (None, *tools.cells)}
    for batch in batches(samples):
        distorted, references = stacked(batch)
        assert references is not None
        fits[None].add(references, distorted)
        for cell in tools.cells:
            fits[cell].add(references, tools.apply(distorted.to(tools.device), cell, precision))
    return {cell: float(np.hypot(*fit.found())) for cell, fit in fits.items()}
