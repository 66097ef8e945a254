"""Picture files: finding them, and reading and writing them with all that belongs to them."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from hirl_env.data.images import PICTURE_SUFFIXES, deep_grey, opened, upright
from hirl_env.files import atomic_write

# How each format that Pillow names is written. Phones' MPO is a JPEG with further pictures behind it.
FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "MPO": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95, "exact": True},
    "TIFF": {"compression": "raw"},  # Pillow can write all of EXIF into uncompressed TIFFs only
    "BMP": {},
    "PPM": {},
}
GREY_MODES = ("1", "L", "LA", "La")
# Modes whose colour profile does not describe RGB.
OTHER_COLOURS = ("CMYK", "LAB", "HSV", "YCbCr")
# A TIFF keeps its EXIF beside tags that say how its pixels are stored; these are the ones to carry over.
TIFF_TAGS = {
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software),
    *(ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit),
    *(ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.HostComputer, ExifTags.Base.Copyright),
}
TIFF_FOLDERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """What a file holds, upright.

    Attributes:
        pixels: uint8, (H, W, 3) in RGB, or (H, W) where there are greys only, however they are stored.
        alpha: uint8 (H, W), or None.
        grey: Whether the file stores greys.
        format: As Pillow names it.
        extras: EXIF, colour profile and resolution, as arguments for saving.
        notes: What will not be the same in the restored file.
    """

    pixels: Pixels
    alpha: Pixels | None
    grey: bool
    format: str
    extras: dict[str, Any]
    notes: tuple[str, ...]


def found_pictures(text: str, out: Path) -> list[tuple[Path, Path]]:
    """The files that a command's argument stands for, each with its name below the folder to save in.

    Args:
        text: A file, which need not exist, a folder with sub-folders, or a pattern.
        out: The folder to save in. Where it lies within what is searched, what is in there is left alone.

    Raises:
        ValueError: If a folder holds no pictures.
    """
    path, place = Path(text), out.resolve()
    if path.is_dir():
        within = path.resolve() in place.parents
        files = [
            file
            for file in sorted(path.rglob("*"))
            if _is_picture(file) and not (within and place in file.resolve().parents)
        ]
        if not files:
            raise ValueError(f"{path}: no pictures in there (looked for {', '.join(PICTURE_SUFFIXES)})")
        return [(file, file.relative_to(path)) for file in files]
    matches = [] if path.exists() else [Path(match) for match in sorted(glob.glob(text, recursive=True))]
    # A pattern that finds what was saved before, too, means the others.
    matches = [match for match in matches if place not in match.resolve().parents] or matches
    return [(file, Path(file.name)) for file in matches if _is_picture(file)] or [(path, Path(path.name))]


def _is_picture(path: Path) -> bool:
    # Names that begin with a dot are of the system: macOS lays "._a.jpg", which is no picture, beside "a.jpg".
    return not path.name.startswith(".") and path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def read_picture(path: Path) -> Picture:
    """Reads a file with all that is to be kept.

    Raises:
        UnreadablePicture: If it is missing, damaged, or of a kind that could not be written again.
    """
    with opened(path) as picture:
        if picture.format not in FORMATS:
            raise ValueError(f"its format is {picture.format}; known are: {', '.join(FORMATS)}")
        frames = getattr(picture, "n_frames", 1)
        turned = upright(picture)
        extras = {"exif": _exif_of(picture, turned), "icc_profile": turned.info.get("icc_profile")}
        if picture.format != "TIFF" and min(picture.info.get("dpi", (0, 0))) > 0:  # a TIFF's is among its EXIF
            extras["dpi"] = picture.info["dpi"]
        mode, alpha, notes = turned.mode, None, []
        if frames > 1:
            notes.append(f"holds {frames} pictures; only the first is restored and saved")
        if mode.startswith("I"):
            notes.append("saved with 8 bits instead of 16")
            pixels, grey = deep_grey(turned), True
            if "transparency" in turned.info:
                alpha = np.where(np.asarray(turned) == turned.info["transparency"], 0, 255).astype(np.uint8)
        else:
            if mode in OTHER_COLOURS:
                notes.append(f"saved as RGB instead of {mode}, without a colour profile")
                extras["icc_profile"] = None
            pixels = np.asarray(turned.convert("RGBA" if turned.has_transparency_data else "RGB"))
            grey = mode in GREY_MODES
            if pixels.shape[2] == 4:
                pixels, alpha = pixels[..., :3], pixels[..., 3]
            # Greys that are stored as colours would come back tinted.
            if grey or (pixels == pixels[..., :1]).all():
                pixels = pixels[..., 0]
        kept = {key: value for key, value in extras.items() if value}
        return Picture(pixels, alpha, grey, picture.format, kept, tuple(notes))


def _exif_of(picture: Image.Image, turned: Image.Image) -> bytes | None:
    """What to write as EXIF, without an orientation that was applied."""
    if picture.format == "TIFF":
        there, kept = picture.getexif(), Image.Exif()
        for tag in (tag for tag in TIFF_TAGS if tag in there):
            kept[tag] = there[tag]
        for folder in (folder for folder in TIFF_FOLDERS if folder in there):
            # The tag of interoperability is an offset in the old file, and would lead nowhere.
            kept[folder] = {key: value for key, value in there.get_ifd(folder).items() if key != ExifTags.IFD.Interop}
        return kept.tobytes() if kept else None
    exif = turned.getexif()
    # The bytes as they were, where possible: makers' notes do not survive being written anew.
    return turned.info.get("exif") or (exif.tobytes() if exif else None)


def save_picture(picture: Picture, pixels: Pixels, path: Path, format: str | None = None) -> None:
    """Writes restored pixels with everything else of the picture that they were made from.

    Args:
        picture: Where format, transparency, EXIF and profile come from.
        pixels: uint8, of the shape of ``picture.pixels``.
        path: Where to.
        format: Another format than the picture's.

    Raises:
        OSError: If it cannot be written.
    """
    format = format or picture.format
    if pixels.ndim == 2 and not picture.grey:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    image = Image.fromarray(pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    with atomic_write(path) as file:
        image.save(file, format="JPEG" if format == "MPO" else format, **FORMATS[format], **picture.extras)
