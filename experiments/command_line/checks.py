"""What commands check of their options before they begin."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from hirl_env.files import unwritable
from hirl_env.quality import Measure, measures
from hirl_experiments.command_line.results import STDOUT, holds_figure, holds_results, holds_table


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
        json: A file for JSON, which need not exist, or `STDOUT`; None for none.
        markdown: A file for tables, likewise.
        figure: A file for a PNG, likewise.
        file: A file for something else, likewise.
        folder: A folder for files, likewise.

    Raises:
        ValueError: If a file holds something of another kind, or is a folder, or the folder is a file.
        OSError: If nothing can be written there.
    """
    json = None if json == STDOUT else json
    kinds = (("results", holds_results, json), ("a table", holds_table, markdown), ("a figure", holds_figure, figure))
    files = [path for path in (json, markdown, figure, file) if path is not None]
    for path in files:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file")
    for kind, holds, result in kinds:
        if result is not None and result.is_file() and result.stat().st_size and not holds(result):
            raise ValueError(
                f"{result} holds something else than {kind} of hirl and would be overwritten; choose another name"
            )
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder")
    for path in filter(None, (*files, folder)):
        _check_can_write(path)


def _check_can_write(path: Path) -> None:
    """Raises OSError if nothing can be written to a path that need not exist."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # a device
    try:
        nearest = next(each for each in (path, *path.absolute().parents) if each.is_dir() or os.path.lexists(each))
        with tempfile.TemporaryFile(dir=nearest.parent if nearest == path and path.is_file() else nearest):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def check_free(targets: Iterable[Path], force: bool) -> None:
    """Raises ValueError where a file is in the way of what is to be saved, unless that may be overwritten."""
    for target in targets:
        if os.path.lexists(target) and not force:
            raise ValueError(f"{target} exists already; --force overwrites it")
