"""Jobs: what to restore and where to save it, planned before anything is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hirl_experiments.command_line.checks import check_targets
from hirl_experiments.pictures.formats import FALLBACK, FORMATS, can_write, of_suffix
from hirl_experiments.restoring.log import LOG


@dataclass(frozen=True)
class Job:
    """A picture to restore.

    Attributes:
        file: File of the picture.
        below: Name of the picture below the folder that it was found in.
        out: Folder that everything is saved in.
        target: File of the result.
        steps: Files of the picture after each step; empty if steps are not saved.
        sheet: File of the sheet of before and after; None if no sheet is saved.
    """

    file: Path
    below: Path
    out: Path
    target: Path
    steps: tuple[Path, ...] = ()
    sheet: Path | None = None

    @property
    def targets(self) -> tuple[Path, ...]:
        """All files that may be written."""
        return (*self.steps, *(() if self.sheet is None else (self.sheet,)), self.target)

    def name(self, path: Path) -> str:
        """A path as the log names it: relative to ``out``."""
        return path.relative_to(self.out).as_posix()


def plan(files: Mapping[Path, Path], out: Path, format: str | None, steps: int, sheet: bool) -> list[Job]:
    """The jobs of a run.

    Args:
        files: Pictures, each with its name below ``out``. Files that do not exist are allowed.
        out: Folder to save in.
        format: Format to save in, as Pillow names it; None for that of each file.
        steps: Largest number of steps that are saved.
        sheet: Whether sheets are saved.

    Raises:
        ValueError: If two pictures would get the same name, or a restored picture would overwrite an original.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; name a folder")
    wanted = {file: _renamed(name, format) for file, name in files.items()}
    times = Counter(wanted.values())
    jobs = []
    for file, name in files.items():
        target = wanted[file]
        if target != name and times[target] > 1:
            # "a.gif" next to "a.png": the former is saved as "a.gif.png".
            target = name.with_name(name.name + target.suffix)
        whole = out / target
        jobs.append(
            Job(
                file,
                name,
                out,
                whole,
                tuple(whole.with_name(f"{target.name}.step{step + 1}.png") for step in range(steps)),
                whole.with_name(f"{target.name}.sheet.png") if sheet else None,
            )
        )
    targets = [(str(job.file), target) for job in jobs for target in job.targets]
    check_targets([("the log", out / LOG), *targets], {Path(os.path.realpath(job.file)) for job in jobs})
    return jobs


def _renamed(name: Path, format: str | None) -> Path:
    own = of_suffix(name.suffix)
    wanted = format or (own if own is None or can_write(own) else FALLBACK)
    return name if wanted == own or wanted is None else name.with_suffix(FORMATS[wanted].suffixes[0])
