"""The number of processor threads that a command may use."""

from __future__ import annotations

import torch

from hirl_experiments.command_line.checks import at_least


def use_threads(threads: int | None) -> None:
    """Bounds the threads of PyTorch; None leaves them unchanged.

    Raises:
        ValueError: If the number is less than one.
    """
    at_least(1, threads=threads)
    if threads is not None:
        torch.set_num_threads(threads)
