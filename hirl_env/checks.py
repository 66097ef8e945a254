"""What is checked of arguments in several places."""

from __future__ import annotations

import numpy as np
import torch


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1. ``True`` is not, though Python takes it for 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def times_written(images: torch.Tensor) -> int | None:
    """How often a tensor has been written into; None under ``torch.inference_mode()``, where nobody counts."""
    return None if images.is_inference() else images._version
