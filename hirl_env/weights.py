"""Weights on disk: safetensors, written atomically and checked when read."""

from __future__ import annotations

import functools
import hashlib
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_safetensors
from torch import nn

from hirl_env.devices import our_defaults
from hirl_env.tensor_files import write_tensors

HASHES = "SHA256SUMS"
SCALE = ".scale"  # suffix of the name of a kernel stored as int8, for its scale
KERNEL_DIMENSIONS = 4  # output and input channels, height, width
Reader = TypeVar("Reader", bound=Callable[..., Any])


def save_weights(
    network: nn.Module, path: str | Path, dtype: torch.dtype = torch.float32, metadata: dict[str, str] | None = None
) -> None:
    """Writes a network's weights as safetensors.

    Args:
        network: Network whose weights are saved.
        path: The file.
        dtype: Type in which floating-point weights are stored. float16 halves the file. int8 halves it once more:
            the kernels of convolutions become int8, with a scale for each pair of channels, and the rest float16.
        metadata: Strings that `read_metadata` returns.

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


def makes_networks(read: Reader) -> Reader:
    """Decorates a function that makes networks and fills them.

    They come out the same whatever defaults torch has, and the state of its generator stays as it is.
    """

    @functools.wraps(read)
    def made(*args: Any, **kwargs: Any) -> Any:
        with our_defaults(), torch.random.fork_rng(devices=[]):
            return read(*args, **kwargs)

    return cast(Reader, made)


def load_weights(network: nn.Module, path: str | Path, prefix: str = "") -> None:
    """Fills a network from a safetensors file, in place.

    If a file ``SHA256SUMS`` in the same folder lists it, its hash is checked first.

    Args:
        network: Network to fill.
        path: The file.
        prefix: Prefix of the names of its weights, if it is a part of the network that was saved.

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
        # PyTorch lists everything that does not fit, one line each.
        first, *_ = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        reason = textwrap.shorten(first, 120, placeholder=" ...")
        raise ValueError(f"weights {path}: made for another network than {type(network).__name__} ({reason})") from None


def read_metadata(path: str | Path) -> dict[str, str]:
    """The ``metadata`` that `save_weights` was given; empty if there was none.

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
    """Integers in the metadata of a file of weights, checked because a file from elsewhere may hold anything.

    Args:
        path: The file.
        metadata: Metadata of the file.
        bounds: Bounds of each number that may be there, least and most.

    Raises:
        ValueError: If one is not an integer, or out of bounds.
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
        return {name: value}  # batch norm's count of batches, which float16 could not hold
    if dtype != torch.int8:
        return {name: value.to(dtype).contiguous()}
    if value.ndim != KERNEL_DIMENSIONS:
        return {name: value.half().contiguous()}
    scale = value.abs().amax(dim=(2, 3), keepdim=True) / torch.iinfo(torch.int8).max
    whole = (value / scale).nan_to_num().round()  # kernels of zeros have a scale of zero
    return {name: whole.to(torch.int8).contiguous(), name + SCALE: scale.float()}


def _scaled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights, with those that were stored as int8 multiplied by their scale."""
    return {
        name: value * state[name + SCALE] if name + SCALE in state else value
        for name, value in state.items()
        if name.removesuffix(SCALE) not in state.keys() - {name}
    }


def _read(path: Path) -> bytes:
    """The bytes of a weight file; its hash is checked if one is listed."""
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
    """SHA-256 by file name, from a list in the format of ``sha256sum``."""
    listing = folder / HASHES
    if not listing.is_file():
        return {}
    lines = (line.split(maxsplit=1) for line in listing.read_text().splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in lines}
