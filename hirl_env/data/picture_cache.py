"""Decoded pictures in memory."""

from __future__ import annotations

from pathlib import Path

from hirl_env.arrays import Pixels
from hirl_env.data.images import read_image


class PictureCache:
    """Decoded pictures, each until its file changes; where room runs out, those read first go first.

    Args:
        room: Memory for all of them together, bytes.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._taken = 0
        self._pictures: dict[tuple[Path, int, int], Pixels] = {}

    def read(self, path: Path) -> Pixels:
        """A picture, uint8 (H, W, 3), from memory or from its file.

        Raises:
            UnreadablePicture: If the file is missing, no picture, or damaged.
        """
        try:
            file = path.stat()
        except OSError:
            return read_image(path)  # which says what is wrong
        key = (path.absolute(), file.st_mtime_ns, file.st_size)
        pixels = self._pictures.get(key)
        if pixels is None:
            pixels = self._pictures[key] = read_image(path)
            self._taken += pixels.nbytes
            while self._taken > self.room:
                self._taken -= self._pictures.pop(next(iter(self._pictures))).nbytes
        return pixels
