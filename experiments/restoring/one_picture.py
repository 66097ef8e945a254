"""Restores one picture file, and records what was done to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from hirl_agents.restorer import Restored, Restorer
from hirl_env.data.images import UnreadablePicture, as_batch
from hirl_env.errors import first_line
from hirl_env.files import atomic_write
from hirl_env.quality import Measure
from hirl_experiments.command_line.fingerprints import sha256
from hirl_experiments.command_line.names import shown
from hirl_experiments.pictures.encoding import encoded, saved_format, with_pages_kept
from hirl_experiments.pictures.reading import Page, Picture, Pixels, of_pages, read_picture
from hirl_experiments.restoring.jobs import Job
from hirl_experiments.restoring.log import Row
from hirl_experiments.restoring.sheet import sheet

JobAndReference = tuple[Job, Path | None]  # what to restore, and the file of its clean original


@dataclass(frozen=True)
class SaveOptions:
    """How pictures are saved, the same for a whole run.

    Attributes:
        format: Format to save in, as Pillow names it; None for that of the file.
        quality: Quality of lossy formats; None for the format's default.
        strength: Share of the change that is kept, 0 to 1.
        guard: Blind measure; a result that scores lower than the original is not saved.
        max_pixels: Most pixels of a picture, as in `hirl_env.data.images.opened`.
    """

    format: str | None = None
    quality: int | None = None
    strength: float = 1.0
    guard: Measure | None = None
    max_pixels: int | None = None


@dataclass
class RestoredFile:
    """The result of a job.

    Attributes:
        row: Row of the log.
        files: Contents of the files to write, in this order.
    """

    row: Row
    files: dict[Path, bytes] = field(default_factory=dict)


def restored_file(
    job: Job,
    restorer: Restorer,
    options: SaveOptions,
    reference: Path | None,
    begin: Callable[[str, int, int], None] = lambda *_: None,
) -> RestoredFile:
    """Restores a picture in memory.

    Args:
        job: Picture to restore, and where to save it.
        restorer: Restorer whose agent and tools are used.
        options: Options of the run.
        reference: File of the clean original.
        begin: Function called before each page, with the picture's name and the page's height and width.

    Returns:
        The row of the log and the files to write; no files if there is an error.
    """
    began = perf_counter()
    outcome = RestoredFile(empty_row(job))
    try:
        _restore(job, restorer, options, reference, begin, outcome)
    except Exception as error:  # whatever fails in one picture (memory, a decoder), the others are still restored
        known = {"error": reason(job.file, error), "source_sha256": outcome.row["source_sha256"]}
        outcome = RestoredFile(empty_row(job) | known)
    outcome.row["seconds"] = round(perf_counter() - began, 3)
    return outcome


def _restore(
    job: Job,
    restorer: Restorer,
    options: SaveOptions,
    reference: Path | None,
    begin: Callable[[str, int, int], None],
    outcome: RestoredFile,
) -> None:
    """Restores the pages of a picture, and fills in the row and the files."""
    outcome.row["source_sha256"] = sha256(job.file)
    outcome.row["reference_sha256"] = None if reference is None else sha256(reference)
    picture = read_picture(job.file, options.max_pixels)
    cleans = [None] * len(picture.pages) if reference is None else read_picture(reference, options.max_pixels).pages
    if len(cleans) != len(picture.pages):
        raise ValueError(f"{reference} has {of_pages(cleans)} instead of {len(picture.pages)}")
    picture = with_pages_kept(picture, options.format)
    results, pages = [], []
    for page, clean in zip(picture.pages, cleans, strict=False):
        begin(shown(job.file.name), *page.pixels.shape[:2])
        restored = restorer.restore(page.visible, _like(page, clean), keep_steps=bool(job.steps))
        result, page_row = _judged(page, restored, options, restorer.toolset.device)
        results.append(result)
        pages.append(page_row)
        for step, target in zip(restored.steps, job.steps, strict=False):
            if page is picture.pages[0] and step.image is not None:
                after = covered(page, blended(page.visible, step.image, options.strength))
                outcome.files[target] = encoded(picture.first_page(), [after], "PNG")[0]
    _save(job, picture, results, pages, options, outcome)


def reason(file: Path, error: Exception) -> str:
    """Why a picture failed: one line that names the file."""
    if isinstance(error, UnreadablePicture):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{file}: does not fit into memory"
    kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
    return f"{file}: {kind}{first_line(error)}"


def lost_file(task: JobAndReference) -> RestoredFile:
    """The result for a picture at which processes die."""
    job, _ = task
    reason = "workers died at it again and again; it may need more memory than they have"
    return RestoredFile(empty_row(job) | {"error": f"{job.file}: {reason}"})


def empty_row(job: Job) -> Row:
    """The row of a picture about which nothing is known yet."""
    lists: Row = {name: [] for name in ("path", "types", "degrees", "expected", "notes", "further_pages")}
    names = ("saved", "saved_sha256", "source_sha256", "reference_sha256", "final_value", "why", "error", "seconds")
    scores = ("score_before", "score_after", "guard_before", "guard_after")
    nothing: Row = dict.fromkeys((*names, *scores, "not_kept"))
    return {"file": str(job.file), "target": job.name(job.target), **nothing, **lists}


def _like(page: Page, clean: Page | None) -> Pixels | None:
    """The clean original in the form of the picture's page as it is visible: with its channels and its type."""
    if clean is None:
        return None
    channels = page.visible.ndim
    pixels = page.uncovered(clean.pixels) if clean.pixels.shape[:2] == page.pixels.shape[:2] else clean.pixels
    if pixels.ndim < channels:  # greys, whose noise has colours
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    elif pixels.ndim > channels:
        # Of all greys, the mean is nearest to the colours: what is nearer to it is nearer to them.
        pixels = np.round(pixels.mean(axis=2)).astype(pixels.dtype)
    if pixels.dtype == page.pixels.dtype:
        return pixels
    scaled = np.round(pixels / np.iinfo(pixels.dtype).max * np.iinfo(page.pixels.dtype).max)
    return scaled.astype(page.pixels.dtype)


def _judged(page: Page, restored: Restored, options: SaveOptions, device: torch.device) -> tuple[Pixels, Row]:
    """The pixels to save for a page, and its row of the log."""
    page_row: Row = {
        "path": [step.tool for step in restored.steps],
        "types": [step.type for step in restored.steps],
        "degrees": [step.degree for step in restored.steps],
        "expected": [step.value for step in restored.steps],
        **{"final_value": restored.final_value, "why": restored.why},
        **{"score_before": restored.score_before, "score_after": restored.score_after},
        **{"guard_before": None, "guard_after": None, "not_kept": None},
    }
    before = page.visible
    if not restored.steps:
        return page.pixels, page_row
    if options.strength == 0:
        return page.pixels, page_row | {"not_kept": "strength 0"}
    result = blended(before, restored.image, options.strength)
    if np.array_equal(result, before):  # too little to be seen in whole numbers
        return page.pixels, page_row | {"not_kept": "no visible change"}
    guarded = {"why": "guard", "not_kept": "guard"}
    if options.guard is not None and min(before.shape[:2]) < options.guard.smallest:
        return page.pixels, page_row | guarded
    if options.guard is not None:
        for name, pixels in (("guard_before", before), ("guard_after", result)):
            page_row[name] = score(options.guard, pixels, device)
        if page_row["guard_after"] < page_row["guard_before"]:
            return page.pixels, page_row | guarded
    return covered(page, result), page_row


def what_was_done(page_row: Row) -> str:
    """The tools that a page was restored with, or that it was left as it is, and which were tried and not kept."""
    path = " -> ".join(page_row["path"])
    if not path:
        return "left as it is"
    return path if page_row["not_kept"] is None else f"left as it is ({page_row['not_kept']}; tried {path})"


def blended(before: Pixels, after: Pixels, strength: float) -> Pixels:
    """A part of a change: ``before`` at a strength of 0, ``after`` at 1."""
    if strength == 1:
        return after
    mixed = before + strength * (after.astype(np.float32) - before)
    return np.round(mixed).clip(0, np.iinfo(before.dtype).max).astype(before.dtype)


def score(measure: Measure, pixels: Pixels, device: torch.device) -> float:
    """The score of pixels (H, W, 3) or (H, W) by a blind measure, on a device."""
    with torch.no_grad():
        return float(measure.score(as_batch(pixels).to(device), None)[0])


def covered(page: Page, pixels: Pixels) -> Pixels:
    """Pixels with the original's colours where they are fully transparent."""
    if page.alpha is None or not (hidden := page.alpha == 0).any():
        return pixels
    grey = pixels.ndim < page.pixels.ndim
    covered = np.repeat(pixels[..., None], 3, axis=2) if grey else pixels.copy()
    covered[hidden] = page.pixels[hidden]
    return covered


def _save(
    job: Job, picture: Picture, results: list[Pixels], pages: list[Row], options: SaveOptions, outcome: RestoredFile
) -> None:
    """Fills in the row and the files."""
    row = outcome.row
    row |= pages[0] | {"further_pages": pages[1:]}
    changed = any(result is not page.pixels for result, page in zip(results, picture.pages, strict=True))
    if job.sheet is not None:
        before, after = (picture.pages[0].seen(pixels) for pixels in (picture.pixels, results[0]))
        outcome.files[job.sheet] = sheet(before, after, shown(job.file.name), what_was_done(row))
    if changed or saved_format(picture, options.format) != picture.format:
        content, notes = encoded(picture, results, options.format, options.quality)
        row["notes"] = [*picture.notes, *notes]
    else:
        # Encoding it again could only lose something.
        content = job.file.read_bytes()
    for number, page_row in enumerate(pages, start=1):
        if page_row["not_kept"] == "guard":
            row["notes"].append(f"page {number}: {_verdict(page_row)}" if len(pages) > 1 else _verdict(page_row))
    outcome.files[job.target] = content
    row["saved"] = job.name(job.target)
    row["saved_sha256"] = {job.name(path): hashlib.sha256(data).hexdigest() for path, data in outcome.files.items()}


def _verdict(page_row: Row) -> str:
    """The note on a page that the guard left as it is."""
    before, after = page_row["guard_before"], page_row["guard_after"]
    if before is None:
        return "left as it is: the guard cannot score so small a picture"
    return f"left as it is: the guard says {after:.1f} of the result, {before:.1f} before"


def write(files: Mapping[Path, bytes]) -> None:
    """Writes the files of a picture, the result itself last.

    Raises:
        OSError: If a file cannot be written.
    """
    for path, content in files.items():
        with atomic_write(path) as file:
            file.write(content)
