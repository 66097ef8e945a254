"""Restores pictures on two nodes of a Ray cluster and kills one in the middle: nothing is lost, nothing is done twice.

python -m tests.campaigns.ray_nodes FOLDER [PICTURES]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from ray.cluster_utils import Cluster

REPOSITORY = Path(__file__).parents[2]
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("*")) if path.name != "restore.jsonl"}


def campaign(folder: Path, pictures: int) -> dict[str, int]:
    """Returns what came of the pictures, against the same command in one process."""
    source = folder / "in"
    source.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(pictures):
        Image.fromarray(rng.integers(0, 150, (24, 32, 3), dtype=np.uint8)).save(source / f"{number}.png")
    command = [sys.executable, "-m", "tests.campaigns.toy_restore", str(source), "--out"]
    subprocess.run([*command, str(folder / "one")], check=True, capture_output=True, cwd=REPOSITORY)
    wanted, out = results(folder / "one"), folder / "two"
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        node = cluster.add_node(**NODE)
        # Slow enough that the node has something to lose.
        slow = {**os.environ, "HIRL_SLOW": "0.05" if pictures > 100 else "0.5"}
        process = subprocess.Popen(
            [*command, str(out), "--address", cluster.address],
            env=slow,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while process.poll() is None and len(list(out.glob("*.png"))) < pictures // 3:
            time.sleep(0.05)
        before = len(list(out.glob("*.png")))
        cluster.remove_node(node, allow_graceful=False)
        shown, _ = process.communicate()
    finally:
        cluster.shutdown()
    found = results(out)
    others = [line for line in shown.splitlines()[:-1] if " -> " not in line]
    print(*(f"! {line}" for line in others), sep="\n", file=sys.stderr)
    rows = Counter(json.loads(line)["target"] for line in (out / "restore.jsonl").read_text().splitlines())
    return {
        "pictures": len(wanted),
        "restored when a node was killed": before,
        "exit code": process.returncode,
        "lines that tell of no picture": len(others),
        "missing": len(wanted.keys() - found.keys()),
        "other bits": sum(content != wanted[name] for name, content in found.items() if name in wanted),
        "done twice": sum(times - 1 for times in rows.values()),
        "left behind": len(found.keys() - wanted.keys()),
    }


if __name__ == "__main__":
    if Path(sys.argv[1]).exists():
        sys.exit(f"{sys.argv[1]} is there already; name a new folder")
    for name, count in campaign(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 1000).items():
        print(f"{name:>32}: {count}")
