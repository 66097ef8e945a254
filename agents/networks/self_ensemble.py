"""What a Q-network says of an image in all its turns and mirrors."""

from __future__ import annotations

import torch
from torch import nn

from hirl_agents.networks.cell_q import CellQ


class TurnAveraged(nn.Module):
    """The mean of what a Q-network says of an image in its eight turns and mirrors, less what it doubts.

    A tool gains much the same whichever side is up, while the errors of the network differ: their mean is nearer the
    truth, and how far they lie apart tells how little the network knows of the image. All values are lowered by the
    deviation of the largest, as often as the network's ``doubt`` says: that changes no choice, but when to stop.

    Args:
        network: Network in evaluation mode.
    """

    def __init__(self, network: CellQ) -> None:
        super().__init__()
        self.network, self.n_types, self.n_degrees = network, network.n_types, network.n_degrees

    def forward(self, images: torch.Tensor, looks: int = 1) -> torch.Tensor:
        """Cell values (N, types, degrees) of images (N, C, H, W); ``looks`` as of `CellQ.forward`."""
        # Turns of one crop share its content, and much of their error: they do not count as looks.
        turns = [(turn, mirror) for mirror in (False, True) for turn in range(4)]
        seen = self.network.checked(images)  # once: its maps turn with the images
        values = torch.stack([self.network.values(turned(seen, *turn), looks) for turn in turns])
        deviations, means = torch.std_mean(values, dim=0, correction=0)
        largest = means.flatten(1).argmax(dim=1, keepdim=True)
        doubt = self.network.doubt * deviations.flatten(1).gather(1, largest)
        return means - doubt[..., None] / looks**0.5


def turned(images: torch.Tensor, turns: int, mirror: bool) -> torch.Tensor:
    """Images (N, C, H, W) after a number of quarter turns, and mirrored, in the layout that convolves fastest."""
    images = images.rot90(turns, dims=(2, 3))
    return (images.flip(3) if mirror else images).contiguous(memory_format=torch.channels_last)
