"""Where tools and networks run, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, get_args

import torch

Precision = Literal["float32", "bf16"]
AnyPrecision = Literal["auto", "float32", "bf16"]


@contextmanager
def our_defaults() -> Iterator[None]:
    """A context, or a decorator, in which new tensors are float32 and on the CPU, whatever defaults were set."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    with ExitStack() as stack:
        if dtype != torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if device.type != "cpu":  # else it would slow down every call, for nothing
            stack.enter_context(torch.device("cpu"))
        yield


def available_device(device: str | torch.device) -> torch.device:
    """The device of that name; ``auto`` is the first available of cuda, mps, cpu.

    Raises:
        ValueError: If this machine has no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        empty = torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # PyTorch's own message fills a page
        there = [name for name in ("cuda", "mps") if getattr(torch, name).is_available()]
        raise ValueError(
            f"device {str(device)!r} is not available here; available are: {', '.join(['cpu', *there])}"
        ) from None
    return empty.device  # "cuda" becomes "cuda:0", which compares equal to the device named in full


def available_precision(precision: AnyPrecision, device: str | torch.device) -> Precision:
    """The precision to use on a device; ``auto`` is bf16 if the device has it in hardware, otherwise float32.

    Without hardware support, bf16 is converted back and forth, which is slower than float32.
    """
    if precision != "auto":
        return precision
    kind = available_device(device).type
    if kind == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = kind == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return "bf16" if native else "float32"


def check_precision(precision: str) -> None:
    """Raises ValueError if tools cannot run in ``precision``."""
    if precision not in get_args(Precision):
        raise ValueError(f"unknown precision {precision!r}; known are: {', '.join(get_args(Precision))}")
