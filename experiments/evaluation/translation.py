"""By how much tools move the picture, which they should not: a shift is no restoration."""

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
BORDER = 8  # pixels left out, where tools and Gaussians see beyond the image
SMALLEST = 32  # pixels: a smaller image has too little inside


def translation(references: Iterable[torch.Tensor], restored: Iterable[torch.Tensor]) -> Floats:
    """The rows and columns by which images are moved against others: the one translation that fits best to all.

    A small translation changes an image by its gradient, and so does a blur or a sharpening, but evenly to both sides:
    with the gradient of the unmoved image, what they change is uncorrelated (it is the instrument of the regression).

    Args:
        references: Images (3, H, W) that are where they should be.
        restored: Images of the same shape that may have been moved; they lie lower and further to the right where the
            result is positive.

    Returns:
        Rows and columns, (2,).

    Raises:
        ValueError: If an image has a side of fewer than `SMALLEST` pixels.
    """
    products, changes = np.zeros((2, 2)), np.zeros(2)
    for reference, image in zip(references, restored, strict=True):
        if min(image.shape[1:]) < SMALLEST:
            raise ValueError(f"translations are found in images of at least {SMALLEST}x{SMALLEST} pixels")
        before, after = (each.mean(dim=0).double().cpu().numpy() for each in (reference, image))
        unmoved, moved = (np.stack([_inside(plane, order) for order in ((1, 0), (0, 1))]) for plane in (before, after))
        products += unmoved @ moved.T
        changes -= unmoved @ _inside(after - before, (0, 0))
    return np.asarray(np.linalg.solve(products, changes), dtype=np.float64)


def _inside(plane: Floats, order: tuple[int, int]) -> Floats:
    """A plane's derivatives of that order down and to the right, without its borders, flat."""
    smooth: Floats = gaussian_filter(plane, SMOOTH, order)
    return smooth[BORDER:-BORDER, BORDER:-BORDER].ravel()


def moves(samples: Iterable[Sample], tools: Toolset, precision: Precision) -> dict[Cell | None, float]:
    """By how many pixels each tool moves images, against their references; None is of no tool.

    Args:
        samples: Distorted images with references.
        tools: Tools.
        precision: Precision of the tools' convolutions.
    """
    before: list[torch.Tensor] = []
    after: dict[Cell | None, list[torch.Tensor]] = {cell: [] for cell in (None, *tools.cells)}
    for batch in batches(samples):
        distorted, references = stacked(batch)
        assert references is not None
        before += references
        after[None] += distorted
        for cell in tools.cells:
            after[cell] += tools.apply(distorted.to(tools.device), cell, precision).cpu()
    return {cell: float(np.hypot(*translation(before, restored))) for cell, restored in after.items()}
