"""Weights on disk: safetensors, written whole or not at all, and checked when read."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_safetensors
from torch import nn

from hirl_env.tensor_files import write_tensors

HASHES = "SHA256SUMS"
SCALE = ".scale"  # of kernels in whole numbers: follows their name
KERNEL_DIMENSIONS = 4  # output and input channels, height, width
Reader = TypeVar("Reader", bound=Callable[..., Any])


def save_weights(
    network: nn.Module, path: str | Path, dtype: torch.dtype = torch.float32, metadata: dict[str, str] | None = None
) -> None:
    """Writes a network's weights as safetensors.

    Args:
        network: Network whose weights are saved.
        path: The file.
        dtype: Type in which numbers that are not whole are stored. float16 halves the file. int8 halves it once more:
            the kernels of convolutions become whole numbers, with a scale for each pair of channels, the rest float16.
        metadata: Strings that `read_metadata` is to return.

    Raises:
        ValueError: If a weight is not finite, or too large for ``dtype``.
    """
    state: dict[str, torch.Tensor] = {}
    for name, value in network.state_dict().items():
        state |= _stored(name, value.detach().cpu(), dtype)
    for name, stored in state.items():
        if not stored.isfinite().all():
            raise ValueError(f"weights {path}: {name} is not finite as {str(stored.dtype).removeprefix('torch.')}")
    write_tensors(path, state, metadata or {})


def preserves_rng_state(read: Reader) -> Reader:
    """Decorates a function that makes networks and fills them; it leaves torch's generator as it was."""
    return torch.random.fork_rng(devices=[])(read)


def load_weights(network: nn.Module, path: str | Path, prefix: str = "") -> None:
    """Fills a network from a safetensors file, in place.

    Where a file ``SHA256SUMS`` lies beside it and lists it, its hash is checked first.

    Args:
        network: Network to fill.
        path: The file.
        prefix: Prefix of the names of its weights, where it is a part of the network that was saved.

    Raises:
        ValueError: If the file is missing, damaged, or made for another network.
    """
    data = _read(Path(path))
    try:
        state = _scaled(load_safetensors(data))
    except SafetensorError as error:
        raise _not_whole(path, error) from None
    try:
        network.load_state_dict(
            {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        )
    except RuntimeError as error:
        # PyTorch lists all that does not fit, a line each.
        first, *_ = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        reason = textwrap.shorten(first, 120, placeholder=" ...")
        raise ValueError(f"weights {path}: made for another network than {type(network).__name__} ({reason})") from None


def read_metadata(path: str | Path) -> dict[str, str]:
    """What `save_weights` was given as ``metadata``; empty where there was none.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    _read(Path(path))
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise _not_whole(path, error) from None


def read_sizes(path: str | Path, metadata: Mapping[str, str], bounds: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Whole numbers among what a file of weights says of its network: one from elsewhere may say anything.

    Args:
        path: The file.
        metadata: Metadata of the file.
        bounds: Bounds of each number that may be there, least and most.

    Raises:
        ValueError: If one is no whole number, or out of bounds.
    """
    sizes = {}
    for name, (least, most) in bounds.items():
        if name in metadata:
            text = metadata[name]
            if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
                shown = textwrap.shorten(text, 40, placeholder=" ...")
                raise ValueError(f"weights {path}: {name} must be {least} to {most}, got {shown!r}")
            sizes[name] = int(text)
    return sizes


def _stored(name: str, value: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """One weight as it is stored, by name."""
    if not value.is_floating_point():
        return {name: value}  # batch norm counts its batches, beyond what float16 can count to
    if dtype != torch.int8:
        return {name: value.to(dtype).contiguous()}
    if value.ndim != KERNEL_DIMENSIONS:
        return {name: value.half().contiguous()}
    scale = value.abs().amax(dim=(2, 3), keepdim=True) / torch.iinfo(torch.int8).max
    whole = (value / scale).nan_to_num().round()  # kernels of zeros have a scale of zero
    return {name: whole.to(torch.int8).contiguous(), name + SCALE: scale.float()}


def _scaled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of which some were stored as whole numbers and a scale."""
    return {
        name: value * state[name + SCALE] if name + SCALE in state else value
        for name, value in state.items()
        if name.removesuffix(SCALE) not in state.keys() - {name}
    }


def _read(path: Path) -> bytes:
    """The bytes of a weight file, its hash checked where one is listed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        shipped = (path.parent / HASHES).is_file()
        remedy = "install the package again" if shipped else "name a file of weights"
        raise ValueError(f"weights {path}: {error.strerror}; {remedy}") from None
    expected = _listed_hashes(path.parent).get(path.name)
    if expected is not None and hashlib.sha256(data).hexdigest() != expected:
        raise ValueError(f"weights {path}: damaged (not the file that {HASHES} lists); install the package again")
    return data


def _not_whole(path: str | Path, error: Exception) -> ValueError:
    return ValueError(f"weights {path}: not a whole safetensors file ({error}); train or copy them again")


def _listed_hashes(folder: Path) -> dict[str, str]:
    """File name to SHA-256, from a list in the format of ``sha256sum``."""
    listing = folder / HASHES
    if not listing.is_file():
        return {}
    lines = (line.split(maxsplit=1) for line in listing.read_text().splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in lines}
