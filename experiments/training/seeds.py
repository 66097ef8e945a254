"""Seeds of runs that have no randomness in common."""

from __future__ import annotations

import numpy as np

BITS = 32  # of the seeds that NumPy's and Stable-Baselines3's generators take
APART = 10**7  # how far seeds that people count up by one are moved from each other


def spaced_seed(seed: int) -> int:
    """The seed that a run with ``--seed`` draws from: those of seeds 0, 1, 2, ... 428 have nothing in common.

    A run seeds sub-environment i with its seed + i, and starts from its seed + steps where it was resumed.

    Args:
        seed: Seed of the run, not negative; 0 stays 0.
    """
    return seed * APART % (2**BITS - APART)


def spaced_seeds(entropy: int, count: int, width: int) -> list[int]:
    """Seeds that `numpy.random.SeedSequence` draws, with nothing in common between ``seed + i`` of any two.

    As `spaced_seed`, for any number of seeds.

    Args:
        entropy: Number that the seeds follow from, not negative. More seeds from the same entropy begin with the same
            seeds.
        count: Number of seeds.
        width: Number of successive numbers, the seed first, that belong to each.

    Returns:
        Multiples of ``width``; each with its successors is below 2**32.

    Raises:
        ValueError: If there is no room for so many.
    """
    slots = 2**BITS // width
    if count > slots:
        raise ValueError(f"there is room for {slots} seeds that are {width} apart, not for {count}")
    sequence = np.random.SeedSequence(entropy)
    words = 2 * count
    while True:
        drawn = sequence.generate_state(words).astype(np.int64) // width
        seeds = [int(slot) * width for slot in dict.fromkeys(drawn[drawn < slots].tolist())]
        if len(seeds) >= count:
            return seeds[:count]
        words *= 2
