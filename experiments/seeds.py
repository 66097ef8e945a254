"""Seeds of runs that have no randomness in common."""

from __future__ import annotations

import numpy as np

BITS = 32  # of the seeds that NumPy's and Stable-Baselines3's generators take


def spaced_seeds(entropy: int, count: int, width: int) -> list[int]:
    """Seeds that `numpy.random.SeedSequence` draws, with nothing in common between ``seed + i`` of any two.

    A run seeds sub-environment i with ``seed + i``, and starts from ``seed + steps`` where it was resumed; runs with
    seeds 0 and 1 would share most of their sub-environments.

    Args:
        entropy: What the seeds follow from, not negative. More seeds from the same entropy begin with the same seeds.
        count: How many.
        width: How many successive numbers, the seed first, belong to each.

    Returns:
        Multiples of ``width``; each with its successors is below 2**32.

    Raises:
        ValueError: If there is no room for so many.
    """
    places = 2**BITS // width
    if count > places:
        raise ValueError(f"there is room for {places} seeds that are {width} apart, not for {count}")
    sequence = np.random.SeedSequence(entropy)
    words = 2 * count
    while True:
        drawn = sequence.generate_state(words).astype(np.int64) // width
        seeds = [int(place) * width for place in dict.fromkeys(drawn[drawn < places].tolist())]
        if len(seeds) >= count:
            return seeds[:count]
        words *= 2
