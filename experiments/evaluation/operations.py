"""Counts what networks compute while they run, at next to no cost in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

# Multiplications and additions for each number of a result: as many as it has inputs, by the second argument.
_BY_OUTPUTS: dict[Callable[..., Any], Callable[[torch.Tensor], float]] = {
    F.conv2d: lambda weight: weight[0].numel(),
    F.linear: lambda weight: weight.shape[-1],
    torch.matmul: lambda right: right.shape[-2] if right.ndim > 1 else right.shape[0],
    torch.Tensor.matmul: lambda right: right.shape[-2] if right.ndim > 1 else right.shape[0],
    torch.bmm: lambda right: right.shape[-2],
}


class CountedOperations(TorchFunctionMode):
    """A context in which the operations of convolutions and matrix products are counted, as PyTorch counts them.

    Those of recurrent layers are not: the one network here that has such, RL-Restore's, spends next to nothing on it.

    `torch.utils.flop_counter.FlopCounterMode` counts the same, and looks at every operation for it: a network of many
    small convolutions takes twice as long under it, and its time could not be measured along the way.

    Attributes:
        gflop: Operations so far, 10^9; a multiplication and an addition are two.
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
        """Runs a function of PyTorch, and counts."""
        result = func(*args, **(kwargs or {}))
        if func in _BY_OUTPUTS:
            self.gflop += 2e-9 * result.numel() * _BY_OUTPUTS[func](args[1])
        elif func is F.conv_transpose2d:
            self.gflop += 2e-9 * args[0].numel() * args[1][0].numel()
        return result
