"""Names of files on the screen."""

from __future__ import annotations

from pathlib import Path


def shown(name: str | Path) -> str:
    """A name in one line that any terminal can print: undecodable and unprintable characters are escaped."""
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
