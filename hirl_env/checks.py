"""What is checked of arguments in several places."""

from __future__ import annotations

import numpy as np


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1. ``True`` is not, though Python takes it for 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)
