"""The log of `hirl restore`: a line of JSON for every picture, from which a later run resumes.

A line is written before the files that it describes: a picture is finished if its files match the line. So a kill at
any moment loses at most one picture, and the next run does not mistake a file of an earlier run for the user's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hirl_env.files import open_locked, unwritable

LOG = "restore.jsonl"
Row = dict[str, Any]


class RestoreLog:
    """Lines of JSON in a file that is locked while it is open.

    Args:
        path: File, open for reading and appending as ``descriptor``.
        descriptor: Descriptor of the open file.

    Attributes:
        rows: The last row of each target of which files may have been saved: a picture that failed since then, or was
            refused, changed nothing about them.
        written: Whether this process has written a line.

    Raises:
        ValueError: If the file holds something else.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        self.rows, whole = _read(path)
        self.written = False
        os.ftruncate(descriptor, whole)

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes a line, and waits until it is on the disk.

        Raises:
            OSError: If it cannot be written.
        """
        line = json.dumps(record, default=str).encode() + b"\n"
        size = os.fstat(self._descriptor).st_size
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise unwritable(self.path, error) from error
        self.written = True
        _take(self.rows, record)


def logged_rows(out: Path) -> dict[str, Row]:
    """The rows of the log in a folder by target, for runs that write nothing; empty if there is no log.

    Raises:
        ValueError: If the file is not a log.
        OSError: If it cannot be read.
    """
    path = out / LOG
    return _read(path)[0] if path.exists() else {}


def sheets_and_steps(out: Path) -> set[Path]:
    """The files that runs saved in a folder beside their results; none if it holds no log that can be read."""
    try:
        return {
            out / name
            for row in logged_rows(out).values()
            for name in (*(row.get("saved_sha256") or ()), *(row.get("ours_before") or ()))
            if name != row["target"]
        }
    except (ValueError, OSError, LookupError, TypeError, AttributeError):  # somebody else's file of that name
        return set()


def _read(path: Path) -> tuple[dict[str, Row], int]:
    """Rows as in `RestoreLog`, and the number of bytes in whole lines: a kill may have cut off the last one."""
    rows: dict[str, Row] = {}
    data = path.read_bytes()
    *lines, cut_off = data.split(b"\n")
    try:
        for record in map(json.loads, filter(None, lines)):
            _take(rows, record)
        if not b'{"'.startswith(cut_off[:2]):
            raise ValueError
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{path} is no log of `hirl restore`; choose another --out") from None
    return rows, len(data) - len(cut_off)


def _take(rows: dict[str, Row], record: Mapping[str, Any]) -> None:
    """Adds a record of the log to the rows, if it is one of them."""
    if "left_out" in record:
        return
    target = record["target"]
    if record.get("saved") is not None or record.get("ours_before"):
        rows[target] = dict(record)


@contextmanager
def opened_log(out: Path) -> Iterator[RestoreLog]:
    """The log in a folder, for this run alone; if nothing is written to it, no new file or folder is left.

    Raises:
        ValueError: If another run has it open, or it is not a log.
        OSError: If it cannot be written to.
    """
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    path = out / LOG
    try:
        out.mkdir(parents=True, exist_ok=True)
        descriptor = open_locked(path)
    except OSError as error:
        raise unwritable(path, error) from error
    if descriptor is None:
        raise ValueError(f"another `hirl restore` is saving in {out}; wait for it, or choose another --out")
    empty = False
    try:
        try:
            yield RestoreLog(path, descriptor)
        finally:
            empty = os.fstat(descriptor).st_size == 0
            if empty:
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
        for folder in missing if empty else ():
            _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
