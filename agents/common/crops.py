"""Cell values of images of any size: means over crops, in bounded memory."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch

from hirl_agents.common.tiling import GRID
from hirl_agents.networks import CellValues, TurnAveraged
from hirl_env.config import CROP_SIZE
from hirl_env.data.images import mirrored

LOOK = 1024  # the strategies look at no more than LOOK x LOOK pixels of an image
BATCH = 2**18  # pixels at a time, so that features of crops take little memory compared to a large picture


def cell_values(values: CellValues, images: torch.Tensor, crop: int = CROP_SIZE) -> torch.Tensor:
    """Cell values of images of any size, with bounded memory: means over crops of each image.

    Args:
        values: Function from images (N, C, h, w) to cell values.
        images: Images (N, C, H, W).
        crop: Side of the crops. They are spread evenly over the image; in a large image they cover 1024x1024 pixels in
            total. Each begins at a multiple of 16 pixels, so the last 15 may be left out. Smaller images are padded by
            reflection.

    Returns:
        (N, types, degrees).
    """
    crops = _crops(images, crop)
    batches = torch.cat(crops).split(max(1, BATCH // crop**2))
    valued = torch.cat([torch.as_tensor(values(batch)) for batch in batches])
    return valued.unflatten(0, (len(crops), len(images))).mean(dim=0)


def network_values(network: TurnAveraged, images: torch.Tensor, crop: int) -> torch.Tensor:
    """Cell values of a Q-network, as from `cell_values`; its stop margin depends on the number of crops.

    Args:
        network: Network averaged over rotations and mirror images.
        images: Images (N, C, H, W).
        crop: Side of the crops.

    Returns:
        (N, types, degrees).
    """
    return cell_values(partial(network, looks=len(_crops(images, crop))), images, crop)


def _crops(images: torch.Tensor, crop: int) -> list[torch.Tensor]:
    images = mirrored(images, crop)
    height, width = images.shape[-2:]
    return [
        images[..., top : top + crop, left : left + crop]
        for top in crop_offsets(height, crop)
        for left in crop_offsets(width, crop)
    ]


def crop_offsets(length: int, crop: int) -> list[int]:
    """Where crops start along one side: evenly spread, on the grid, no two alike, no more than fit into `LOOK`."""
    room = max(0, length - crop)
    count = min(math.ceil(length / crop), max(1, LOOK // crop))
    offsets = np.linspace(0, room, count) if count > 1 else np.array([room / 2])
    return list(dict.fromkeys(int(offset) // GRID * GRID for offset in offsets))
