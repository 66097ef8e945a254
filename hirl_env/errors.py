"""The texts of errors, for messages of one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of an error that is not empty; the name of its type if it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def last_line(error: BaseException) -> str:
    """The last line of an error that is not empty: of one that crossed processes, all before is the traceback."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
