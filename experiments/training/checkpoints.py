"""Checkpoints of stand-alone trainings: written atomically, and resumed only under the same settings."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from hirl_env.files import atomic_write
from hirl_experiments.command_line.settings import differences


def write_checkpoint(path: Path, settings: dict[str, Any], state: dict[str, Any]) -> None:
    """Writes the state of a run, with its settings."""
    # Through memory, because torch reports a full disk as a RuntimeError without the file's name.
    buffer = io.BytesIO()
    torch.save(state | {"settings": settings}, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def read_checkpoint(path: Path, weights: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The state of a run, its tensors on the CPU; None if no run has begun.

    Args:
        path: The checkpoint.
        weights: File that the run will write; a file of another run is not overwritten.
        settings: Settings of the run to resume.

    Raises:
        ValueError: If the checkpoint is damaged or has other settings, or weights exist without a checkpoint.
    """
    if not path.is_file():
        if weights.exists():
            raise ValueError(f"{weights} is there already, without its checkpoint; choose another --out")
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before = state["settings"]
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged; start over in another --out") from None
    if changed := differences(before, settings):
        raise ValueError(
            f"{path} is of a run with other settings: {', '.join(changed)}; give the same to go on with it, or another "
            "--out"
        )
    return state
