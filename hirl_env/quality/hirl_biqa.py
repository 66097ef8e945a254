"""hirl-biqa: the embedded blind measure, a small network trained on computed scores."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from hirl_env.log_variances import SCALES, with_log_variances
from hirl_env.resnet import ResNet18
from hirl_env.weights import load_weights, makes_networks

WEIGHTS = Path(__file__).parent / "weights" / "hirl-biqa.safetensors"
CROP = 64  # pixels, as in training; of smaller pictures the scores mean nothing: noise would raise them
BATCH = 256  # crops per forward pass
MIRRORS = (), (-1,), (-2,), (-2, -1)  # the dimensions that are flipped
MAP = 20  # cells of a quality map each way, as in PaQ-2-PiQ


class LogVariances(nn.Module):
    """Adds to images (N, 3, H, W) the three maps of `with_log_variances`."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 6, H, W)."""
        return with_log_variances(images)


class BlindQuality(nn.Module):
    """A ResNet-18 that scores every position of an image; the image's score is the mean of these.

    It resembles PaQ-2-PiQ (Ying et al., CVPR 2020), which pools regions of a ResNet-18 trunk. Here the head scores
    first and pools last, like the full-reference measures that it learns from: so a score is the mean over a picture of
    any size from 64x64 pixels on, and a map shows where it comes from. In addition to the image it sees its local
    variances (`with_log_variances`).

    Args:
        width: Width of the ResNet-18.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        *trunk, _, _ = ResNet18(width, channels=3 + SCALES)  # without its average pooling
        self.trunk = nn.Sequential(LogVariances(), *trunk)
        self.head = nn.Sequential(nn.Conv2d(8 * width, 128, 1), nn.ReLU(inplace=True), nn.Conv2d(128, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N,), about 0 (worst) to 100, of images (N, 3, H, W) in [0, 1] of at least 64x64 pixels."""
        return self.local_scores(images).mean(dim=(1, 2))

    def local_scores(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, h, w) of positions about 32 pixels apart, crop by crop: where crops overlap, positions do too."""
        # From (row of crops, column of crops, image, positions) to the positions of the crops in the image.
        return self._scores_of_crops(images).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)

    def _scores_of_crops(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (rows of crops, columns of crops, N, h, w) of the positions in each crop.

        Images are cut into crops as large as those in training: a network trained on small crops, where borders are
        always near, is unreliable where there are none.
        """
        tops, lefts = (_offsets(length) for length in images.shape[-2:])
        crops = torch.cat([images[..., top : top + CROP, left : left + CROP] for top in tops for left in lefts])
        local = torch.cat([self.head(self.trunk(part))[:, 0] for part in crops.split(BATCH)]).float()
        # The network's outputs are about one in size; scores are on a scale of about 0 to 100.
        return 50 + 25 * local.unflatten(0, (len(tops), len(lefts), len(images)))

    def quality_map(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, 20, 20) of the parts of images that a grid of 20x20 cuts them into.

        A pixel has the score of its position; where crops overlap, the mean of theirs. The map is averaged over four
        mirror images: training sees only the scores of whole crops, so some positions in a crop score above others.
        """
        return torch.stack([self._map(images.flip(sides)).flip(sides) for sides in MIRRORS]).mean(0)

    def _map(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, 20, 20) of images, without averaging over mirror images."""
        height, width = images.shape[-2:]
        sums, counts = images.new_zeros((len(images), height, width)), images.new_zeros((height, width))
        for top, row in zip(_offsets(height), self._scores_of_crops(images), strict=True):
            for left, places in zip(_offsets(width), row, strict=True):
                window = (..., slice(top, top + CROP), slice(left, left + CROP))
                size = counts[window].shape
                sums[window] += F.interpolate(places[:, None], size, mode="nearest")[:, 0]
                counts[window] += 1
        return F.adaptive_avg_pool2d(sums / counts, MAP)


def _offsets(length: int) -> list[int]:
    """Where crops start along one side: they cover it with as little overlap as possible."""
    count = math.ceil(length / CROP)
    return [round(number * (length - CROP) / (count - 1)) for number in range(count)] if count > 1 else [0]


@makes_networks
def load_blind_quality(path: str | Path = WEIGHTS) -> BlindQuality:
    """The network with trained weights, ready for inference.

    Raises:
        ValueError: If the file is missing, damaged, or made for another network.
    """
    network = BlindQuality()
    load_weights(network, path)
    return network.eval().to(memory_format=torch.channels_last)
