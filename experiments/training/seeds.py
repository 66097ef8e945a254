"""Seeds for runs that share no randomness."""

from __future__ import annotations

import numpy as np

BITS = 32  # of the seeds that NumPy's and Stable-Baselines3's generators take
APART = 10**7  # distance between the spaced seeds of consecutive seeds


def spaced_seed(seed: int) -> int:
    """The seed that a run with ``--seed`` draws from; runs with seeds 0, 1, 2, ... 428 share no random numbers.

    A run seeds sub-environment i with its seed + i, and a resumed run starts from its seed + steps.

    Args:
        seed: Seed of the run, not negative; 0 stays 0.
    """
    return seed * APART % (2**BITS - APART)


def spaced_seeds(entropy: int, count: int, width: int) -> list[int]:
    """Seeds drawn by `numpy.random.SeedSequence`, such that the ranges ``seed + i`` of any two do not overlap.

    Like `spaced_seed`, for any number of seeds.

    Args:
        entropy: Number that determines the seeds, not negative. A longer list from the same entropy begins with the
            same seeds.
        count: Number of seeds.
        width: Number of successive integers, from the seed on, that belong to each seed.

    Returns:
        Multiples of ``width``; the whole range of each is below 2**32.

    Raises:
        ValueError: If that many ranges do not fit.
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
