"""What is checked of arguments in several places."""

from __future__ import annotations

import math

import numpy as np
import torch


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1. ``True`` is not, though Python takes it for 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def fingerprint(images: torch.Tensor) -> tuple[int | None, float]:
    """What changes when a tensor is written into: how often that was done, and, on the CPU, nearly always its sum.

    PyTorch counts neither under ``torch.inference_mode()`` nor what is written through NumPy, which only the CPU knows.
    """
    times_written = None if images.is_inference() else images._version
    total = images.sum(dtype=torch.float64).item() if images.device.type == "cpu" else 0.0
    return times_written, 0.0 if math.isnan(total) else total  # one NaN is not equal to another
