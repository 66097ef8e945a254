"""`hirl restore`: restores picture files, and logs what was done to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from hirl_experiments.command_line.checks import at_least
from hirl_experiments.command_line.settings import differences
from hirl_experiments.distributed.parallel import map_on_cluster
from hirl_experiments.restoring.finding import find_pictures
from hirl_experiments.restoring.jobs import plan
from hirl_experiments.restoring.log import LOG, Row, logged_rows, opened_log
from hirl_experiments.restoring.one_picture import JobAndReference, RestoredFile, lost_file, restored_file
from hirl_experiments.restoring.progress import Progress
from hirl_experiments.restoring.run import RestoreRun, print_left_out, print_notes, restore_in_turn
from hirl_experiments.restoring.settings import RestoreSettings

DEFAULTS = RestoreSettings()


def restore(
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURES...")],
    out: Path = Path("restored"),
    settings: Annotated[RestoreSettings, tyro.conf.arg(name="")] = DEFAULTS,
    references: Path | None = None,
    max_pixels: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    address: str | None = None,
) -> None:
    """Restore pictures, and save them under their names in another folder with a log of what was done.

    Reads PNG, JPEG, WebP, TIFF (all pages), BMP, PPM, AVIF, JPEG 2000, TGA and the first frame of GIFs; HEIC and JPEG
    XL with the extra formats. Format, 16 bits per channel, EXIF, XMP, IPTC, texts, colour profile, resolution and
    transparency are kept; anything lost is reported. A picture on which the agent uses no tool is copied unchanged.
    Stop it with Ctrl-C and run the same command again, from any folder: it resumes with the pictures that are not yet
    restored, or have changed since; with --force it begins anew.

    Args:
        pictures: Files, folders (with their sub-folders), and patterns such as "holiday/*.jpg".
        out: Folder for the restored pictures and the log restore.jsonl.
        settings: Settings of all pictures.
        references: Folder with the clean originals under the same names, for --stop reference.
        max_pixels: Most pixels of a picture. Default: as many as fit into free memory.
        dry_run: Whether to say what would be done, and save nothing.
        force: Whether to overwrite existing files, and restore again what was restored.
        address: Address of a Ray cluster to restore on, many pictures at a time: HOST:PORT, or "auto" for the one that
            this machine is part of. All its nodes must have this package and see the files at the same paths; only this
            machine writes. Default: this machine alone.
    """
    settings = settings.prepared()
    at_least(1, max_pixels=max_pixels)
    _check_references(references, settings.stop)
    found = find_pictures(pictures, out)
    progress = Progress(len(found.files))
    restorer, options = settings.restorer(progress), settings.save_options(max_pixels)
    steps = restorer.max_steps if settings.save_steps else 0
    jobs = plan(found.files, out, options.format, steps, settings.sheet)
    logged = settings.as_logged()
    restored = (
        partial(restore_in_turn, restorer, options, progress)
        if address is None
        else partial(
            map_on_cluster, address, settings.device, partial(_on_a_worker, settings, max_pixels, logged), lost_file
        )
    )
    with nullcontext() if dry_run else opened_log(out) as log:
        known = logged_rows(out) if log is None else log.rows
        run = RestoreRun(jobs, restored, references, log, known, logged, force, progress)
        rows = _rows(run)
        print_notes(rows)
        print_left_out(found, log)
    if log is not None and log.written:
        print(f"wrote {out / LOG}")
    if failed := sum(row["error"] is not None for row in rows):
        why = "" if dry_run else f"; {out / LOG} says why"
        raise ValueError(f"{failed} of {len(jobs)} pictures could not be restored{why}")


def _on_a_worker(
    settings: RestoreSettings, max_pixels: int | None, logged: Mapping[str, Any]
) -> Callable[[JobAndReference], RestoredFile]:
    """A function that restores a picture on a cluster node; raises ValueError if results would not be identical."""
    others = differences(logged, settings.as_logged())
    if others:
        raise ValueError(f"other settings than where the command runs: {', '.join(others)}")
    restorer, options = settings.restorer(), settings.save_options(max_pixels)
    return lambda task: restored_file(task[0], restorer, options, task[1])


def _check_references(references: Path | None, stop: str) -> None:
    if (stop == "reference") != (references is not None):
        raise ValueError("--stop reference and --references DIR, the folder of the clean originals, go together")
    if references is not None and not references.is_dir():
        raise ValueError(f"--references {references}: no such folder")


def _rows(run: RestoreRun) -> list[Row]:
    """Restores all pictures, and returns the log's row of each."""
    try:
        return run.all()
    except KeyboardInterrupt:
        goes_on = "" if run.force or run.log is None else "; the same command goes on with the other pictures"
        raise KeyboardInterrupt(f"interrupted{goes_on}") from None
    finally:
        run.progress.close()
