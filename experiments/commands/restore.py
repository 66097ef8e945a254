"""`hirl restore`: restores picture files, and writes down what was done to each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from tqdm import tqdm

from hirl_agents.restorer import Restorer
from hirl_env.data.images import UnreadablePicture
from hirl_env.files import atomic_write
from hirl_env.tools.toolset import Precision
from hirl_experiments.io.output import check_free, check_targets, keep_json
from hirl_experiments.io.picture_files import found_pictures, read_picture, save_picture

ANY = ("pictures", "force")  # settings that the runs of one log need not share
LOG = "restore.json"


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


def restore(
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURES...")],
    out: Path,
    agent: str = "hirl",
    toolset: str = "hirl",
    max_steps: int | None = None,
    stop: Literal["value", "quality", "reference", "steps"] = "value",
    measure: str = "hirl-biqa",
    references: Path | None = None,
    precision: Precision = "float32",
    device: str = "cpu",
    save_steps: bool = False,
    force: bool = False,
) -> None:
    """Restore pictures, and save them under their names in another folder with a log of what was done.

    Reads and writes PNG, JPEG, WebP, TIFF, BMP and PPM. Format, EXIF, colour profile and transparency are kept, and
    greys stay grey; 16 bits per channel become 8, and of animations only the first frame is restored. A picture with
    which nothing is to be done is copied as it is. Stop it with Ctrl-C and run the same command again: it goes on with
    the pictures that are not yet restored; with other pictures and the same settings, to the same folder and log.

    Args:
        pictures: Files, folders (with their sub-folders), and patterns such as "holiday/*.jpg".
        out: Folder for the restored pictures and the log restore.json.
        agent: Who chooses the tools: hirl, flat-dqn, or the .safetensors file of such an agent, by hirl train.
        toolset: What it was trained with: a name, or where RL-Restore's twelve tools are.
        max_steps: Tools to use on a picture at most. Default: as many as in the agent's training.
        stop: value: when no tool is thought to gain anything; quality: when a step does not raise the --measure, and
            is taken back; reference: when it does not raise the PSNR; steps: only after --max-steps.
        measure: By which --stop quality judges, without a reference: hirl-biqa, paq2piq, brisque.
        references: Folder with the clean originals under the same names, for --stop reference.
        precision: In which the tools run; bf16 is faster where the processor has it.
        device: Where they run: cpu, cuda, mps.
        save_steps: Also save the picture after each step, as NAME.step1.png and so on.
        force: Overwrite what is in the way, and restore again what was restored.
    """
    settings = {"folder": Path.cwd(), **locals()}  # pictures of one name elsewhere are others
    if (stop == "reference") != (references is not None):
        raise ValueError("--stop reference and --references DIR, the folder of the clean originals, go together")
    restorer = Restorer(
        agent, toolset, max_steps=max_steps, stop=stop, measure=measure, precision=precision, device=device
    )
    jobs = plan(pictures, out, restorer.max_steps if save_steps else 0)
    log = out / LOG
    asked = {str(job.file) for job in jobs}
    before = _rows(log, settings, force) if log.exists() else []
    finished = {row["file"] for row in before if row["saved"] is not None and Path(row["saved"]).exists()}
    finished -= asked if force else set()
    # What a kill left of these may be overwritten.
    begun = {row["file"] for row in before if row["saved"] is None and row["error"] is None}
    rows = [row for row in before if row["file"] in finished | (begun - asked)]
    jobs = [job for job in jobs if str(job.file) not in finished]
    try:
        with tqdm(jobs, unit="picture", disable=None) as bar:
            for job in bar:
                bar.set_postfix_str(job.file.name)
                name = job.target.relative_to(out)
                reference = None if references is None else references / name
                begin = lambda row: keep_json(log, settings, [*rows, row])  # noqa: E731
                row = _restore_file(job, restorer, reference, force or str(job.file) in begun, begin)
                rows.append(row)
                # After every picture: whatever ends this run, the next goes on from here.
                keep_json(log, settings, rows)
                for note in row["notes"]:
                    tqdm.write(f"hirl: {name}: {note}", file=sys.stderr)
                if row["error"] is not None:
                    tqdm.write(f"hirl: {row['error']}", file=sys.stderr)
                else:
                    path = " -> ".join(row["path"]) or "left as it is"
                    scores = (
                        ""
                        if row["score_after"] is None
                        else f"; {measure}: {row['score_before']:.1f} to {row['score_after']:.1f}"
                    )
                    tqdm.write(f"{name}: {path} (stopped: {row['why']}{scores})")
    except KeyboardInterrupt:
        goes_on = "" if force else "; the same command goes on with the other pictures"
        raise KeyboardInterrupt(f"interrupted{goes_on}") from None
    print(f"wrote {log}")
    failed = sum(row["error"] is not None for row in rows)  # those of before are not kept
    if failed:
        raise ValueError(f"{failed} of {len(jobs)} pictures could not be restored; {log} says why")


def _rows(log: Path, settings: Mapping[str, Any], force: bool) -> list[dict[str, Any]]:
    """The rows of an earlier run with the same settings, whatever its pictures were.

    With ``force``, none of a run with others.

    Raises:
        ValueError: If the log is of other settings, or none of ours.
    """
    try:
        before = json.loads(log.read_text())
        now = json.loads(json.dumps(settings, default=str))
        others = [name for name in now if name not in ANY and before["settings"][name] != now[name]]
        rows = [{"saved": None, "error": None, **row} for row in before["rows"] if row["file"]]
    except (ValueError, LookupError, TypeError):
        others, rows = ["a log of something else"], []
    if others and force:
        return []
    if others:
        raise ValueError(
            f"{log} is there already, of other settings ({', '.join(others)}): choose another --out, or overwrite with "
            "--force"
        )
    return rows


def _restore_file(
    job: Job, restorer: Restorer, reference: Path | None, force: bool, begin: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Restores and saves one picture; returns its row of the log, and gives ``begin`` one before it writes anything."""
    began = perf_counter()
    row: dict[str, Any] = {
        "file": str(job.file),
        "saved": None,
        **{key: [] for key in ("path", "types", "degrees", "values")},
        **{
            "final_value": None,
            "why": None,
            "score_before": None,
            "score_after": None,
            "seconds": None,
            "notes": [],
            "error": None,
        },
    }
    try:
        check_free((job.target, *job.steps), force)
        picture = read_picture(job.file)
        clean = None if reference is None else read_picture(reference).pixels
        if clean is not None and clean.ndim < picture.pixels.ndim:  # greys, whose noise has colours
            clean = np.repeat(clean[..., None], 3, axis=2)
        restored = restorer.restore(picture.pixels, clean, keep_steps=bool(job.steps))
        begin(dict(row))
        for step, target in zip(restored.steps, job.steps, strict=False):
            assert step.image is not None
            save_picture(picture, step.image, target, "PNG")
        if restored.steps:
            save_picture(picture, restored.image, job.target)
            row["notes"] = list(picture.notes)
        else:
            # Saving it anew could only lose something.
            content = job.file.read_bytes()
            with atomic_write(job.target) as file:
                file.write(content)
        row["saved"] = str(job.target)
        row["path"] = [step.tool for step in restored.steps]
        row["types"] = [step.type for step in restored.steps]
        row["degrees"] = [step.degree for step in restored.steps]
        row["values"] = [step.value for step in restored.steps]
        row["final_value"], row["why"] = restored.final_value, restored.why
        row["score_before"], row["score_after"] = restored.score_before, restored.score_after
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
        for file, name in found_pictures(text, out):
            saved_steps = tuple(out / name.with_name(f"{name.stem}.step{step + 1}.png") for step in range(steps))
            jobs.setdefault(file.resolve(), Job(file, out / name, saved_steps))
    targets = [(str(job.file), target) for job in jobs.values() for target in (job.target, *job.steps)]
    check_targets([("the log", out / LOG), *targets], jobs)
    return list(jobs.values())
