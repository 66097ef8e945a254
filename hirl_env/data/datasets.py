"""Data sets in the layouts in which their authors publish them, as image sources."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hirl_env.data.photographs import Entry, Photographs, image_sources, picture_files


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
            ValueError: If it is missing; says what to download, from where, and where to put it.
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
        files = [file for part in parts for file in picture_files(folder / part)]
        return [Entry(file.stem, reference=file) for file in files]

    return entries


CSIQ_DISTORTIONS = ("awgn", "jpeg", "blur", "fnoise", "contrast", "jpeg2000")


def _csiq_entries(*distortions: str) -> Callable[[Path], list[Entry]]:
    def entries(folder: Path) -> list[Entry]:
        """Pairs src_imgs/NAME.png with dst_imgs/DISTORTION/NAME.DISTORTION.LEVEL.png."""
        references = {file.stem: file for file in picture_files(folder / "src_imgs")}
        pairs = []
        for distortion in distortions:
            for file in picture_files(folder / "dst_imgs" / distortion):
                name = file.name.split(".")[0]
                if name in references:
                    pairs.append(Entry(file.stem, reference=references[name], distorted=file))
        return pairs

    return entries


def _clive_entries(folder: Path) -> list[Entry]:
    # Images/trainingImages/ holds seven pictures that the participants of the study saw as examples.
    files = [file for file in picture_files(folder / "Images") if file.parent.name != "trainingImages"]
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
for _name, _dataset in DATASETS.items():
    image_sources.register(_name, _dataset.open)
