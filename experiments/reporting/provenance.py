"""The provenance of a run: its command line, the revision of this code, and the versions of its dependencies."""

from __future__ import annotations

import contextlib
import importlib.metadata
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("hirl-restore", "gymnasium", "stable-baselines3", "torch", "torchvision", "numpy", "pillow", "piq")


def provenance(command: str | None = None) -> dict[str, Any]:
    """The command line, the git revision of this code (None outside a checkout), and versions of packages.

    Args:
        command: Command line, if it is not that of this process.
    """
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"command": command or shlex.join(sys.argv), "git_revision": _git_revision(), "versions": versions}


def _git_revision() -> str | None:
    root = Path(__file__).resolve().parents[2]

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
