"""What commands leave behind: tables on the screen, JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hirl_env.files import written_whole

WIDTH = 120  # columns of tables in files and pipes


def print_table(title: str, rows: Sequence[Mapping[str, Any]], decimals: Mapping[str, int]) -> None:
    """Prints rows that share their keys; ``decimals`` says how to round the columns it names."""
    if not rows:
        raise ValueError(f"{title}: nothing was asked for, so there is nothing to show")
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name, justify="right" if name in decimals else "left", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, decimals))
    console = Console()
    if not console.is_terminal:
        console = Console(
            width=max(WIDTH, console.measure(table, options=console.options.update(width=10_000)).maximum)
        )
    console.print(table)


def markdown_table(rows: Sequence[Mapping[str, Any]], decimals: Mapping[str, int]) -> str:
    """The same in Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(_cells(row, decimals) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Mapping[str, Any], decimals: Mapping[str, int]) -> list[str]:
    return [
        f"{value:.{decimals[name]}f}" if name in decimals and value is not None else str(value)
        for name, value in row.items()
    ]


def write_json(path: Path, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes ``{"settings": ..., "rows": [...]}``."""
    with written_whole(path) as beside:
        beside.write_text(json.dumps({"settings": settings, "rows": rows}, indent=1, default=str) + "\n")
    print(f"wrote {path}")
