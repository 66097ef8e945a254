"""`hirl bench`: how fast the environment is, as ratios measured in one run."""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from pathlib import Path
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
import torch
from tqdm import tqdm

from hirl_env.config import EnvConfig
from hirl_env.devices import Precision
from hirl_env.task import Task
from hirl_experiments.benchmarks.agents import bench_memory, bench_photograph, bench_updates
from hirl_experiments.benchmarks.baselines import bench_baselines, open_baselines
from hirl_experiments.benchmarks.quality import bench_quality
from hirl_experiments.benchmarks.table import bench_table
from hirl_experiments.io.output import check_writable, print_table, write_json

Kind = Literal["native", "sync", "async"]
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
    bare_tools_per_second is what the tools alone would do on the same actions, batched per tool as the native
    environment batches them; in_tools is the share of the time the native environment spends in them; vs_sync is the
    ratio to SyncVectorEnv.

    table: image steps per second of 256 environments over a table of all paths, in which no tool runs.

    updates: HIRL's updates per second, as shares of what the same passes through its networks, and the forward and
    backward passes of the two strategies alone, would do. photograph: a photograph of 481x321 restored by HIRL, and by
    brute force of length 3 (minutes). baselines: seconds, GFLOP and PSNR of the same photograph by HIRL, and by OWAN
    and FFDNet where their authors' weights are given. memory: one of 4000x3000 restored by HIRL, with the peak memory
    of its process.

    quality: scores per second of every measure that is at hand, on 64x64 crops, 32 at a time, and on a photograph of
    481x321; of_step is the share of a step of the native environment of 32 that the measure, as its reward, takes.

    Args:
        parts: Parts to time.
        json: File to write settings and rows to.
        envs: Numbers of environments.
        precisions: Precisions of the tools.
        kinds: Kinds of vector environments: native, sync, async.
        seconds: Number of seconds, roughly, to time each; at least seven steps (one episode).
        images: Photographs.
        owan: File of OWAN's released weights (.npz), for the part baselines.
        ffdnet: File of FFDNet's released weights, FFDNet_color.mat, for the same part; FFDNet is told the noise that
            was added.
        seed: Seed of photographs and actions.
    """
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    if "baselines" in parts:
        baselines = open_baselines(owan, ffdnet)  # now: a wrong file is not found out after minutes
    elif owan or ffdnet:
        raise ValueError("--owan and --ffdnet are for the part baselines: add it to --parts")
    settings |= {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    # Each process of AsyncVectorEnv has a core's share of the work; more threads would fight over the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Each process imports the command; done once, before they fork, its memory is shared: 128 copies would not fit.
    multiprocessing.set_forkserver_preload(["hirl_env", "hirl_experiments.commands.bench"])
    rows: list[dict[str, Any]] = []
    if "environment" in parts:
        rows += _environment_rows(envs, precisions, kinds, seconds, images, seed)
        print_table("image steps per second", rows, DECIMALS)
    if "table" in parts:
        measured = bench_table(seconds, images, seed)
        print_table("image steps per second over a table", measured, DECIMALS)
        rows += measured
    if "updates" in parts:
        rows.append(bench_updates(seconds, seed))
        print_table("updates per second", rows[-1:], DECIMALS)
    if "photograph" in parts:
        measured = [{"precision": one, **row} for one in precisions for row in bench_photograph(one, seed)]
        print_table("a photograph of 481x321", measured, DECIMALS)
        rows += measured
    if "baselines" in parts:
        measured = bench_baselines(baselines, precisions, seed)
        print_table("a photograph of 481x321, beside baselines", measured, DECIMALS)
        rows += measured
    if "memory" in parts:
        measured = [{"precision": one, **row} for one in precisions for row in bench_memory(one, seed)]
        print_table("a photograph of 4000x3000", measured, DECIMALS)
        rows += measured
    if "quality" in parts:
        measured = bench_quality(seconds, images, seed)
        print_table("quality measures", measured, DECIMALS)
        rows += measured
    if json is not None:
        write_json(json, settings, rows)


def _environment_rows(
    envs: tuple[int, ...],
    precisions: tuple[Precision, ...],
    kinds: tuple[Kind, ...],
    seconds: float,
    images: str,
    seed: int,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cases = [(precision, count, kind) for precision in precisions for count in envs for kind in kinds]
    for precision, count, kind in tqdm(cases, desc="bench", leave=False, disable=None):
        rate, bare = _rates(kind, count, precision, seconds, images, seed)
        rows.append(
            {
                "precision": precision,
                "envs": count,
                "kind": kind,
                "steps_per_second": rate,
                "bare_tools_per_second": bare,
                "in_tools": rate / bare,
            }
        )
    sync = {(row["precision"], row["envs"]): row["steps_per_second"] for row in rows if row["kind"] == "sync"}
    for row in rows:
        baseline = sync.get((row["precision"], row["envs"]))
        row["vs_sync"] = None if baseline is None else row["steps_per_second"] / baseline
    return rows


def make(kind: Kind, count: int, **task: Any) -> gym.vector.VectorEnv[Any, Any, Any]:
    """A vector environment of one of the three kinds."""
    if kind == "native":
        return gym.make_vec("HIRL-Restore-v0", count, **task)
    vector_kwargs = {"context": "forkserver"} if kind == "async" else {}
    return gym.make_vec("HIRL-Restore-v0", count, vectorization_mode=kind, vector_kwargs=vector_kwargs, **task)


def _rates(kind: Kind, count: int, precision: Precision, seconds: float, images: str, seed: int) -> tuple[float, float]:
    """Image steps per second of a vector environment, and of the bare tools on the same actions."""
    vector = make(kind, count, images=images, precision=precision)
    vector.reset(seed=seed)
    rng = np.random.default_rng(seed)
    task = Task(EnvConfig(images=images, precision=precision))
    pictures = torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    bounds = [task.toolset.n_types, task.toolset.n_degrees]
    steps, in_env, in_tools = 0, 0.0, 0.0
    vector.step(rng.integers(bounds, size=(count, 2)))
    while in_env < seconds or steps < 7:
        actions = rng.integers(bounds, size=(count, 2))
        # Alternating the two, so that both see the machine in the same state; a step in eight is a reset of all.
        began = time.perf_counter()
        _, _, terminated, truncated, _ = vector.step(actions)
        in_env += time.perf_counter() - began
        steps += 1
        if (terminated | truncated).all():
            began = time.perf_counter()
            vector.step(actions)
            in_env += time.perf_counter() - began
        in_tools += bare_seconds(task, pictures, actions, precision)
    vector.close()
    return steps * count / in_env, steps * count / in_tools


def bare_seconds(task: Task, pictures: torch.Tensor, actions: np.ndarray, precision: Precision) -> float:
    """Seconds that the tools alone take for a step of a batch, each distinct tool run once."""
    chosen = {cell: torch.as_tensor((actions == cell).all(axis=1)) for cell in task.toolset.cells}
    batches = {cell: pictures[mask] for cell, mask in chosen.items() if mask.any()}
    began = time.perf_counter()
    for cell, batch in batches.items():
        task.toolset.apply(batch, cell, precision)
    return time.perf_counter() - began
