"""Decoded pictures in memory."""

from __future__ import annotations

import threading
from pathlib import Path

from hirl_env.arrays import Pixels
from hirl_env.data.images import read_image


class PictureCache:
    """A cache of decoded pictures, each kept until its file changes; when room runs out, the first read go first.

    Args:
        room: Memory for all pictures together, bytes.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._lock = threading.Lock()
        self._taken = 0
        self._pictures: dict[tuple[Path, int, int], Pixels] = {}

    def read(self, path: Path) -> Pixels:
        """A picture, uint8 (H, W, 3), from memory or from its file.

        Raises:
            UnreadablePicture: If the file is missing, not a picture, or damaged.
        """
        try:
            file = path.stat()
        except OSError:
            return read_image(path)  # raises, saying what is wrong
        key = (path.absolute(), file.st_mtime_ns, file.st_size)
        pixels = self._pictures.get(key)
        if pixels is None:
            pixels = read_image(path)
            self._keep(key, pixels)
        return pixels

    def _keep(self, key: tuple[Path, int, int], pixels: Pixels) -> None:
        with self._lock:
            if key in self._pictures:  # another thread has read it meanwhile
                return
            self._pictures[key] = pixels
            self._taken += pixels.nbytes
            while self._taken > self.room:
                self._taken -= self._pictures.pop(next(iter(self._pictures))).nbytes
