"""Kills `hirl restore` at random moments: the same command finishes with the same bytes as an undisturbed run.

python -m tests.campaigns.kills FOLDER [KILLS]
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
PICTURES = 12
SLOW = {**os.environ, "HIRL_SLOW": "0.3"}  # seconds of each step


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.name != "restore.jsonl"}


def campaign(folder: Path, kills: int) -> dict[str, int]:
    """Returns how many kills hit a run, and what is not as in an undisturbed run."""
    source = folder / "in"
    source.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        pixels = rng.integers(0, 150, (200, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(source / f"{number}.{('png', 'jpg', 'tif', 'webp')[number % 4]}")
    command = [sys.executable, "-m", "tests.campaigns.toy_restore", str(source), "--save-steps", "--out"]
    subprocess.run([*command, str(folder / "whole")], check=True, capture_output=True, cwd=REPOSITORY)
    wanted = results(folder / "whole")
    seeds, hit, wrong, left, seen = random.Random(0), 0, 0, 0, 0
    while hit < kills:
        out = folder / f"out-{seen}"
        seen += 1
        while not out.exists() or results(out) != wanted:
            process = subprocess.Popen([*command, str(out)], env=SLOW, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
            if hit < kills:
                while process.poll() is None and not (out / "restore.jsonl").exists():
                    time.sleep(0.01)
                time.sleep(seeds.uniform(0, PICTURES * 0.4))
                hit += process.poll() is None
                process.send_signal(signal.SIGKILL)
            elif process.wait() != 0:
                wrong += 1
                break
            process.wait()
            if process.returncode == 0 and results(out) != wanted:
                wrong += 1
                break
        left += sum(name.startswith(".") for name in results(out))
    return {"kills": hit, "runs that differ": wrong, "files left behind": left}


if __name__ == "__main__":
    if Path(sys.argv[1]).exists():
        sys.exit(f"{sys.argv[1]} is there already; name a new folder")
    for name, count in campaign(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60).items():
        print(f"{name:>28}: {count}")
