"""Files of tensors and JSON values, as safetensors: reading one never runs code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from hirl_env.errors import first_line
from hirl_env.files import atomic_write

STATE = "state"  # key of the metadata under which everything but the tensors is
ALIGNMENT = 8  # bytes, of the header
CODES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def write_tensors(path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Writes tensors as safetensors, one after the other.

    The library's own writer needs memory for a second copy of all tensors, and the order of its metadata varies.

    Args:
        path: The file.
        tensors: Tensors by name.
        metadata: Text by name. The same tensors and metadata make the same bytes.
    """
    # The library's order: wide types first, so that each tensor is aligned.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for name in names:
        tensor = tensors[name]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with atomic_write(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            file.write(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def write_state(path: str | Path, state: Any, **metadata: str) -> None:
    """Writes a tree of dictionaries, lists and tuples that holds tensors, arrays, numbers, texts and None.

    Args:
        path: The file.
        state: The tree; a tensor that occurs twice is stored once.
        **metadata: Further metadata that `hirl_env.weights.read_metadata` returns, next to the tree as text.

    Raises:
        TypeError: If the tree holds anything else.
    """
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_packed(state, "", tensors, {}))
    write_tensors(path, tensors, metadata | {STATE: text})


def read_state(path: str | Path) -> Any:
    """The tree that `write_state` wrote, with tensors on the CPU.

    Raises:
        ValueError: If the file is missing, damaged, or of another kind.
    """
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {})[STATE]
            return _unpacked(json.loads(text), file)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except (SafetensorError, KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise ValueError(f"{path}: damaged, or no file of this package ({first_line(error)})") from None


def _packed(value: Any, name: str, tensors: dict[str, torch.Tensor], known: dict[Any, str]) -> Any:
    """A tree as JSON values; its tensors go into ``tensors``, by their place in the tree."""
    if isinstance(value, dict):
        return {"dict": [[key, _packed(each, f"{name}/{key}", tensors, known)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        packed = [_packed(each, f"{name}/{number}", tensors, known) for number, each in enumerate(value)]
        return packed if isinstance(value, list) else {"tuple": packed}
    if isinstance(value, torch.Tensor | np.ndarray):
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(value)
        if tensor.dtype not in CODES:
            raise TypeError(f"{name}: a file of tensors cannot hold {tensor.dtype}")
        same = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        stored = known.setdefault(same, _unused(name.removeprefix("/"), tensors))
        tensors[stored] = tensor
        return {"tensor" if isinstance(value, torch.Tensor) else "array": stored}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: a file of numbers and texts cannot hold a {type(value).__name__}")


def _unused(name: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """A name that no tensor has yet: two places may have one name, if a key has a slash in it."""
    while name in tensors:
        name += "'"
    return name


def _unpacked(value: Any, file: Any) -> Any:
    """The tree that was packed."""
    if isinstance(value, list):
        return [_unpacked(each, file) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "dict":
        return {key: _unpacked(each, file) for key, each in content}
    if kind == "tuple":
        return tuple(_unpacked(each, file) for each in content)
    tensor = file.get_tensor(content)
    return tensor.numpy() if kind == "array" else tensor
