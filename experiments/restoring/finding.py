"""Finds the pictures that a command's arguments stand for, and what was left out."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from hirl_env.data.images import PICTURE_SUFFIXES
from hirl_experiments.pictures.formats import FORMATS
from hirl_experiments.restoring.log import LOG, sheets_and_steps

SUFFIXES = frozenset(PICTURE_SUFFIXES).union(*(kind.suffixes for kind in FORMATS.values()))

RESULTS = "results of hirl restore"


@dataclass(frozen=True)
class FoundPictures:
    """The files that one or several arguments stand for.

    Attributes:
        files: Files, each once, with its name below the folder to save in, in the order found.
        left_out: Files and folders that lie in a folder and are not among them, with the reason.
    """

    files: dict[Path, Path] = field(default_factory=dict)
    left_out: dict[Path, str] = field(default_factory=dict)

    def summary(self) -> str:
        """What was left out, in one line; empty if nothing was."""
        reasons = Counter(self.left_out.values())
        return ", ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))


def find_pictures(arguments: Sequence[str], out: Path, results: bool = False) -> FoundPictures:
    """The files that a command's arguments stand for.

    Args:
        arguments: Files, which need not exist, folders with their sub-folders, and patterns of either.
        out: The folder to save in. Where it lies within what is searched, what is in there is left alone.
        results: Whether to search sub-folders with results of `hirl restore`, too; a folder that is named itself always
            is. Sheets and steps that lie there are taken only where they are named.

    Raises:
        ValueError: If there is no argument, or a folder or pattern finds no pictures.
    """
    if not all(arguments) or not arguments:  # an empty one is of a shell's variable that is not set, not of this folder
        raise ValueError("name at least one picture, folder or pattern, and none that is empty")
    found = FoundPictures()
    for argument in arguments:
        files, left_out = _expanded(argument, Path(os.path.realpath(out)), results)
        for file, name in files:
            found.files.setdefault(file, name)
        found.left_out.update(left_out)
    # A file that several names lead to is taken once, by its own name if that is among them.
    by_file: dict[str, list[Path]] = {}
    for file in found.files:
        by_file.setdefault(os.path.realpath(file), []).append(file)
    for names in by_file.values():
        _, *others = sorted(names, key=Path.is_symlink)
        for other in others:
            del found.files[other]
            if other.is_symlink():
                found.left_out[other] = "links to other pictures"
    return found


def reference_of(folder: Path, name: Path) -> Path:
    """The clean original of a picture: of its name below a folder, or of its name with another suffix.

    Args:
        folder: Folder of the originals.
        name: Name of the picture below the folder that it was found in.

    Raises:
        ValueError: If there is none, or there are several.
    """
    if (folder / name).is_file():
        return folder / name
    parent = (folder / name).parent
    same = sorted(file for file in parent.iterdir() if file.stem == name.stem) if parent.is_dir() else []
    same = [file for file in same if not _reason_left_out(file)]
    if not same:
        raise ValueError(f"{folder / name}: no such file, nor one of another suffix")
    if len(same) > 1:
        raise ValueError(f"{folder / name}: no such file, and of other suffixes there are {len(same)}; keep one")
    return same[0]


def _expanded(argument: str, out: Path, results: bool) -> tuple[list[tuple[Path, Path]], dict[Path, str]]:
    path = Path(argument)
    is_pattern = glob.has_magic(argument) and not os.path.lexists(path)
    if not is_pattern and not os.path.isdir(path):
        return [(path, Path(path.name))], {}
    matches = [Path(match) for match in sorted(_matches(argument))] if is_pattern else [path]
    if not matches:
        raise ValueError(f"{argument}: no file has such a name")
    # A pattern that finds what was saved before, too, means the others.
    matches = [match for match in matches if not _within(match, out)] or matches
    files: list[tuple[Path, Path]] = []
    left_out: dict[Path, str] = {}
    if is_pattern and not results:
        earlier = {match for match in matches if _in_results(match, _root(argument))}
        if others := [match for match in matches if match not in earlier]:
            matches, left_out = others, dict.fromkeys(sorted(earlier), RESULTS)
    made = {folder: sheets_and_steps(folder) for folder in {match.parent for match in matches}}
    for match in matches:
        if is_pattern and match.is_symlink() and os.path.isdir(match):
            left_out[match] = "links to folders"
            continue
        # Folders that a pattern finds may hold files of the same names.
        root = match.parent if is_pattern or not os.path.isdir(match) else match
        alone = [(match, _reason_left_out(match, made[match.parent]))]
        for entry, why in _entries(match, out, results) if os.path.isdir(match) else alone:
            if why:
                left_out[entry] = why
            else:
                files.append((entry, entry.relative_to(root)))
    if not files:
        looked = f"looked for {', '.join(sorted(SUFFIXES))}"
        rest = FoundPictures(left_out=left_out).summary()
        raise ValueError(f"{path}: no pictures in there ({f'left out: {rest}; ' if rest else ''}{looked})")
    return files, left_out


def _matches(pattern: str) -> list[str]:
    """Files and folders that a pattern finds, also below folders whose names hold brackets."""
    root = _root(pattern)
    return glob.glob(os.path.join(glob.escape(str(root)), *Path(pattern).parts[len(root.parts) :]), recursive=True)


def _root(pattern: str) -> Path:
    """The folder that a pattern names before its first part that is none."""
    parts = Path(pattern).parts
    first = next((index for index, _ in enumerate(parts) if not os.path.lexists(Path(*parts[: index + 1]))), len(parts))
    return Path(*parts[:first])


def _in_results(match: Path, root: Path) -> bool:
    """Whether a match of a pattern lies in a folder of results below its root, or is one."""
    return any((folder / LOG).is_file() for folder in takewhile(lambda folder: folder != root, (match, *match.parents)))


def _entries(folder: Path, out: Path, results: bool) -> Iterator[tuple[Path, str]]:
    """Everything below a folder, with the reason why it is no picture to take, or none."""
    unreadable: list[tuple[Path, str]] = []
    made: set[Path] = set()
    searched = Path(os.path.realpath(folder))
    skip = out if searched in out.parents else None

    def note(error: OSError) -> None:
        unreadable.append((Path(error.filename), "unreadable folders"))

    for here, folders, files in os.walk(folder, onerror=note):
        if skip is not None:
            folders[:] = [name for name in folders if Path(os.path.realpath(Path(here, name))) != skip]
        yield from ((Path(here, name), "hidden folders") for name in sorted(folders) if _is_hidden(name))
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        yield from ((Path(here, name), "links to folders") for name in folders if Path(here, name).is_symlink())
        if not results:
            earlier = [name for name in folders if Path(here, name, LOG).is_file()]
            yield from ((Path(here, name), RESULTS) for name in earlier if not Path(here, name).is_symlink())
            folders[:] = [name for name in folders if name not in earlier]
        made |= sheets_and_steps(Path(here))
        yield from ((Path(here, name), _reason_left_out(Path(here, name), made)) for name in sorted(files))
    yield from unreadable


def _reason_left_out(path: Path, made: AbstractSet[Path] = frozenset()) -> str:
    """The reason why a file is left out; empty if it is taken.

    Args:
        path: File.
        made: Sheets and steps of earlier runs.
    """
    if path in made:
        return "sheets and steps"
    if _is_hidden(path.name):
        return "hidden files"
    if path.is_symlink() and not os.path.exists(path):
        return "broken links"
    if not os.path.isfile(path):
        return "folders" if os.path.isdir(path) else "special files"
    if path.suffix.lower() not in SUFFIXES:
        return f"{path.suffix.lower()} files" if path.suffix else "files without a suffix"
    return ""


def _is_hidden(name: str) -> bool:
    # Names that the system gives: macOS puts "._a.jpg", which is not a picture, next to "a.jpg"; the bin is a folder.
    return name.startswith(".")


def _within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)
