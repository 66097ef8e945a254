"""Model cards next to weights: what they are, how they were made, and what was measured."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import nn


def model_card(
    name: str,
    network: nn.Module,
    made: str,
    settings: Mapping[str, Any],
    measured: str,
    columns: tuple[str, str],
    table: Mapping[str, str],
) -> str:
    """A model card in Markdown.

    Args:
        name: Name of the model.
        network: Network; the docstring of its class describes it.
        made: Text on how it was made.
        settings: Settings of the training. Absolute paths are reduced to their last part.
        measured: Text on what the table shows.
        columns: Titles of the table's columns.
        table: Measurements, row by row.
    """
    count = sum(value.numel() for value in network.parameters())
    about = (inspect.getdoc(network) or "").split("Args:")[0].strip()
    rows = "\n".join(f"| {row} | {value} |" for row, value in table.items())
    return (
        f"# {name}\n\n{about}\n\n{count:,} parameters, stored as safetensors.\n\n"
        f"## How it was made\n\n{made}\n\n```yaml\n{yaml.safe_dump(_without_places(settings), sort_keys=False)}```\n\n"
        f"## Measured\n\n{measured}\n\n| {' | '.join(columns)} |\n|---|---|\n{rows}\n"
    )


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_places(each) for key, each in value.items()}
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
