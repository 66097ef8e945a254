"""`hirl restore`: restores picture files, and writes down what was done to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from hirl_agents.registry import SHIPPED_AGENTS
from hirl_agents.restorer import Restorer
from hirl_env.devices import AnyPrecision, available_device, available_precision
from hirl_env.tools.registry import toolsets
from hirl_env.tools.toolset_file import YAML_SUFFIXES, files_of
from hirl_experiments.command_line.output import at_least, blind_measure
from hirl_experiments.command_line.settings import differences
from hirl_experiments.distributed.parallel import map_on_cluster
from hirl_experiments.pictures.finding import find_pictures
from hirl_experiments.pictures.formats import format_named
from hirl_experiments.restoring.jobs import plan
from hirl_experiments.restoring.log import LOG, Row, opened_log, sha256
from hirl_experiments.restoring.one_picture import JobAndReference, RestoredFile, SaveOptions, lost_file, restored_file
from hirl_experiments.restoring.progress import Progress, with_progress
from hirl_experiments.restoring.run import RestoreRun, print_left_out, print_notes, restore_in_turn


def restore(
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURES...")],
    out: Path,
    agent: str = "hirl",
    toolset: str = "hirl",
    max_steps: int | None = None,
    only: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    price: float = 0.0,
    strength: float = 1.0,
    stop: Literal["value", "quality", "reference", "steps"] = "value",
    measure: str = "hirl-biqa",
    guard: str | None = None,
    references: Path | None = None,
    format: str | None = None,
    quality: int | None = None,
    max_pixels: int | None = None,
    precision: AnyPrecision = "auto",
    device: str = "auto",
    save_steps: bool = False,
    sheet: bool = False,
    dry_run: bool = False,
    force: bool = False,
    trust: bool = False,
    address: str | None = None,
) -> None:
    """Restore pictures, and save them under their names in another folder with a log of what was done.

    Reads PNG, JPEG, WebP, TIFF (all pages), BMP, PPM, AVIF, JPEG 2000, TGA and the first frame of GIFs; HEIC and JPEG
    XL with the extra formats. Format, 16 bits per channel, EXIF, XMP, IPTC, texts, colour profile, resolution and
    transparency are kept; what is not is said. A picture with which nothing is to be done is copied as it is. Stop it
    with Ctrl-C and run the same command again, from any folder: it goes on with the pictures that are not yet restored,
    or have changed since.

    Args:
        pictures: Files, folders (with their sub-folders), and patterns such as "holiday/*.jpg".
        out: Folder for the restored pictures and the log restore.jsonl.
        agent: Agent that chooses the tools: hirl, flat-dqn, or a file: what hirl train or Stable-Baselines3 saved, or
            RL-Restore's weights as its authors have them (.npz).
        toolset: Toolset that it was trained with: a name, a YAML file, or where RL-Restore's twelve tools are.
        max_steps: Tools to use on a picture at most. Default: as many as in the agent's training.
        only: Tools and types that may be used, such as denoise, "SRN" or deblur-2. Default: all.
        without: Tools and types that may not be used.
        price: Gain that is asked of a GFLOP, counted for 64x64 pixels, in the units of the agent's values: dB,
            unless it was trained for another reward. 0: the best quality; 0.1, say: cheaper tools, and fewer.
        strength: Share of the change that is kept, from 0 (the original) to 1 (the result).
        stop: Rule by which the agent stops. value: when no tool is thought to gain anything; quality: when a step does
            not raise the --measure, and is taken back; reference: when it does not raise the PSNR; steps: only after
            --max-steps.
        measure: Blind measure of --stop quality: hirl-biqa, paq2piq, brisque.
        guard: A blind measure; a result that it likes less than the original is not saved, and the original is.
        references: Folder with the clean originals under the same names, for --stop reference.
        format: Format to save in: png, jpeg, tiff, webp, ... Default: that of each file.
        quality: Quality of JPEG, WebP, AVIF, HEIC and JPEG XL, 1 to 100. Default: 95; what lost nothing stays so.
        max_pixels: Most pixels of a picture. Default: as many as fit into the memory that is free.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device that they run on: cpu, cuda, mps, or auto.
        save_steps: Whether to save the picture after each step, too, as NAME.step1.png and so on; of a TIFF, the first
            page.
        sheet: Whether to save a sheet of before and after, too, as NAME.sheet.png.
        dry_run: Whether to say what would be done, and save nothing.
        force: Whether to overwrite what is in the way, and restore again what was restored.
        trust: Whether --agent may be a .zip file of Stable-Baselines3: loading one runs code that it holds.
        address: Address of a Ray cluster to restore on, many pictures at a time: HOST:PORT, or "auto" for the one that
            this machine is part of. All its nodes have this package and see the files at the same places; only this
            machine writes. Default: this machine alone.
    """
    device = str(available_device(device))  # as the log is to have it
    precision = available_precision(precision, device)
    given = dict(locals())
    at_least(1, max_pixels=max_pixels)
    _check(quality, strength, stop, references)
    found = find_pictures(pictures, out)
    progress = Progress(len(found.files))
    restorer, options = _opened(given, progress)
    jobs = plan(found.files, out, options.format, restorer.max_steps if save_steps else 0, sheet)
    settings = _settings(given)
    restored = (
        partial(restore_in_turn, restorer, options, progress)
        if address is None
        else partial(map_on_cluster, address, device, partial(_on_a_worker, given, settings), lost_file)
    )
    with nullcontext() if dry_run else opened_log(out) as log:
        run = RestoreRun(jobs, restored, references, log, settings, force, progress)
        rows = _rows(run)
        print_notes(rows)
        print_left_out(found, log)
    if not dry_run:
        print(f"wrote {out / LOG}")
    if failed := sum(row["error"] is not None for row in rows):
        why = "" if dry_run else f"; {out / LOG} says why"
        raise ValueError(f"{failed} of {len(jobs)} pictures could not be restored{why}")


def _opened(given: Mapping[str, Any], progress: Progress | None = None) -> tuple[Restorer, SaveOptions]:
    """The restorer that was asked for, and what else is wanted of each picture."""
    toolset = toolsets.resolve(given["toolset"]).to(given["device"])
    names = ("max_steps", "stop", "measure", "precision", "device", "only", "without", "price", "trust")
    restorer = Restorer(
        given["agent"],
        toolset if progress is None else with_progress(toolset, progress.tile),
        **{name: given[name] for name in names},
    )
    format = given["format"] and format_named(given["format"])
    guard = None if given["guard"] is None else blind_measure(given["guard"], "--guard")
    return restorer, SaveOptions(format, given["quality"], given["strength"], guard, given["max_pixels"])


def _on_a_worker(given: Mapping[str, Any], settings: Mapping[str, Any]) -> Callable[[JobAndReference], RestoredFile]:
    """What restores a picture on a node of a cluster; raises ValueError where that would not be to the same bits."""
    others = differences(settings, _settings(given))
    if others:
        raise ValueError(f"other settings than where the command runs: {', '.join(others)}")
    restorer, options = _opened(given)
    return lambda task: restored_file(task[0], restorer, options, task[1])


def _check(quality: int | None, strength: float, stop: str, references: Path | None) -> None:
    at_least(1, quality=quality)
    if quality is not None and quality > 100:
        raise ValueError(f"--quality is 1 to 100, got {quality}")
    if not 0 <= strength <= 1:
        raise ValueError(f"--strength is 0 (the original) to 1 (the result), got {strength}")
    if (stop == "reference") != (references is not None):
        raise ValueError("--stop reference and --references DIR, the folder of the clean originals, go together")
    if references is not None and not references.is_dir():
        raise ValueError(f"--references {references}: no such folder")


def _rows(run: RestoreRun) -> list[Row]:
    """Restores all pictures, and returns what the log says of each."""
    try:
        return run.all()
    except KeyboardInterrupt:
        goes_on = "" if run.force or run.log is None else "; the same command goes on with the other pictures"
        raise KeyboardInterrupt(f"interrupted{goes_on}") from None
    finally:
        run.progress.close()


# Settings that change no result.
INDIFFERENT = ("pictures", "out", "references", "max_pixels", "dry_run", "force", "address")


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """What results depend on, beside the picture, as it is found again in the log."""
    kept = {name: value for name, value in given.items() if name not in INDIFFERENT}
    kept |= {name: list(value) for name, value in kept.items() if isinstance(value, tuple)}
    agent = sha256(Path(SHIPPED_AGENTS.get(given["agent"], Path(given["agent"]))))
    place = Path(given["toolset"])
    tools = [sha256(file) for file in (files_of(place) if place.suffix in YAML_SUFFIXES else [place])]
    return kept | {"agent_sha256": agent, "toolset_sha256": tools, "version": version("hirl-restore")}
