"""Restores images of any size with PixelRL."""

from __future__ import annotations

from functools import partial

import torch

from hirl_agents.common.tiling import TILE, Tiles
from hirl_agents.pixel_rl.actions import act
from hirl_agents.pixel_rl.environment import STEPS
from hirl_agents.pixel_rl.network import PixelRL
from hirl_env.devices import Precision

# In one step, a pixel depends on others up to 18 pixels away (trunk 10, policy 5, memory 2, head 1); in five steps, up
# to 90.
OVERLAP = 96  # pixels; a multiple of 16


@torch.no_grad()
def restore(network: PixelRL, images: torch.Tensor, precision: Precision = "float32", tile: int = TILE) -> torch.Tensor:
    """Restores images in five steps, in which every pixel takes its most likely action.

    A grey network restores a colour image channel by channel. Pictures larger than a tile are restored in tiles, so
    memory is bounded; the tiles overlap by as much as pixels depend on each other.

    Args:
        network: Network that acts, on the images' device.
        images: Images (N, 3, H, W), float32 in [0, 1], any H and W.
        precision: Precision of the network.
        tile: Side of a tile, a multiple of 16.

    Returns:
        A new tensor of the same shape, in [0, 1].
    """
    if network.channels == 1:
        images = images.flatten(0, 1)[:, None]
    restored: torch.Tensor = Tiles(partial(_restored, network, precision), tile, OVERLAP)(images)
    return restored if network.channels == 3 else restored.reshape(-1, 3, *images.shape[-2:])


def _restored(network: PixelRL, precision: Precision, images: torch.Tensor) -> torch.Tensor:
    memory = network.blank(images)
    for _ in range(STEPS):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits, memory = network.logits(images.contiguous(memory_format=torch.channels_last), memory)
        images = act(images, logits.argmax(dim=1))
    return images
