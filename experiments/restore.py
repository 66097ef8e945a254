"""`hirl restore`: restores picture files, and writes down what was done to each."""

from __future__ import annotations

import glob
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import tyro
from PIL import ExifTags, Image, ImageOps
from tqdm import tqdm

from agents.restorer import Restorer
from experiments.output import write_json
from hirl_env.data.images import PICTURE_SUFFIXES, UnreadablePicture, deep_grey, opened
from hirl_env.files import written_whole
from hirl_env.tools.toolset import Precision

LOG = "restore.json"
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


@dataclass(frozen=True)
class Job:
    """A picture to restore.

    Attributes:
        file: Where it is.
        target: Where it goes.
        steps: Where it goes after each step; empty where that is not asked for.
    """

    file: Path
    target: Path
    steps: tuple[Path, ...] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """What a file holds, upright.

    Attributes:
        pixels: uint8, (H, W, 3) in RGB, or (H, W) where there are greys only, however they are stored.
        alpha: uint8 (H, W), or None.
        grey: Whether the file stores greys.
        format: As Pillow names it.
        extras: EXIF and colour profile, as arguments for saving.
        notes: What will not be the same in the restored file.
    """

    pixels: Pixels
    alpha: Pixels | None
    grey: bool
    format: str
    extras: dict[str, Any]
    notes: tuple[str, ...]


def restore(
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURES...")],
    out: Path,
    agent: str = "hirl",
    max_steps: int = 7,
    stop: Literal["value", "steps"] = "value",
    precision: Precision = "float32",
    device: str = "cpu",
    save_steps: bool = False,
    force: bool = False,
) -> None:
    """Restore pictures, and save them under their names in another folder with a log of what was done.

    Reads and writes PNG, JPEG, WebP, TIFF, BMP and PPM. Format, EXIF, colour profile and transparency are kept, and
    greys stay grey; 16 bits per channel become 8, and of animations only the first frame is restored. A picture with
    which nothing is to be done is copied as it is.

    Args:
        pictures: Files, folders (with their sub-folders), and patterns such as "holiday/*.jpg".
        out: Folder for the restored pictures and the log restore.json.
        agent: Who chooses the tools: hirl, or a .safetensors file written by hirl train.
        max_steps: Tools to use on a picture at most.
        stop: value: when no tool is thought to gain anything; steps: only after --max-steps.
        precision: In which the tools run; bf16 is faster where the processor has it.
        device: Where they run: cpu, cuda, mps.
        save_steps: Also save the picture after each step, as NAME.step1.png and so on.
        force: Overwrite what is in the way.
    """
    settings = dict(locals())
    jobs = plan(pictures, out, max_steps if save_steps else 0)
    log = out / LOG
    if log.exists() and not force:
        raise ValueError(f"{log} exists already: choose another --out, or overwrite with --force")
    restorer = Restorer(agent, max_steps=max_steps, stop=stop, precision=precision, device=device)
    rows: list[dict[str, Any]] = []
    try:
        with tqdm(jobs, unit="picture", disable=None) as bar:
            for job in bar:
                bar.set_postfix_str(job.file.name)
                row = _restore_file(job, restorer, force)
                rows.append(row)
                name = job.target.relative_to(out)
                for note in row["notes"]:
                    tqdm.write(f"hirl: {name}: {note}", file=sys.stderr)
                if row["error"] is not None:
                    tqdm.write(f"hirl: {row['error']}", file=sys.stderr)
                else:
                    tqdm.write(f"{name}: {' -> '.join(row['path']) or 'left as it is'} (stopped: {row['why']})")
    finally:
        # An interrupt comes through here, too: what is restored is logged.
        write_json(log, settings, rows)
    failed = sum(row["error"] is not None for row in rows)
    if failed:
        raise ValueError(f"{failed} of {len(rows)} pictures could not be restored; {log} says why")


def _restore_file(job: Job, restorer: Restorer, force: bool) -> dict[str, Any]:
    """Restores and saves one picture; returns its row of the log."""
    began = perf_counter()
    row: dict[str, Any] = {
        "file": str(job.file),
        "saved": None,
        **{key: [] for key in ("path", "types", "degrees", "values")},
        **{"final_value": None, "why": None, "seconds": None, "notes": [], "error": None},
    }
    try:
        for target in (job.target, *job.steps):
            if target.exists() and not force:
                raise ValueError(f"{target} exists already; --force overwrites it")
        picture = read_picture(job.file)
        restored = restorer.restore(picture.pixels, keep_steps=bool(job.steps))
        for step, target in zip(restored.steps, job.steps, strict=False):
            assert step.image is not None
            save_picture(picture, step.image, target, "PNG")
        if restored.steps:
            save_picture(picture, restored.image, job.target)
            row["notes"] = list(picture.notes)
        else:
            # Saving it anew could only lose something.
            with written_whole(job.target) as beside:
                beside.write_bytes(job.file.read_bytes())
        row["saved"] = str(job.target)
        row["path"] = [step.tool for step in restored.steps]
        row["types"] = [step.type for step in restored.steps]
        row["degrees"] = [step.degree for step in restored.steps]
        row["values"] = [step.value for step in restored.steps]
        row["final_value"], row["why"] = restored.final_value, restored.why
    except UnreadablePicture as error:
        row["error"] = str(error)
    except Exception as error:  # whatever one picture does (memory, disk, a decoder), the others still have their turn
        kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
        row["error"] = f"{job.file}: {kind}{error}"
    row["seconds"] = round(perf_counter() - began, 3)
    return row


def plan(pictures: Sequence[str], out: Path, steps: int = 0) -> list[Job]:
    """What to restore and where to save it, without having written anything yet.

    Args:
        pictures: Files, folders and patterns. Of a folder, its sub-folders are found again in ``out``.
        out: The folder to save in. Where it lies within one of the folders, what is in there is left alone.
        steps: How many steps are to be saved at most.

    Returns:
        In the order given, each file once. Files that do not exist are among them: that is reported in their turn.

    Raises:
        ValueError: If there is nothing to do, two pictures would get one name, or a picture would be overwritten by
            a restored one.
    """
    if not pictures:
        raise ValueError("name at least one picture, folder or pattern")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; name a folder")
    jobs: dict[Path, Job] = {}
    for text in pictures:
        for file, name in _found(text, out):
            saved_steps = tuple(out / name.with_name(f"{name.stem}.step{step + 1}.png") for step in range(steps))
            jobs.setdefault(file.resolve(), Job(file, out / name, saved_steps))
    claimed: dict[Path, str] = {out / LOG: "the log"}
    for job in jobs.values():
        for target in (job.target, *job.steps):
            if target.resolve() in jobs:
                raise ValueError(f"{target} is one of the pictures and would be overwritten; choose another --out")
            if target in claimed:
                raise ValueError(
                    f"{claimed[target]} and {job.file} would both be saved as {target}; "
                    "restore them one after the other, each with its own --out"
                )
            claimed[target] = str(job.file)
    return list(jobs.values())


def _found(text: str, out: Path) -> list[tuple[Path, Path]]:
    """The files that an argument stands for, each with its name below the folder to save in."""
    path = Path(text)
    if path.is_dir():
        place = out.resolve()
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
    return [(file, Path(file.name)) for file in matches if _is_picture(file)] or [(path, Path(path.name))]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def read_picture(path: Path) -> Picture:
    """Reads a file with all that is to be kept.

    Raises:
        UnreadablePicture: If it is missing, damaged, or of a kind that could not be written again.
    """
    with opened(path) as picture:
        if picture.format not in FORMATS:
            raise ValueError(f"its format is {picture.format}; known are: {', '.join(FORMATS)}")
        frames = getattr(picture, "n_frames", 1)
        upright = ImageOps.exif_transpose(picture)
        extras = {"exif": _exif_of(picture, upright), "icc_profile": upright.info.get("icc_profile")}
        mode, alpha, notes = upright.mode, None, []
        if frames > 1:
            notes.append(f"holds {frames} pictures; only the first is restored and saved")
        if mode == "F":
            raise ValueError("its pixels are floating point numbers; convert it to 8 bits per channel")
        if mode.startswith("I"):
            notes.append("saved with 8 bits instead of 16")
            pixels, grey = deep_grey(upright), True
            if "transparency" in upright.info:
                alpha = np.where(np.asarray(upright) == upright.info["transparency"], 0, 255).astype(np.uint8)
        else:
            if mode in OTHER_COLOURS:
                notes.append(f"saved as RGB instead of {mode}, without a colour profile")
                extras["icc_profile"] = None
            pixels = np.asarray(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
            grey = mode in GREY_MODES
            if pixels.shape[2] == 4:
                pixels, alpha = pixels[..., :3], pixels[..., 3]
            # Greys that are stored as colours would come back tinted.
            if grey or (pixels == pixels[..., :1]).all():
                pixels = pixels[..., 0]
        kept = {key: value for key, value in extras.items() if value}
        return Picture(pixels, alpha, grey, picture.format, kept, tuple(notes))


def _exif_of(picture: Image.Image, upright: Image.Image) -> bytes | None:
    """What to write as EXIF, without an orientation that was applied."""
    if picture.format == "TIFF":
        there, kept = picture.getexif(), Image.Exif()
        for tag in (tag for tag in TIFF_TAGS if tag in there):
            kept[tag] = there[tag]
        for folder in (folder for folder in TIFF_FOLDERS if folder in there):
            # The tag of interoperability is an offset in the old file, and would lead nowhere.
            kept[folder] = {key: value for key, value in there.get_ifd(folder).items() if key != ExifTags.IFD.Interop}
        return kept.tobytes() if kept else None
    exif = upright.getexif()
    # The bytes as they were, where possible: makers' notes do not survive being written anew.
    return upright.info.get("exif") or (exif.tobytes() if exif else None)


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
    with written_whole(path) as beside:
        # The name ends in .part, so Pillow has to be told the format.
        image.save(beside, format="JPEG" if format == "MPO" else format, **FORMATS[format], **picture.extras)
