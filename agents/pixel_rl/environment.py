"""PixelRL's own environment: every pixel of an image acts at every step.

The main environment applies one tool to a whole image, chosen from a grid of types and degrees. Here every pixel takes
an action, and chooses among nine fixed filters. Neither fits that grid, so this environment has its own interface.
Photographs and degradations are the same.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from hirl_agents.pixel_rl.actions import act
from hirl_env.arrays import Pixels
from hirl_env.data.images import in_grey
from hirl_env.data.photographs import Photograph
from hirl_env.data.samples import Samples

STEPS = 5  # in an episode


class PixelEnvironment:
    """A batch of degraded crops in which every pixel is an agent.

    Args:
        samples: Source of the crops: photographs with references, and a crop size.
        batch: Number of crops side by side.
        channels: Number of channels: 3, or 1 for grey. Then photographs are turned grey and degraded as three equal
            channels, of which the first is used: so degradations must bring no coloured content of their own, as
            ``light`` does. With noise and JPEG this leaves less noise than a grey camera would,
            because JPEG averages the noise of the three.
        device: Device of the images.

    Attributes:
        images: Current images, (N, C, H, W), float32 in [0, 1].
        references: Clean originals, of the same shape.

    Raises:
        ValueError: If ``samples`` has no crop size, or an argument is not one of the above.
    """

    images: torch.Tensor
    references: torch.Tensor

    def __init__(
        self, samples: Samples, batch: int = 64, channels: int = 3, device: str | torch.device = "cpu"
    ) -> None:
        if samples.crop_size is None:
            raise ValueError("PixelEnvironment needs samples with a crop size: images are restored side by side")
        if batch < 1 or channels not in (1, 3):
            raise ValueError(f"batch must be at least 1 and channels 1 or 3, got {batch} and {channels}")
        self.samples, self.batch, self.channels, self.device = samples, batch, channels, device

    def reset(self, rng: np.random.Generator) -> torch.Tensor:
        """Draws new crops, randomly mirrored and rotated; returns the distorted images.

        Raises:
            ValueError: If a photograph has no reference, or is smaller than the crop.
        """
        images, references = [], []
        for _ in range(self.batch):
            photograph = _turned(self.samples.photographs.draw(rng, self.samples.crop_size or 1), rng)
            sample = self.samples.of(_grey(photograph) if self.channels == 1 else photograph, rng)
            if sample.reference is None:
                raise ValueError(
                    f"{self.samples.photographs.name}: {sample.name} has no reference, and rewards need one"
                )
            images.append(sample.distorted[: self.channels])
            references.append(sample.reference[: self.channels])
        self.images = torch.stack(images).to(self.device)
        self.references = torch.stack(references).to(self.device)
        return self.images

    def step(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Applies the action of every pixel.

        Args:
            actions: Actions, integers (N, H, W), indices of `ACTIONS`.

        Returns:
            The new images, and the rewards (N, 1, H, W): 255 times the decrease of the squared error, averaged over the
            channels.

        Raises:
            ValueError: If the actions have another shape, or name no filter.
        """
        before = self._error()
        self.images = act(self.images, actions)
        return self.images, 255 * (before - self._error())

    def _error(self) -> torch.Tensor:
        return (self.images - self.references).square().mean(dim=1, keepdim=True)


def _turned(photograph: Photograph, rng: np.random.Generator) -> Photograph:
    mirror, turns = rng.choice((1, -1)), int(rng.integers(4))

    def turn(pixels: Pixels | None) -> Pixels | None:
        return None if pixels is None else np.rot90(pixels[:, ::mirror], turns)

    return replace(photograph, reference=turn(photograph.reference), distorted=turn(photograph.distorted))


def _grey(photograph: Photograph) -> Photograph:
    """The photograph's luma in three equal channels."""
    reference, distorted = (
        None if each is None else in_grey(each) for each in (photograph.reference, photograph.distorted)
    )
    return replace(photograph, reference=reference, distorted=distorted)
