"""What evaluations begin with: distorted crops of photographs, the same each time, side by side in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from hirl_env.data.degradations import Degradation, degradations
from hirl_env.data.photographs import Photographs
from hirl_env.data.samples import Sample, Samples, stacked
from hirl_env.devices import Precision
from hirl_env.quality import Measure
from hirl_env.quality.measure import ScoreFunction
from hirl_env.restoration import Restoration
from hirl_env.reward import Reward, rewards
from hirl_env.tabulate import PIXELS
from hirl_env.tools.toolset import Toolset


def evaluation_samples(
    photographs: Photographs, degradation: str | Degradation | None, crop: int | None, per_image: int, seed: int
) -> Iterator[Sample]:
    """Distorted crops of every photograph, one after the other, as of `Samples.of_each`.

    Args:
        photographs: Pictures with references.
        degradation: A degradation or its name; None takes pictures as they come, with or without references.
        crop: Side of the crops, pixels; None for whole pictures.
        per_image: Number of crops of each picture.
        seed: Seed of crops and degradations.
    """
    resolved = None if degradation is None else degradations.resolve(degradation)
    return Samples(photographs, resolved, crop).of_each(per_image, seed)


def batches(samples: Iterable[Sample], pixels: int = PIXELS) -> Iterator[list[Sample]]:
    """Samples side by side, all of one size; a batch is full where one more would exceed ``pixels``: a bound on memory.

    An image that exceeds them alone is a batch of one.
    """
    pending: dict[torch.Size, list[Sample]] = {}
    for sample in samples:
        batch = pending.setdefault(sample.distorted.shape, [])
        batch.append(sample)
        if (len(batch) + 1) * sample.distorted[0].numel() > pixels:
            yield pending.pop(sample.distorted.shape)
    yield from pending.values()


def begin(
    batch: Sequence[Sample],
    toolset: Toolset,
    precision: Precision,
    reward: str | Measure | ScoreFunction | Reward = "psnr",
) -> Restoration:
    """A restoration of a batch of samples before its first step, for a reward as of an environment."""
    wanted = rewards.resolve(reward)
    restoration = Restoration(toolset, wanted.measure, precision=precision, price=wanted.price)
    restoration.begin(*stacked(batch))
    return restoration
