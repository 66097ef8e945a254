"""What evaluations begin with: distorted crops of photographs, the same each time, side by side in batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from hirl_env.data.degradations import Degradation, degradations
from hirl_env.data.photographs import Photographs
from hirl_env.data.samples import Sample, Samples, stacked
from hirl_env.devices import Precision
from hirl_env.quality import Measure
from hirl_env.quality.measure import ScoreFunction
from hirl_env.restoration import Restoration
from hirl_env.reward import Reward, rewards
from hirl_env.tools.toolset import Toolset

PIXELS = 32 * 64 * 64  # of images restored side by side


def evaluation_samples(
    photographs: Photographs, degradation: str | Degradation | None, crop: int | None, per_image: int, seed: int
) -> Iterator[Sample]:
    """Distorted crops of every photograph, one after the other; the crops are the same for every degradation.

    Photographs that the crop does not fit into are left out, with a warning.

    Args:
        photographs: Pictures with references.
        degradation: A degradation or its name; None takes pictures as they come, with or without references.
        crop: Side of the crops, pixels; None for whole pictures.
        per_image: Number of crops of each picture.
        seed: Seed of crops and degradations.

    Raises:
        ValueError: If there is a degradation, and a photograph has no reference, or comes distorted already; or if the
            crop fits into none.
    """
    samples = Samples(photographs, None if degradation is None else degradations.resolve(degradation), crop)
    found, left_out = False, []
    for number, photograph in enumerate(photographs):
        if degradation is None:
            pass
        elif photograph.reference is None:
            raise ValueError(f"{photographs.name}: {photograph.name} has no reference to measure against")
        elif photograph.distorted is not None:
            raise ValueError(f"{photographs.name}: {photograph.name} comes distorted; give clean photographs")
        height, width = photograph.pixels.shape[:2]
        if crop is not None and min(height, width) < crop:
            left_out.append(f"{photograph.name} ({width}x{height})")
            continue
        found = True
        for part in range(per_image):
            yield samples.of(photograph, np.random.default_rng((seed, number, part)))
    if not found:
        raise ValueError(f"{photographs.name}: a crop of {crop}x{crop} fits into no picture; choose another crop size")
    if left_out:
        warnings.warn(f"{photographs.name}: left out, too small for a crop: {', '.join(left_out)}", stacklevel=2)


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
