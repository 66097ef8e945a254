"""The measures' part of `hirl bench`: scores per second, and the share of an environment's step that a reward takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from hirl_env import RestoreVectorEnv
from hirl_env.quality import Measure, measures
from hirl_env.quality.paq2piq import cached_paq2piq
from hirl_experiments.benchmarks.agents import PHOTOGRAPH, degraded_photograph

CROPS = 32  # in a batch, and environments
SIDE = 64


def bench_quality(seconds: float, images: str, seed: int) -> list[dict[str, Any]]:
    """A row for each available measure; nothing is fetched, and measures that are left out are named.

    ``crops_per_second`` are of 64x64, 32 at a time, ``photographs_per_second`` of 481x321, one at a time; None if a
    measure needs larger pictures. ``of_step`` is the share of a step of the native environment of 32 that its reward
    takes.
    """
    sample = degraded_photograph(PHOTOGRAPH, seed)
    assert sample.reference is not None
    photograph = sample.distorted[None], sample.reference[None]
    crops = _crops(sample.distorted), _crops(sample.reference)
    rows = []
    for name in tqdm(measures.names(), desc="quality", leave=False, disable=None):
        try:
            measure = _at_hand(name)
        except (ValueError, ImportError) as error:
            tqdm.write(f"left out: {error}")
            continue
        fits = measure.smallest <= SIDE
        rows.append(
            {
                "measure": name,
                "crops_per_second": CROPS / _seconds(partial(measure.score, *crops), seconds) if fits else None,
                "photographs_per_second": 1 / _seconds(partial(measure.score, *photograph), seconds),
                "of_step": _share_of_step(measure, seconds, images, seed) if fits else None,
            }
        )
    return rows


def _at_hand(name: str) -> Measure:
    """The measure of that name; raises ValueError if it is not available without fetching something."""
    if name == "paq2piq" and not cached_paq2piq().is_file():
        raise ValueError(f"measure 'paq2piq' has no weights here yet: {cached_paq2piq()}")
    return measures.resolve(name)


def _crops(image: torch.Tensor) -> torch.Tensor:
    """32 crops of 64x64 from an image (3, H, W)."""
    squares = image.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE).permute(1, 2, 0, 3, 4).flatten(0, 1)
    return squares[:CROPS].contiguous()


def _seconds(task: Callable[[], object], seconds: float) -> float:
    """Seconds that a task takes, repeated for about ``seconds``, after one call to warm up."""
    task()
    calls, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds or calls == 0:
        task()
        calls += 1
    return spent / calls


def _share_of_step(measure: Measure, seconds: float, images: str, seed: int) -> float:
    """The time for scoring the images of a step, relative to that of the step; both measured in turns."""
    vector = RestoreVectorEnv(CROPS, reward=measure, images=images)
    vector.reset(seed=seed)
    rng = np.random.default_rng(seed)
    restoration = vector.task.restoration
    in_step = in_score = 0.0
    while in_step < seconds:
        actions = rng.integers((vector.task.toolset.n_types, vector.task.toolset.n_degrees), size=(CROPS, 2))
        began = time.perf_counter()
        _, _, terminated, truncated, _ = vector.step(actions)
        stepped = time.perf_counter()
        measure.score(restoration.state.images, restoration.state.references)
        in_step += stepped - began
        in_score += time.perf_counter() - stepped
        if (terminated | truncated).all():
            vector.reset()
    vector.close()
    return in_score / in_step
