"""Where a training's figures go (CSV, Weights & Biases), what identifies it, and how it is interrupted."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.metadata
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
from stable_baselines3.common.logger import Image, KVWriter

from hirl_env.files import unwritable, written_whole

PACKAGES = ("hirl-restore", "gymnasium", "stable-baselines3", "torch", "torchvision", "numpy", "pillow", "piq")
WANDB_MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")


class CsvLog:
    """Rows appended to a CSV file; all have the keys of the first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, row: dict[str, Any]) -> None:
        """Appends a row.

        Raises:
            OSError: If the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("a", newline="") as file:
                writer = csv.DictWriter(file, row)
                if new:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def rewrite(self, rows: list[dict[str, str]]) -> None:
        """Replaces all rows."""
        if rows:
            with written_whole(self.path) as beside, beside.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        else:
            self.path.unlink(missing_ok=True)

    def read(self) -> list[dict[str, str]]:
        """The rows so far, but for a last one that was cut off while it was written."""
        if not self.path.exists():
            return []
        text = self.path.read_text()
        return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))


def start_wandb(project: str, name: str, folder: Path, config: dict[str, Any]) -> Any:
    """A run of Weights & Biases; the same folder and configuration go on with the same run.

    Honours ``WANDB_MODE``; offline where that is not set and nobody is logged in. The runs of a sweep
    (``config["sweep"]``, with ``name`` and ``id``) are a group, and go on in any folder.

    Raises:
        ValueError: If Weights & Biases refuses: the key is wrong, the server out of reach, the mode unknown.
    """
    import wandb

    remedy = "set WANDB_MODE=offline, or leave Weights & Biases out"
    # Given outright: wandb itself reads the variable once, when a process first asks it anything.
    mode = os.environ.get("WANDB_MODE")
    if mode and mode not in WANDB_MODES:
        raise ValueError(f"WANDB_MODE must be one of {', '.join(WANDB_MODES)}, got {mode!r}; {remedy}")
    sweep = config.get("sweep")
    place = sweep["id"] if sweep else folder.resolve()
    run_id = hashlib.sha256(f"{place} {config}".encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(silent=True)
    try:
        mode = mode or ("online" if wandb.login(prompt=False, verify=False) else "offline")
        return wandb.init(
            project=project,
            group=sweep["name"] if sweep else None,
            name=name,
            config=config,
            id=run_id,
            resume="allow",
            dir=folder,
            mode=cast(Any, mode),
            settings=settings,
        )
    except wandb.Error as error:
        raise ValueError(f"Weights & Biases: {error}; {remedy}") from None


class WandbWriter(KVWriter):
    """Passes what Stable-Baselines3 logs on to Weights & Biases."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Logs numbers, pictures, and tensors as histograms."""
        import wandb

        row: dict[str, Any] = {}
        for key, value in key_values.items():
            if isinstance(value, Image):
                row[key] = wandb.Image(value.image)
            elif isinstance(value, torch.Tensor):
                row[key] = wandb.Histogram(value.tolist())
            else:
                row[key] = value
        self.run.log(row, step=step)

    def close(self) -> None:
        """Ends the run."""
        self.run.finish()


def provenance(command: str | None = None) -> dict[str, Any]:
    """The command line, the git revision of this code (None outside a checkout), and versions of packages.

    Args:
        command: Where it is not that of this process.
    """
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"command": command or shlex.join(sys.argv), "git_revision": _git_revision(), "versions": versions}


def _git_revision() -> str | None:
    root = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    try:
        # Installed, this may lie within the checkout of some other project.
        if Path(git("rev-parse", "--show-toplevel")) != root:
            return None
        return git("describe", "--always", "--dirty", "--abbrev=40")
    except (OSError, subprocess.CalledProcessError):
        return None


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Collects Ctrl-C and SIGTERM instead of raising, so that no step is left half done; a second one raises.

    Outside the main thread there are no signals to collect.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    previous = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
