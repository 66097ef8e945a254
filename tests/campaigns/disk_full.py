"""Runs `hirl restore` where files may grow to a random size only, as on a full disk: counts what is wrong afterwards.

    python -m tests.campaigns.disk_full FOLDER [RUNS]

Each run is told the truth if every file that it left is whole, and the same command mends the rest when there is room.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.campaigns.in_a_child import run
from tests.campaigns.toy_restore import main as restore

FORMATS = ("TIFF", "BMP", "PPM", "JPEG", "PNG", "WEBP")


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.name != "restore.jsonl"}


def campaign(folder: Path, runs: int) -> dict[str, int]:
    source = folder / "in"
    source.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, format in enumerate(FORMATS):
        image = Image.fromarray(rng.integers(0, 150, (60, 80 + 20 * number, 3), dtype=np.uint8))
        image.save(source / f"{number}.{format.lower()}", format=format)
    before = {path: path.read_bytes() for path in source.iterdir()}

    def job(out: Path, limit: int | None = None) -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing is an error, and no death
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        sys.argv = ["hirl", str(source), "--out", str(out)]
        restore()

    job(folder / "whole")  # in this process, so that its children need not import
    wanted = results(folder / "whole")
    counts = dict.fromkeys(
        ("full", "tracebacks", "truncated", "left behind", "told wrong", "not mended", "sources touched"), 0
    )
    seeds = random.Random(0)
    for number in range(runs):
        out = folder / f"out-{number}"
        limit = seeds.randrange(1_000, 30_000)
        code, said = run(partial(job, out, limit))
        found = results(out) if out.exists() else {}
        counts["full"] += code != 0
        counts["tracebacks"] += "Traceback" in said
        counts["truncated"] += sum(wanted.get(name) != content for name, content in found.items() if name in wanted)
        counts["left behind"] += sum(name not in wanted for name in found)
        counts["told wrong"] += (code == 0) != (found == wanted)
        code, _ = run(partial(job, out))
        counts["not mended"] += code != 0 or results(out) != wanted
        shutil.rmtree(out)
    counts["sources touched"] = sum(path.read_bytes() != content for path, content in before.items())
    return counts


if __name__ == "__main__":
    for name, count in campaign(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20).items():
        print(f"{name:>28}: {count}")
