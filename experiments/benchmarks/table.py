"""The table's part of `hirl bench`: steps per second of the environment in which no tool runs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from hirl_env.data.degradations import degradations
from hirl_env.data.photographs import image_sources
from hirl_env.data.samples import Samples
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tabulate import spec_of, tabulate
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset

CROPS, SIDE, DEPTH = 50, 64, 2
ENVS = 256


def bench_table(seconds: float, images: str, seed: int) -> list[dict[str, Any]]:
    """Image steps per second of 256 environments over a table, in both autoreset modes.

    The table has 50 crops of 64x64 and all 91 paths of up to 2 of 3x3 tools, which add constants.
    """
    # A default argument binds each strength.
    grid = [[Tool(f"{t}-{d}", lambda image, s=3 * t + d - 4: image + s / 255) for d in range(3)] for t in range(3)]  # type: ignore[misc]
    root = Restoration(Toolset({str(kind): tools for kind, tools in enumerate(grid)}), measures.resolve("psnr"))
    samples = Samples(image_sources.resolve(images), degradations.resolve("unknown"), SIDE)
    rng = np.random.default_rng(seed)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        spec = spec_of(root, CROPS, SIDE, DEPTH, DEPTH, {})
        table = tabulate((samples.draw(rng) for _ in range(CROPS)), root, spec, Path(folder))
        for mode in ("NextStep", "SameStep"):
            vector = gym.make_vec("HIRL-RestoreTable-v0", ENVS, table=table, autoreset_mode=mode)
            vector.reset(seed=seed)
            steps, began, over = 0, time.perf_counter(), np.zeros(ENVS, dtype=np.bool_)
            while (spent := time.perf_counter() - began) < seconds:
                steps += ENVS if mode == "SameStep" else int(ENVS - over.sum())  # where an episode is over, it resets
                _, _, terminated, truncated, _ = vector.step(rng.integers(3, size=(ENVS, 2)))
                over = terminated | truncated
            rows.append({"what": f"table, {mode}", "envs": ENVS, "steps_per_second": steps / spent})
        del table, vector  # releases the memory-mapped files
    return rows
