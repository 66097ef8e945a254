"""A rescaling of values under which small gains count next to large ones."""

from __future__ import annotations

import torch


def squashed(values: torch.Tensor) -> torch.Tensor:
    """``2 sign(x) (sqrt(1 + |x|) - 1)``: about x near zero, and about twice its square root far from it.

    Small gains are the hardest to distinguish from none: undoing a JPEG alone gains 1 dB at best, noise alone 11. After
    Pohlen et al., "Observe and Look Further" (2018), whose h(x) has half this slope.
    """
    return 2 * values.sign() * ((values.abs() + 1).sqrt() - 1)


def unsquashed(values: torch.Tensor) -> torch.Tensor:
    """Undoes `squashed`."""
    return values.sign() * ((values.abs() / 2 + 1).square() - 1)
