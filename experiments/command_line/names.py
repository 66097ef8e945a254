"""Names of files on the screen."""

from __future__ import annotations

from pathlib import Path


def shown(name: str | Path) -> str:
    """A name in one line that any terminal takes: what is no character, or none to be printed, as an escape."""
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
