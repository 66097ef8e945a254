"""`hirl bench`: how fast the environment is, as ratios measured in one run."""

from __future__ import annotations

import multiprocessing
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from hirl_env.devices import Precision
from hirl_experiments.benchmarks.agents import bench_memory, bench_photograph, bench_updates
from hirl_experiments.benchmarks.baselines import bench_baselines, open_baselines
from hirl_experiments.benchmarks.environment import Kind, bench_environment
from hirl_experiments.benchmarks.quality import bench_quality
from hirl_experiments.benchmarks.table import bench_table
from hirl_experiments.command_line.checks import check_writable, some
from hirl_experiments.command_line.results import print_table, write_json

Part = Literal["environment", "table", "updates", "photograph", "baselines", "memory", "quality"]
DECIMALS = {
    **{"envs": 0, "steps_per_second": 1, "bare_tools_per_second": 1, "in_tools": 3, "vs_sync": 2},
    **{"per_second": 2, "of_passes_alone": 3, "of_two_networks_alone": 3},
    **{"seconds": 1, "trials": 0, "gain": 2, "GFLOP": 1, "PSNR": 2, "peak_gib": 2, "peak_before_gib": 2},
    **{"crops_per_second": 1, "photographs_per_second": 1, "of_step": 3},
}


def bench(
    parts: tuple[Part, ...] = get_args(Part),
    json: Path | None = None,
    envs: tuple[int, ...] = (1, 8, 32, 128),
    precisions: tuple[Precision, ...] = ("float32", "bf16"),
    kinds: tuple[Kind, ...] = ("native", "sync", "async"),
    seconds: float = 4.0,
    images: str = "photos",
    owan: Path | None = None,
    ffdnet: Path | None = None,
    seed: int = 0,
) -> None:
    """Time environments against each other and the bare tools, agents against bare networks and brute force.

    environment: all take the same random actions from the same seeds. steps_per_second counts image steps;
    bare_tools_per_second is the speed of the tools alone on the same actions, batched per tool as in the native
    environment; in_tools is the share of its time that the native environment spends in the tools; vs_sync is the ratio
    to SyncVectorEnv.

    table: image steps per second of 256 environments over a table of all paths, in which no tool runs.

    updates: HIRL's updates per second, also relative to the same passes through its networks alone, and to the forward
    and backward passes of the two strategies alone. photograph: a photograph of 481x321 restored by HIRL, and by brute
    force of length 3 (minutes). baselines: seconds, GFLOP and PSNR on the same photograph for HIRL, and for OWAN and
    FFDNet if their authors' weights are given. memory: a photograph of 4000x3000 restored by HIRL, with the peak memory
    of its process.

    quality: scores per second of every available measure, on 64x64 crops, 32 at a time, and on a photograph of 481x321;
    of_step is the share of a step of the native environment of 32 that the measure takes as its reward.

    Args:
        parts: Parts to time.
        json: File to write settings and rows to; - for standard output.
        envs: Numbers of environments.
        precisions: Precisions of the tools.
        kinds: Kinds of vector environments: native, sync, async.
        seconds: Approximate number of seconds to time each; at least seven steps (one episode).
        images: Photographs.
        owan: File of OWAN's released weights (.npz), for the part baselines.
        ffdnet: File of FFDNet's released weights, FFDNet_color.mat, for the same part; FFDNet is given the noise that
            was added.
        seed: Seed of photographs and actions.
    """
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    some(parts=parts)
    if not seconds > 0:
        raise ValueError(f"--seconds must be above 0, got {seconds:g}")
    if (owan or ffdnet) and "baselines" not in parts:
        raise ValueError("--owan and --ffdnet are for the part baselines: add it to --parts")
    # Opened now, so that a wrong file shows at once and not after minutes.
    baselines = open_baselines(owan, ffdnet) if "baselines" in parts else []
    settings |= {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    # Each process of AsyncVectorEnv does one core's share of the work; more threads would compete for the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Imported once before the processes fork, the environment shares its memory: 128 copies would not fit.
    multiprocessing.set_forkserver_preload(["hirl_env", "hirl_experiments.benchmarks.environment"])
    timings: dict[Part, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
        "environment": (
            "image steps per second",
            lambda: bench_environment(envs, precisions, kinds, seconds, images, seed),
        ),
        "table": ("image steps per second over a table", lambda: bench_table(seconds, images, seed)),
        "updates": ("updates per second", lambda: [bench_updates(seconds, seed)]),
        "photograph": ("a photograph of 481x321", lambda: _of_each(precisions, bench_photograph, seed)),
        "baselines": (
            "a photograph of 481x321, beside baselines",
            lambda: bench_baselines(baselines, precisions, seed),
        ),
        "memory": ("a photograph of 4000x3000", lambda: _of_each(precisions, bench_memory, seed)),
        "quality": ("quality measures", lambda: bench_quality(seconds, images, seed)),
    }
    rows: list[dict[str, Any]] = []
    for part, (title, timed) in timings.items():
        if part in parts:
            measured = timed()
            print_table(title, measured, DECIMALS)
            rows += measured
    if json is not None:
        write_json(json, settings, rows)


def _of_each(
    precisions: Sequence[Precision], timed: Callable[[Precision, int], list[dict[str, Any]]], seed: int
) -> list[dict[str, Any]]:
    """Rows for each of the precisions."""
    return [{"precision": precision, **row} for precision in precisions for row in timed(precision, seed)]
