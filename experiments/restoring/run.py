"""A run of `hirl restore`: it skips finished pictures, checks for obstacles, and logs the result of each."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hirl_agents.restorer import Restorer
from hirl_env.files import remove_leftovers
from hirl_experiments.command_line.fingerprints import sha256
from hirl_experiments.command_line.names import shown
from hirl_experiments.command_line.settings import differences
from hirl_experiments.restoring.finding import FoundPictures, reference_of
from hirl_experiments.restoring.jobs import Job
from hirl_experiments.restoring.log import LOG, RestoreLog, Row
from hirl_experiments.restoring.one_picture import (
    JobAndReference,
    RestoredFile,
    SaveOptions,
    empty_row,
    restored_file,
    what_was_done,
    write,
)
from hirl_experiments.restoring.progress import Progress


def restore_in_turn(
    restorer: Restorer, options: SaveOptions, progress: Progress, tasks: Iterable[JobAndReference]
) -> Iterator[RestoredFile]:
    """Restores pictures in this process."""
    for job, reference in tasks:
        yield restored_file(job, restorer, options, reference, progress.begin)


@dataclass
class RestoreRun:
    """Restores the pictures that are not yet restored.

    Attributes:
        jobs: Pictures to restore.
        restored: Function that restores pictures, each a job and the file of its clean original, in any order.
        references: Folder of the clean originals.
        log: Log of what was done; None if nothing is saved.
        rows: Rows of the log by target, from which the run resumes.
        settings: Settings that results depend on in addition to the pictures, as JSON values.
        force: Whether everything is restored again, overwriting existing files.
        progress: Progress display.
    """

    jobs: list[Job]
    restored: Callable[[Sequence[JobAndReference]], Iterable[RestoredFile]]
    references: Path | None
    log: RestoreLog | None
    rows: Mapping[str, Row]
    settings: dict[str, Any]
    force: bool
    progress: Progress

    def all(self) -> list[Row]:
        """Restores the pictures, and returns the row of each."""
        if not self.force:
            self._check_settings()
        for folder in {job.target.parent for job in self.jobs if self.log is not None}:
            remove_leftovers(folder)
        left: list[JobAndReference] = []
        rows = []
        finished = {job for job in self.jobs if not self.force and self._is_finished(job)}
        if finished:
            tqdm.write(f"{len(finished)} of {len(self.jobs)} restored already")
        for job in self.jobs:
            if job in finished:
                self.progress.end()
                rows.append(self.rows[job.name(job.target)])
            elif (error := self._obstacle(job)) is not None:
                rows.append(self._finish(empty_row(job) | {"error": error}, {}))
            else:
                left.append((job, self._reference(job)))
        rows += (self._finish(outcome.row, outcome.files) for outcome in self.restored(left))
        return rows

    def _reference(self, job: Job) -> Path | None:
        return None if self.references is None else reference_of(self.references, job.below)

    def _check_settings(self) -> None:
        """Raises ValueError if a picture was restored with other settings, whose result may still be wanted."""
        for job in self.jobs:
            row = self._saved_row(job)
            if row is not None and job.target.exists() and (changed := differences(row["settings"], self.settings)):
                raise ValueError(
                    f"{job.out / LOG} is there already, of other settings: {', '.join(changed)}; choose another --out, "
                    "or overwrite with --force"
                )

    def _saved_row(self, job: Job) -> Row | None:
        row = self.rows.get(job.name(job.target))
        return row if row is not None and row["saved"] is not None else None

    def _is_finished(self, job: Job) -> bool:
        """Whether input and output files match the log."""
        row = self._saved_row(job)
        if row is None or row["source_sha256"] != sha256(job.file):
            return False
        try:
            reference = self._reference(job)
        except ValueError:
            return False
        if reference is not None and row["reference_sha256"] != sha256(reference):
            return False
        return all(sha256(job.out / name) == expected for name, expected in row["saved_sha256"].items())

    def _obstacle(self, job: Job) -> str | None:
        """The reason why a picture cannot be restored, if there is one; checked before any is restored."""
        if not os.path.lexists(job.file):
            return f"{job.file}: no such file"
        try:
            self._reference(job)
        except ValueError as error:
            return str(error)
        row = self.rows.get(job.name(job.target), {})
        ours = _ours(row)
        for target in () if self.force else job.targets:
            name = job.name(target)
            if not os.path.lexists(target):
                continue
            if name not in ours:
                return f"{job.file}: {target} exists already; --force overwrites it"
            if row["source"] != os.path.realpath(job.file):
                return f"{job.file}: {target} is the result of {row['source']}; --force overwrites it"
            if sha256(target) not in (*ours[name], EMPTY):
                return f"{job.file}: {target} was changed since it was saved; --force overwrites it"
        return None

    def _finish(self, row: Row, files: Mapping[Path, bytes]) -> Row:
        """Logs, saves and prints the result of a picture."""
        before = _ours(self.rows.get(row["target"], {}) if files else {})
        row = row | {"settings": self.settings, "source": os.path.realpath(row["file"]), "ours_before": before}
        if self.log is not None:
            self.log.append(row)  # first, so that saved files are known as ours however this run ends
            try:
                write(files)
            except OSError as error:
                failed = {"saved": None, "saved_sha256": None, "error": f"{row['file']}: {error}"}
                row = row | failed | {"ours_before": _ours(row)}  # of which some may be saved
                self.log.append(row)
            else:
                _remove_stale(self.log.path.parent, row, files)
        _print_row(row, self.settings["measure"], self.settings["guard"])
        self.progress.end()
        return row


def _remove_stale(out: Path, row: Row, files: Mapping[Path, bytes]) -> None:
    """Removes what earlier runs saved of a picture and this one did not, such as the third step of another result."""
    for name, contents in row["ours_before"].items():
        if out / name not in files and sha256(out / name) in contents:
            (out / name).unlink()


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


def _ours(row: Row) -> dict[str, list[str]]:
    """Hashes of everything that runs up to this row may have saved, by name."""
    ours: dict[str, list[str]] = dict(row.get("ours_before", {}))
    for name, content in (row.get("saved_sha256") or {}).items():
        ours[name] = sorted({*ours.get(name, ()), content})
    return ours


def _print_row(row: Row, measure: str, guard: str | None) -> None:
    name = shown(row["target"])
    for note in row["notes"]:
        tqdm.write(f"hirl: {name}: {note}", file=sys.stderr)
    if row["error"] is not None:
        tqdm.write(f"hirl: {shown(row['error'])}", file=sys.stderr)
        return
    for number, page in enumerate([row, *row["further_pages"]], start=1):
        scores = "".join(
            f"; {by}: {page[before]:.1f} to {page[after]:.1f}"
            for by, before, after in ((measure, "score_before", "score_after"), (guard, "guard_before", "guard_after"))
            if page[before] is not None
        )
        of = f", page {number}" if row["further_pages"] else ""
        tqdm.write(f"{name}{of}: {what_was_done(page)} (stopped: {page['why']}{scores})")


def print_notes(rows: list[Row]) -> None:
    """Prints a summary in one line of what was not kept, if there are several pictures."""
    notes = Counter(note for row in rows for note in dict.fromkeys(map(_what_it_is_about, row["notes"])))
    if len(rows) > 1 and notes:
        count = sum(bool(row["notes"]) for row in rows)
        reasons = ", ".join(f"{note} ({times})" for note, times in notes.most_common())
        print(f"hirl: notes on {count} of {len(rows)} pictures: {reasons}", file=sys.stderr)


def _what_it_is_about(note: str) -> str:
    """A note without its page, and without the part after a colon, which is about a single picture."""
    return re.sub(r"^page \d+: ", "", note).partition(":")[0]


def print_left_out(found: FoundPictures, log: RestoreLog | None) -> None:
    """Reports which files in the folders were left out, in one line and in the log."""
    if not found.left_out:
        return
    if log is not None:
        log.append({"left_out": {str(path): why for path, why in found.left_out.items()}})
    print(f"hirl: left out: {found.summary()}{'' if log is None else '; the log names them'}", file=sys.stderr)
