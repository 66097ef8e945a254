"""Atomic writes of files, and the folder in which fetched files are cached."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pooch

try:
    import fcntl
except ImportError:  # on Windows an open file cannot be removed, which serves as its lock
    fcntl = None  # type: ignore[assignment]

CACHE = "HIRL_CACHE"
PREFIX, SUFFIX = ".hirl-", ".part"  # in the names of files that are being written
_swept: set[Path] = set()


@contextmanager
def atomic_write(path: str | Path) -> Iterator[io.BufferedWriter]:
    """Yields a file to write to, which is renamed to ``path`` at the end; nothing is left behind on failure.

    ``path`` is at any moment the whole old file or the whole new one, even after a power cut. Until the end, the file
    has a random name in the same folder. Files that killed processes left there are removed first.

    If ``path`` exists and is not an ordinary file (``/dev/stdout``), it is written to directly. If it is a link, its
    target is replaced.

    Raises:
        OSError: If the disk is full, or the folder is not writable; the message names the file.
    """
    path = Path(path)
    try:
        if path.is_symlink() and (path.is_file() or not path.exists()):
            path = path.resolve()
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                yield device
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        temporary, descriptor = _open_temporary(path.parent)
        held = io.FileIO(descriptor)  # which may be closed twice
        try:
            raw = _Counted(os.dup(descriptor), "wb")
            with _Unlent(raw) as file:
                yield file
            if os.fstat(descriptor).st_size != raw.end:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            # Without this, a power cut after the renaming could leave the new name on an empty file.
            os.fsync(descriptor)
            if fcntl is None:  # Windows renames no file that is open
                held.close()
            with suppress(OSError):  # a new file, or a disk that knows no permissions
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            os.replace(temporary, path)
        finally:
            held.close()
            with suppress(OSError):
                temporary.unlink()
    except OSError as error:
        raise unwritable(path, error) from error


def atomic_write_text(path: str | Path, text: str) -> None:
    """Writes a text in UTF-8, as `atomic_write` does."""
    with atomic_write(path) as file:
        file.write(text.encode())


class _Counted(io.FileIO):
    """A file that tracks the size that it should have."""

    end = 0

    def write(self, data: Any, /) -> int:
        count = super().write(data)
        self.end = max(self.end, self.tell())
        return count


class _Unlent(io.BufferedWriter):
    """A file that hides its descriptor: libraries that get one write to it directly, and ignore short writes."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _open_temporary(folder: Path) -> tuple[Path, int]:
    """Makes a file with an unpredictable name, and locks it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        temporary = folder / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
        descriptor = os.open(temporary, flags, 0o666)
        if lock(descriptor) and os.path.lexists(temporary):
            return temporary, descriptor
        os.close(descriptor)  # another process took it for a leftover before it was locked


def lock(descriptor: int) -> bool:
    """Locks an open file until it is closed; returns False if another process has locked it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, on which no file is taken for a leftover either
        pass
    return True


@contextmanager
def only_here(path: Path) -> Iterator[None]:
    """Holds a lock file while something is done that two processes must not do at once.

    Nothing is locked where the file cannot be made: there is nothing to write there, either.

    Args:
        path: The lock file. It is removed at the end, and so are folders that were made for it and hold nothing.

    Raises:
        ValueError: If another process holds it.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    descriptor = None
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = open_locked(path)
        if descriptor is None:
            raise ValueError(f"{path.parent}: another process does the same there; wait for its end, or choose another")
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                path.unlink()
                for folder in made:
                    folder.rmdir()
            os.close(descriptor)


def open_locked(path: Path) -> int | None:
    """Opens a file to append to, which is made if it is missing, for this process alone.

    Returns:
        Its descriptor; None if another process has it.

    Raises:
        OSError: If it cannot be opened.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o666)
        if not lock(descriptor):
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # another process removed it, as it ended, before it was locked


def remove_leftovers(folder: Path) -> None:
    """Removes from a folder the files that killed processes were writing; once per process and folder."""
    folder = folder.resolve()
    if folder in _swept:
        return
    _swept.add(folder)
    for temporary in folder.glob(f"{PREFIX}{'[0-9a-f]' * 16}{SUFFIX}"):
        with suppress(OSError):
            descriptor = os.open(temporary, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if fcntl is not None:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    temporary.unlink()
            finally:
                os.close(descriptor)
            if fcntl is None:
                temporary.unlink()


def unwritable(path: str | Path, error: OSError) -> OSError:
    """The error to raise if a file cannot be written; it names the file, the reason and the remedy."""
    remedy = "shorten it" if error.errno == errno.ENAMETOOLONG else "make room or choose another place"
    return OSError(f"could not write {path}: {error.strerror or error}; {remedy}")


def cache_folder() -> Path:
    """Where fetched files are kept: ``$HIRL_CACHE``, else a folder in the user's cache; need not exist yet."""
    return Path(os.environ.get(CACHE) or pooch.os_cache("hirl-restore"))
