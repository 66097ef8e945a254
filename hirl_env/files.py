"""Files that are written whole or not at all, and where those go that are fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pooch

CACHE = "HIRL_CACHE"


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yields a path beside ``path`` to write to, and renames it at the end; nothing is left behind on failure.

    After a power cut, too, ``path`` is the whole old file or the whole new one.

    Something that is there and no ordinary file (``/dev/stdout``) is written to directly.

    Raises:
        OSError: If the disk is full or the folder is not writable; the message names the file.
    """
    path = Path(path)
    if path.is_symlink() and (path.is_file() or not path.exists()):
        path = path.resolve()  # the file is replaced, and the link stays
    direct = path.exists() and not path.is_file()
    beside = path if direct else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        if not direct:
            # Without this, a power cut after the renaming could leave the new name on an empty file.
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(beside, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if not direct:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def unwritable(path: str | Path, error: OSError) -> OSError:
    """The error to raise where a file cannot be written: names it, the reason and the remedy."""
    return OSError(f"could not write {path}: {error.strerror or error}; make room or choose another place")


def cache_folder() -> Path:
    """Where fetched files are kept: ``$HIRL_CACHE``, else a folder in the user's cache; need not exist yet."""
    return Path(os.environ.get(CACHE) or pooch.os_cache("hirl-restore"))
