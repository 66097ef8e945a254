"""Results of commands: tables on the screen and in files, and how to tell such files from others."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hirl_env.files import atomic_write_text
from hirl_experiments.command_line.names import shown

STDOUT = Path("-")  # as --json: standard output
MADE_BY = {"Software": "hirl"}  # metadata of figures
_for_stdout: list[str] = []  # what was written last


def print_table(title: str, rows: Sequence[Mapping[str, Any]], decimals: Mapping[str, int]) -> None:
    """Prints rows that share their keys; ``decimals`` says how to round the columns it names."""
    if not rows:
        raise ValueError(f"{title}: nothing was asked for, so there is nothing to show")
    # As `Text`, because of a string Rich takes what is in brackets for markup.
    table = Table(title=Text(shown(title)), title_justify="left")
    for name in rows[0]:
        table.add_column(Text(name), justify="right" if name in decimals else "left")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in _cells(row, decimals)))
    # As wide as it is: a narrow terminal breaks its lines, where Rich would leave out what does not fit.
    Console(width=sys.maxsize).print(table)


def markdown_table(rows: Sequence[Mapping[str, Any]], decimals: Mapping[str, int]) -> str:
    """The same in Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(_cells(row, decimals) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Mapping[str, Any], decimals: Mapping[str, int]) -> list[str]:
    return [
        "" if value is None else f"{value:.{decimals[name]}f}" if name in decimals else str(value)
        for name, value in row.items()
    ]


def write_markdown(path: Path, command: str, tables: Sequence[str], title: str = "") -> None:
    """Writes tables in Markdown under the command that made them, and says so.

    Args:
        path: File.
        command: Command that made the tables.
        tables: Tables as of `markdown_table`, with whatever text is about them.
        title: Words above the command.
    """
    above = f"{title}:\n\n" if title else ""
    atomic_write_text(path, "\n".join([f"{above}```sh\n{command}\n```\n", *tables]))
    print(f"wrote {path}")


def write_json(path: Path, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes ``{"settings": ..., "rows": [...]}``, and says into which file."""
    keep_json(path, settings, rows)
    if path != STDOUT:
        print(f"wrote {path}")


def keep_json(path: Path, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the same without a word."""
    # JSON has no NaN: what cannot be said, such as a correlation over one picture, is null.
    content = _finite({"settings": settings, "rows": rows})
    text = json.dumps(content, indent=1, default=str, allow_nan=False) + "\n"
    if path == STDOUT:
        _for_stdout[:] = [text]
    else:
        atomic_write_text(path, text)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _finite(value.tolist())
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def with_json_alone(command: Callable[..., None]) -> Callable[..., None]:
    """The function of a command; where its ``json`` is `STDOUT`, standard output has the JSON and nothing else.

    Everything else that is printed goes to standard error. The JSON follows at the end, because commands write it each
    time that more of it is measured.
    """

    @wraps(command)
    def called(*arguments: Any, **options: Any) -> None:
        _for_stdout.clear()
        try:
            with redirect_stdout(sys.stderr) if options.get("json") == STDOUT else nullcontext():
                command(*arguments, **options)
        finally:
            print(*_for_stdout, end="")

    return called


def holds_results(path: Path) -> bool:
    """Whether a file is one of `write_json`."""
    try:
        held = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(held, dict) and held.keys() == {"settings", "rows"}


def holds_table(path: Path) -> bool:
    """Whether a file is one of `write_markdown`."""
    return re.match(rb"(?:.+:\n\n)?```sh\nhirl ", path.read_bytes()) is not None


def holds_figure(path: Path) -> bool:
    """Whether a file is a figure with the metadata `MADE_BY`."""
    try:
        with Image.open(path) as image:
            return MADE_BY.items() <= image.info.items()
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
