"""Gains of a benchmark's entrants side by side: a line for each part of a suite, or for each entrant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hirl_experiments.command_line.settings import differences

Row = Mapping[str, Any]
IMAGES = ("photographs", "crop", "per_image", "seed")  # settings that decide on the images


def earlier(path: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of an earlier run on the same images, with the name of the file added to the names of entrants.

    Args:
        path: File that ``hirl benchmark --json`` wrote.
        settings: Settings of the current run; its ``photographs`` are their fingerprint.

    Raises:
        ValueError: If the file cannot be read, is not such a file, or is from a run on other images.
    """
    try:
        run = json.loads(path.read_text())
        rows = [row | {"entrant": f"{row['entrant']} ({path.stem})"} for row in run["rows"]]
        now = {key: settings[key] for key in IMAGES}
        # The earliest files say nothing of photographs.
        other = differences({"photographs": now["photographs"]} | run["settings"], now)
    except OSError as error:
        raise ValueError(f"--beside {path}: {error.strerror}") from None
    except (ValueError, TypeError, LookupError):
        raise ValueError(f"--beside {path}: holds no rows of hirl benchmark --json") from None
    if other:
        raise ValueError(f"--beside {path}: is of other images: {', '.join(other)}")
    return [row for row in rows if not row["entrant"].startswith("distorted")]


def by_part(rows: Iterable[Row]) -> list[dict[str, str]]:
    """A line for each part of a suite: PSNR before, and every entrant's gain, with the share of images it harms.

    Args:
        rows: Rows of `hirl benchmark` for one suite, in its order; those of all parts together are left out.
    """
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["part"] != "all" and row["entrant"] != "distorted":
            line = lines.setdefault(
                row["part"], {"distortion": row["part"], "before": f"{row['PSNR'] - row['gain']:.2f}"}
            )
            line[row["entrant"]] = f"{row['gain']:+.2f} ({row['harm %']:.0f} %)"
    return list(lines.values())


def by_entrant(rows: Iterable[Row], parts: Sequence[str]) -> list[dict[str, str]]:
    """A line for each entrant: its gains on two parts of a suite, and how much more it gains on the second.

    Args:
        rows: Rows of `hirl benchmark` for one suite.
        parts: Names of the two parts.
    """
    gains: dict[str, dict[str, float]] = {}
    for row in rows:
        gains.setdefault(row["entrant"], {})[row["part"]] = row["gain"]
    first, second = parts
    return [
        {
            "entrant": name,
            **{part: f"{own[part]:+.2f}" for part in parts},
            "difference": f"{own[second] - own[first]:+.2f}",
        }
        for name, own in gains.items()
        if name != "distorted"
    ]
