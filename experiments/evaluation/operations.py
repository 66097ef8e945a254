"""Counts the operations of networks while they run, with almost no overhead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

# Multiplications for each number of a result: its number of inputs, from the shape of the second argument.
_BY_OUTPUTS: dict[Callable[..., Any], Callable[[torch.Tensor], float]] = {
    F.conv2d: lambda weight: weight[0].numel(),
    F.linear: lambda weight: weight.shape[-1],
    torch.matmul: lambda right: right.shape[-2] if right.ndim > 1 else right.shape[0],
    torch.Tensor.matmul: lambda right: right.shape[-2] if right.ndim > 1 else right.shape[0],
    torch.bmm: lambda right: right.shape[-2],
}


class CountedOperations(TorchFunctionMode):
    """A context in which the operations of convolutions and matrix products are counted, as PyTorch counts them.

    Recurrent layers are not counted: RL-Restore's, the only network here that has one, spends almost nothing on it.

    `torch.utils.flop_counter.FlopCounterMode` counts the same but intercepts every operation: a network of many small
    convolutions takes twice as long under it, so its time could not be measured in the same run.

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
        result = func(*args, **(kwargs or {}))
        if func in _BY_OUTPUTS:
            self.gflop += 2e-9 * result.numel() * _BY_OUTPUTS[func](args[1])
        elif func is F.conv_transpose2d:
            self.gflop += 2e-9 * args[0].numel() * args[1][0].numel()
        return result
