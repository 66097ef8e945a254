"""Fills the pixels of a picture that nobody sees, so that they do not mislead what looks at all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Pixels = npt.NDArray[np.uint8 | np.uint16]
Positions = tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]  # rows and columns

PASSES = 4  # times that what is seen is mirrored outwards; each takes a second for 6 megapixels


def filled(pixels: Pixels, hidden: npt.NDArray[np.bool_]) -> Pixels:
    """Pixels of which the hidden ones are copies of visible ones, mirrored at the nearest border.

    Noise, blur and blocks of the visible pixels go on in the copies. The colour of the nearest visible pixel would
    spread in streaks, which look like no picture: an agent that averages over all crops then stops at once.

    Args:
        pixels: Pixels, (H, W) or (H, W, 3).
        hidden: Which are hidden, (H, W); not all.
    """
    return pixels[_sources(~hidden)] if hidden.any() else pixels


def bounding_box(seen: npt.NDArray[np.bool_], smallest: int = 1) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle around all pixels that are seen, (H, W), of which there are some.

    Its sides have at least ``smallest`` pixels, where the picture has them.
    """
    rows, columns = (_span(np.flatnonzero(seen.any(axis=1 - axis)), smallest, seen.shape[axis]) for axis in (0, 1))
    return rows, columns


def _span(seen: npt.NDArray[np.intp], smallest: int, length: int) -> slice:
    """From the first to the last that is seen along an axis of that length, and beyond where these are too few."""
    first, last = int(seen[0]), int(seen[-1]) + 1
    first = max(0, min(first, length - smallest))
    return slice(first, min(length, max(last, first + smallest)))


def _sources(known: npt.NDArray[np.bool_]) -> Positions:
    """The visible pixel that stands at each position."""
    every = np.indices(known.shape, dtype=np.int32)  # half the memory of other whole numbers
    rows, columns = every[0], every[1]
    for _ in range(PASSES):
        y, x = np.nonzero(~known)
        nearest_y, nearest_x = _nearest(known)
        mirrored_y, mirrored_x = 2 * nearest_y[y, x] - y, 2 * nearest_x[y, x] - x
        # Where it is outside or hidden itself, the next pass, which mirrors the copies as well, may find one.
        found = _inside(mirrored_y, mirrored_x, known.shape)
        found[found] = known[mirrored_y[found], mirrored_x[found]]
        if not found.any():
            break
        here, there = (y[found], x[found]), (mirrored_y[found], mirrored_x[found])
        rows[here], columns[here] = rows[there], columns[there]
        known = known.copy()
        known[here] = True
    nearest = _nearest(known)
    return rows[nearest], columns[nearest]


def _inside(
    rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer], shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return inside


def _nearest(known: npt.NDArray[np.bool_]) -> Positions:
    """The nearest known pixel of each position."""
    rows, columns = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return rows, columns
