"""What commands check of their options, and what they leave behind: tables on the screen and in files."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hirl_env.files import atomic_write_text, unwritable
from hirl_env.quality import Measure, measures

WIDTH = 120  # columns of tables in files and pipes
# How files begin that results may be written over, by what they hold; empty ones may be, too.
BEGINNINGS = {"JSON": rb"\{|$", "a table of hirl": rb"(?:.+:\n\n)?```sh\nhirl |$", "a PNG": rb"\x89PNG|$"}


def at_least(least: float, **options: float | None) -> None:
    """Raises ValueError where an option that is given is less than that; ``per_image`` is called ``--per-image``."""
    for name, number in options.items():
        if number is not None and number < least:
            raise ValueError(f"--{name.replace('_', '-')} must be at least {least}, got {number}")


def some(**options: Collection[Any]) -> None:
    """Raises ValueError where nothing is named by an option that has several values."""
    for name, values in options.items():
        if not values:
            raise ValueError(f"--{name.replace('_', '-')} needs at least one value")


def blind_measure(name: str, option: str) -> Measure:
    """A measure that needs no reference.

    Args:
        name: Name of the measure, or a sum of several.
        option: Option by which the user named it.

    Raises:
        ValueError: If it is unknown, or needs a reference.
    """
    measure = measures.resolve(name)
    if measure.needs_reference:
        raise ValueError(f"{option}: {measure.name} needs a reference; name a blind measure, such as hirl-biqa")
    return measure


def check_targets(targets: Iterable[tuple[str, Path]], pictures: Collection[Path]) -> None:
    """Refuses to begin where something would be saved over something else of the same run.

    Args:
        targets: Files to be saved, each after its name in words.
        pictures: Files that these are made from, resolved.

    Raises:
        ValueError: If two things would get one name, or a picture would be overwritten.
    """
    claimed: dict[Path, str] = {}
    for what, target in targets:
        if Path(os.path.realpath(target)) in pictures:
            raise ValueError(f"{target} is one of the pictures and would be overwritten; choose another place for it")
        if target in claimed:
            raise ValueError(
                f"{claimed[target]} and {what} would both be saved as {target}; "
                "take them one after the other, each with its own --out"
            )
        claimed[target] = what


def check_writable(
    json: Path | None = None,
    markdown: Path | None = None,
    figure: Path | None = None,
    file: Path | None = None,
    folder: Path | None = None,
) -> None:
    """Refuses to begin where a result could not be written in the end, or would be written over something else.

    Args:
        json: A file for JSON, which need not exist; None for none.
        markdown: A file for tables, likewise.
        figure: A file for a PNG, likewise.
        file: A file for something else, likewise.
        folder: A folder for files, likewise.

    Raises:
        ValueError: If a file holds something of another kind, or is a folder, or the folder is a file.
        OSError: If nothing can be written there.
    """
    kinds = {"JSON": json, "a table of hirl": markdown, "a PNG": figure}
    files = [path for path in (*kinds.values(), file) if path is not None]
    for path in files:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file")
    for kind, known in kinds.items():
        if known is not None and known.is_file() and not re.match(BEGINNINGS[kind], known.read_bytes()):
            raise ValueError(f"{known} holds something else than {kind} and would be overwritten; choose another name")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder")
    for path in filter(None, (*files, folder)):
        if path.exists() and not path.is_file() and not path.is_dir():
            continue  # a device
        try:
            folder = next(each for each in (path, *path.absolute().parents) if each.is_dir() or os.path.lexists(each))
            folder = folder.parent if folder == path and path.is_file() else folder
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise unwritable(path, error) from error


def check_free(targets: Iterable[Path], force: bool) -> None:
    """Raises ValueError where a file is in the way of what is to be saved, unless that may be overwritten."""
    for target in targets:
        if os.path.lexists(target) and not force:
            raise ValueError(f"{target} exists already; --force overwrites it")


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
    """Writes ``{"settings": ..., "rows": [...]}``, and says so."""
    keep_json(path, settings, rows)
    print(f"wrote {path}")


def keep_json(path: Path, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the same without a word."""
    atomic_write_text(path, json.dumps({"settings": settings, "rows": rows}, indent=1, default=str) + "\n")
