"""Where pictures come from: the embedded photographs, folders, and data sets in their official layouts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hirl_env.data.images import PICTURE_SUFFIXES, UnreadablePicture, read_image
from hirl_env.registry import Registry

CACHE_BYTES = 1 << 30  # decoded pictures kept in memory, per process

Pixels = npt.NDArray[np.uint8]


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

    def split(self, count: int) -> tuple[Photographs, Photographs]:
        """Two sources: all but some pictures, and these, which are spread evenly over the list.

        Args:
            count: Number of pictures of the second.

        Raises:
            ValueError: If that leaves none in one of them.
        """
        if not 1 <= count < len(self.entries):
            raise ValueError(
                f"{self.name}: {count} of {len(self.entries)} pictures cannot be split off; "
                f"give more pictures, or split off at most {len(self.entries) - 1}"
            )
        split_off = {int(index) for index in np.linspace(0, len(self.entries) - 1, count).round()}
        parts: tuple[list[Entry], list[Entry]] = ([], [])
        for index, entry in enumerate(self.entries):
            parts[index in split_off].append(entry)
        return Photographs(parts[0], self.name), Photographs(parts[1], f"{self.name} ({count} of {len(self.entries)})")

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


# One for a process, so that many environments over the same pictures hold them once.
_cache = PictureCache(CACHE_BYTES)


def _picture_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)


def from_folder(folder: str | Path) -> Photographs:
    """Every picture in a folder and its sub-folders, as references, sorted by path.

    Raises:
        ValueError: If the folder does not exist or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: no such folder; give a folder of pictures, or one of the names "
            f"{', '.join(image_sources.names())}"
        )
    files = _picture_files(folder)
    return Photographs([Entry(file.stem, reference=file) for file in files], str(folder))


def embedded() -> Photographs:
    """The colour photographs that the scikit-image wheel carries; needs no network and no files of one's own."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    names = ("astronaut", "chelsea", "coffee", "motorcycle_left", "rocket")
    files = [next(iter(folder.glob(f"{name}.*")), None) for name in names]
    entries = [Entry(name, reference=file) for name, file in zip(names, files, strict=True) if file is not None]
    return Photographs(entries, "photos (from scikit-image)")


@dataclass(frozen=True)
class Dataset:
    """A data set in the layout in which its authors publish it.

    Attributes:
        title: Name of the data set, and of its folder (under ``$HIRL_DATA``).
        source: Address to download it from.
        folders: Folders that must be there, relative to the data set's folder.
        entries: Function that lists the pictures, given the data set's folder.
    """

    title: str
    source: str
    folders: tuple[str, ...]
    entries: Callable[[Path], list[Entry]]

    def open(self, root: str | Path | None = None) -> Photographs:
        """Lists the data set under ``root`` (default: ``$HIRL_DATA/<title>``).

        Raises:
            ValueError: If it is not there; says what to download, from where, and where to put it.
        """
        if root is None and "HIRL_DATA" not in os.environ:
            raise ValueError(f"{self._advice('a folder of your choice')}; then set HIRL_DATA to that folder")
        folder = Path(root) if root is not None else Path(os.environ["HIRL_DATA"]) / self.title
        if not all((folder / part).is_dir() for part in self.folders):
            raise ValueError(self._advice(str(root or os.environ["HIRL_DATA"]), with_title=root is None))
        return Photographs(self.entries(folder), f"{self.title} ({folder})")

    def _advice(self, folder: str, with_title: bool = True) -> str:
        layout = " and ".join((f"{self.title}/" if with_title else "") + f"{part}/" for part in self.folders)
        return (
            f"{self.title} is not here: download it from {self.source} and unpack it, so that {folder} holds {layout}"
        )


def _references_in(*parts: str) -> Callable[[Path], list[Entry]]:
    def entries(folder: Path) -> list[Entry]:
        files = [file for part in parts for file in _picture_files(folder / part)]
        return [Entry(file.stem, reference=file) for file in files]

    return entries


CSIQ_DISTORTIONS = ("awgn", "jpeg", "blur", "fnoise", "contrast", "jpeg2000")


def _csiq_entries(*distortions: str) -> Callable[[Path], list[Entry]]:
    def entries(folder: Path) -> list[Entry]:
        """Pairs src_imgs/NAME.png with dst_imgs/DISTORTION/NAME.DISTORTION.LEVEL.png."""
        references = {file.stem: file for file in _picture_files(folder / "src_imgs")}
        pairs = []
        for distortion in distortions:
            for file in _picture_files(folder / "dst_imgs" / distortion):
                name = file.name.split(".")[0]
                if name in references:
                    pairs.append(Entry(file.stem, reference=references[name], distorted=file))
        return pairs

    return entries


def _clive_entries(folder: Path) -> list[Entry]:
    # Images/trainingImages/ holds seven pictures that the study showed its participants beforehand.
    files = [file for file in _picture_files(folder / "Images") if file.parent.name != "trainingImages"]
    return [Entry(file.stem, distorted=file) for file in files]


_DIV2K = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
_BSDS = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html"
_CSIQ = "https://s2.smu.edu/~eclarson/csiq.html"

DATASETS: dict[str, Dataset] = {
    "div2k-train": Dataset("DIV2K", _DIV2K, ("DIV2K_train_HR",), _references_in("DIV2K_train_HR")),
    "div2k-valid": Dataset("DIV2K", _DIV2K, ("DIV2K_valid_HR",), _references_in("DIV2K_valid_HR")),
    **{
        f"bsds500-{part}": Dataset("BSR/BSDS500/data/images", _BSDS, (part,), _references_in(part))
        for part in ("train", "val", "test")
    },
    "cbsd68": Dataset(
        "CBSD68", "https://github.com/clausmichele/CBSD68-dataset", ("original_png",), _references_in("original_png")
    ),
    "kodak24": Dataset("Kodak24", "https://r0k.us/graphics/kodak/", (".",), _references_in(".")),
    "csiq": Dataset("CSIQ", _CSIQ, ("src_imgs", "dst_imgs"), _csiq_entries(*CSIQ_DISTORTIONS)),
    **{
        f"csiq-{distortion}": Dataset("CSIQ", _CSIQ, ("src_imgs", f"dst_imgs/{distortion}"), _csiq_entries(distortion))
        for distortion in CSIQ_DISTORTIONS
    },
    "clive": Dataset(
        "ChallengeDB_release", "https://live.ece.utexas.edu/research/ChallengeDB/", ("Images",), _clive_entries
    ),
}


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
for _name, _dataset in DATASETS.items():
    image_sources.register(_name, _dataset.open)
