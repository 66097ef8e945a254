"""Where pictures come from: the embedded photographs and folders; data sets are in `hirl_env.data.datasets`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hirl_env.arrays import Pixels
from hirl_env.data.images import PICTURE_SUFFIXES, UnreadablePicture
from hirl_env.data.picture_cache import PictureCache
from hirl_env.registry import Registry

CACHE_BYTES = 1 << 30  # decoded pictures kept in memory, per process


@dataclass(frozen=True)
class Entry:
    """The files of one picture: its reference, its distorted version, or both."""

    name: str
    reference: Path | None = None
    distorted: Path | None = None

    def __post_init__(self) -> None:
        if self.reference is None and self.distorted is None:
            raise ValueError(f"picture {self.name!r}: needs a reference, a distorted version, or both")


@dataclass(frozen=True)
class Photograph:
    """One picture in memory, uint8 (H, W, 3).

    Attributes:
        name: The file's name without its ending; paired data sets add the distortion and its level.
        reference: The clean original, or None in data sets that have none.
        distorted: The given distorted version, or None where a degradation is to make it from the reference.
    """

    name: str
    reference: Pixels | None
    distorted: Pixels | None

    @property
    def pixels(self) -> Pixels:
        """The picture as it was found: the distorted version, or the original where there is none."""
        found = self.reference if self.distorted is None else self.distorted
        assert found is not None
        return found


class Photographs:
    """A list of pictures, read when asked for and kept while memory allows.

    A file that turns out to be damaged is named in a warning and left out from then on; and so is, where a smallest
    side is asked for, a picture that has less.

    Args:
        entries: Files of each picture.
        name: Name of this source in messages.

    Raises:
        ValueError: If there are no entries.

    Attributes:
        entries: The files, in order.
    """

    def __init__(self, entries: Sequence[Entry], name: str) -> None:
        if not entries:
            raise ValueError(f"{name}: no pictures in there (looked for {', '.join(PICTURE_SUFFIXES)})")
        self.name = name
        self.entries = tuple(entries)
        self._sides: dict[int, int] = {}  # the shorter side of those found too small, 0 of those found damaged

    def __len__(self) -> int:
        """How many pictures there are, without those found damaged so far."""
        return self._left(1)

    @property
    def files(self) -> list[Path]:
        """Every file, in order: of a pair the distorted one, then its reference."""
        pairs = ((entry.distorted, entry.reference) for entry in self.entries)
        return [file for pair in pairs for file in pair if file is not None]

    def __iter__(self) -> Iterator[Photograph]:
        """Every readable picture, in order."""
        for index in range(len(self.entries)):
            photograph = self._get(index)
            if photograph is not None:
                yield photograph
        self._check_any_left()

    def draw(self, rng: np.random.Generator, smallest: int = 1) -> Photograph:
        """One picture, all equally likely.

        Args:
            rng: Source of what is drawn.
            smallest: Length of its shorter side at least, pixels: that of the crop to be cut out of it.

        Raises:
            ValueError: If no readable picture of that size is left.
        """
        # Those left out are drawn and passed over, so that what a seed draws does not depend on what was known before.
        photograph = None
        while photograph is None:
            self._check_any_left(smallest)
            photograph = self._get(int(rng.integers(len(self.entries))), smallest)
        return photograph

    def readable(self, smallest: int = 1) -> Photographs:
        """Those that can be read and have a shorter side of at least ``smallest`` pixels; reads every file.

        Raises:
            ValueError: If there are none.
        """
        kept = [entry for index, entry in enumerate(self.entries) if self._get(index, smallest) is not None]
        self._check_any_left(smallest)
        return Photographs(kept, self.name)

    def split(self, count: int) -> tuple[Photographs, Photographs]:
        """Two sources: all but some pictures, and these, which are spread evenly over the list.

        All versions of a photograph, distorted in different ways, come into the same one.

        Args:
            count: Number of pictures of the second; where photographs have several versions, about that many.

        Raises:
            ValueError: If that leaves none in one of them.
        """
        photographs = list(dict.fromkeys(entry.reference or entry.distorted for entry in self.entries))
        if not 1 <= count < len(self.entries) or len(photographs) == 1:
            raise ValueError(
                f"{self.name}: {count} of {len(self.entries)} pictures cannot be split off; "
                f"give more pictures, or split off at most {len(self.entries) - 1}"
            )
        some = round(count * len(photographs) / len(self.entries))
        places = np.linspace(0, len(photographs) - 1, min(max(1, some), len(photographs) - 1)).round()
        split_off = {photographs[int(place)] for place in places}
        parts: tuple[list[Entry], list[Entry]] = ([], [])
        for entry in self.entries:
            parts[(entry.reference or entry.distorted) in split_off].append(entry)
        name = f"{self.name} ({len(parts[1])} of {len(self.entries)})"
        return Photographs(parts[0], self.name), Photographs(parts[1], name)

    def _left(self, smallest: int) -> int:
        """How many pictures are not known to have a side of fewer than ``smallest`` pixels."""
        return len(self.entries) - sum(side < smallest for side in self._sides.values())

    def _check_any_left(self, smallest: int = 1) -> None:
        if not self._left(smallest):
            size = f" of at least {smallest}x{smallest} pixels; choose another crop size" if smallest > 1 else ""
            raise ValueError(f"{self.name}: none of the files in there is a readable picture{size}")

    def _get(self, index: int, smallest: int = 1) -> Photograph | None:
        """The picture, or None if it is damaged or has a side of fewer than ``smallest`` pixels."""
        if self._sides.get(index, smallest) < smallest:
            return None
        side = 0
        try:
            photograph = self._load(self.entries[index])
            height, width = photograph.pixels.shape[:2]
            side = min(height, width)
            if side < smallest:
                raise UnreadablePicture(
                    f"{self.name}, {photograph.name}: has {width}x{height} pixels, and needs {smallest}x{smallest}"
                )
        except UnreadablePicture as problem:
            warnings.warn(f"left out: {problem}", stacklevel=4)
            self._sides[index] = side
            return None
        return photograph

    def _load(self, entry: Entry) -> Photograph:
        reference = None if entry.reference is None else _cache.read(entry.reference)
        distorted = None if entry.distorted is None else _cache.read(entry.distorted)
        if reference is not None and distorted is not None and reference.shape != distorted.shape:
            raise UnreadablePicture(f"{entry.distorted}: not of the size of its reference {entry.reference}")
        return Photograph(entry.name, reference, distorted)


# One for a process, so that many environments over the same pictures hold them once.
_cache = PictureCache(CACHE_BYTES)


def picture_files(folder: Path) -> list[Path]:
    """Every picture in a folder and its sub-folders, sorted by path; hidden files and folders are left out."""

    # Names that begin with a dot are of the system: macOS lays "._a.jpg", which is no picture, beside "a.jpg".
    def shown(path: Path) -> bool:
        return not any(part.startswith(".") for part in path.relative_to(folder).parts)

    named = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and shown(path))
    pictures = (path for path in named if not path.is_dir())
    # By the letters, because Windows compares paths without regard to case, and seeds draw by this order.
    return sorted(pictures, key=lambda path: path.parts)


def from_folder(folder: str | Path) -> Photographs:
    """Every picture in a folder and its sub-folders, as references, sorted by path, by which they are named.

    Raises:
        ValueError: If the folder does not exist or holds no picture.
    """
    if not os.fspath(folder):  # as a path, it would be the working directory
        raise ValueError(f"a folder of pictures must have a name, or be one of {', '.join(image_sources.names())}")
    folder = Path(folder)
    if os.path.isfile(folder):
        raise ValueError(f"{folder} is a file; give the folder of pictures that it lies in")
    if not os.path.isdir(folder):  # Path.is_dir fails where a text is too long for a path
        raise ValueError(
            f"{folder}: no such folder; give a folder of pictures, or one of the names "
            f"{', '.join(image_sources.names())}"
        )
    files = picture_files(folder)
    # Without suffixes, so that a picture that is there in two formats counts as one.
    named = [Entry(file.relative_to(folder).with_suffix("").as_posix(), reference=file) for file in files]
    return Photographs(named, str(folder))


def embedded() -> Photographs:
    """The colour photographs that the scikit-image wheel carries; needs no network and no files of one's own."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    names = ("astronaut", "chelsea", "coffee", "motorcycle_left", "rocket")
    files = [next(iter(folder.glob(f"{name}.*")), None) for name in names]
    entries = [Entry(name, reference=file) for name, file in zip(names, files, strict=True) if file is not None]
    return Photographs(entries, "photos (from scikit-image)")


class ImageSources(Registry[Photographs]):
    """The names of photographs; a folder stands for the pictures in it."""

    def resolve(self, value: Any) -> Photographs:
        """Photographs by name (``photos``, ``div2k-train``, ``csiq-jpeg``, ...), of a folder, or as they are.

        Raises:
            ValueError: If the name or folder is unknown, or has no pictures.
        """
        if isinstance(value, str) and value in self.names() and Path(value).is_dir():
            warnings.warn(
                f"{value!r} is the image source of that name; for the folder here, write ./{value}", stacklevel=2
            )
        return super().resolve(value)


def _shorthand(value: Any) -> Photographs | None:
    return from_folder(value) if isinstance(value, str | Path) else None


image_sources = ImageSources("image source", Photographs, _shorthand)
image_sources.register("photos", embedded)
