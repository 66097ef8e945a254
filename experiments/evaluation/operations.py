"""Counts the operations of networks while they run, with almost no overhead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


def _rows(right: torch.Tensor) -> int:
    return right.shape[-2] if right.ndim > 1 else right.shape[0]


# Multiplications for each number of a result: its number of inputs, from the shape of the second argument, whose name
# follows.
_BY_OUTPUTS: dict[Callable[..., Any], tuple[Callable[[torch.Tensor], int], str]] = {
    F.conv2d: (lambda weight: weight[0].numel(), "weight"),
    F.linear: (lambda weight: weight.shape[-1], "weight"),
    **dict.fromkeys((torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__), (_rows, "other")),
    **dict.fromkeys((torch.mm, torch.bmm, torch.Tensor.mm, torch.Tensor.bmm), (_rows, "mat2")),
}


class CountedOperations(TorchFunctionMode):
    """A context in which the operations of 2-D convolutions and of products of two matrices are counted.

    That is what networks here consist of. Recurrent layers are not counted: RL-Restore's, the only network here that
    has one, spends almost nothing on it. Neither are fused attention and einsum, which a network of a user may have.

    `torch.utils.flop_counter.FlopCounterMode` counts these, too, but intercepts every operation: a network of many
    small convolutions takes twice as long under it, so its time could not be measured in the same run.

    Attributes:
        gflop: GFLOP so far; a multiplication and an addition count as two operations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gflop = 0.0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Runs a function of PyTorch, and counts its operations."""
        named = kwargs or {}
        result = func(*args, **named)
        if func in _BY_OUTPUTS:
            inputs, second = _BY_OUTPUTS[func]
            self.gflop += 2e-9 * result.numel() * inputs(args[1] if len(args) > 1 else named[second])
        elif func is F.conv_transpose2d:
            image = args[0] if args else named["input"]
            weight = args[1] if len(args) > 1 else named["weight"]
            self.gflop += 2e-9 * image.numel() * weight[0].numel()
        return result
