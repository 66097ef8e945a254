"""The values of a Q-network averaged over all rotations and mirror images of an image."""

from __future__ import annotations

import torch
from torch import nn

from hirl_agents.networks.cell_q import CellQ

# Quarter turns, and whether mirrored; first those after which an image has its height and width still.
TURNS = tuple((turn, mirror) for turns in ((0, 2), (1, 3)) for mirror in (False, True) for turn in turns)
UPRIGHT = len(TURNS) // 2
FEW = 4  # images: so few are faster in several orientations at once, more fill the processor's cache by themselves


class TurnAveraged(nn.Module):
    """The mean of a Q-network's values over the eight rotations and mirror images of an image, less its doubt.

    A tool gains much the same in any orientation, while the errors of the network differ. So the mean is nearer the
    truth, and the spread shows how uncertain the network is about the image. All values are lowered by ``doubt`` times
    the standard deviation of the largest: that does not change which tool is chosen, only when to stop.

    Args:
        network: Network in evaluation mode.
        turns: Number of rotations and mirror images to average over, 1 to 8; 1 is the image as it is, without doubt.
    """

    def __init__(self, network: CellQ, turns: int = len(TURNS)) -> None:
        super().__init__()
        self.network, self.turns = network, TURNS[:turns]
        self.n_types, self.n_degrees = network.n_types, network.n_degrees

    def forward(self, images: torch.Tensor, looks: int = 1) -> torch.Tensor:
        """Cell values (N, types, degrees) of images (N, C, H, W); ``looks`` as in `CellQ.forward`."""
        # Rotations of one crop share its content, and much of their error, so they do not count as looks.
        seen = self.network.input_of(images)  # once, because its maps rotate with the images
        together = UPRIGHT if len(seen) <= FEW else 1
        batches = [self.turns[first : first + together] for first in range(0, len(self.turns), together)]
        values = torch.cat([self._values(seen, batch, looks) for batch in batches])
        deviations, means = torch.std_mean(values, dim=0, correction=0)
        largest = means.flatten(1).argmax(dim=1, keepdim=True)
        doubt = self.network.doubt * deviations.flatten(1).gather(1, largest)
        return means - doubt[..., None] / looks**0.5

    def _values(self, seen: torch.Tensor, turns: tuple[tuple[int, bool], ...], looks: int) -> torch.Tensor:
        """Values (turns, N, types, degrees) of inputs (N, C, H, W) in several orientations, in one batch."""
        batch = torch.cat([turned(seen, *turn) for turn in turns])
        return self.network.values(batch, looks).unflatten(0, (len(turns), -1))


def turned(images: torch.Tensor, turns: int, mirror: bool) -> torch.Tensor:
    """Images (N, C, H, W) after a number of quarter turns, and mirrored, in the fastest layout for convolutions."""
    images = images.rot90(turns, dims=(2, 3))
    return (images.flip(3) if mirror else images).contiguous(memory_format=torch.channels_last)
