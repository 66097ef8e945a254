"""The environments' part of `hirl bench`: steps per second, against each other and against the bare tools."""

from __future__ import annotations

import time
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from tqdm import tqdm

from hirl_env.config import EnvConfig
from hirl_env.devices import Precision
from hirl_env.task import Task, open_task

Kind = Literal["native", "sync", "async"]


def bench_environment(
    envs: tuple[int, ...],
    precisions: tuple[Precision, ...],
    kinds: tuple[Kind, ...],
    seconds: float,
    images: str,
    seed: int,
) -> list[dict[str, Any]]:
    """Image steps per second of vector environments, and of the tools alone.

    Args:
        envs: Numbers of environments.
        precisions: Precisions of the tools.
        kinds: Kinds of vector environments.
        seconds: Approximate number of seconds to time each.
        images: Photographs.
        seed: Seed of photographs and actions.

    Returns:
        A row for each combination; ``vs_sync`` is the ratio to the kind ``sync``, None if that is not measured.
    """
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
    task = open_task(EnvConfig(images=images, precision=precision))
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
