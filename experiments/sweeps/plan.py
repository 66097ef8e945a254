"""The plan of a sweep: every run with its configuration and its seed, as stored in sweep.json."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from hirl_agents.networks import load_q
from hirl_env.task import open_task
from hirl_experiments.command_line.options import replaced
from hirl_experiments.sweeps.config import SweepConfig, Value
from hirl_experiments.training.config import DEFAULT_PRESET, SweepGroup, TrainConfig, preset
from hirl_experiments.training.seeds import spaced_seeds
from hirl_experiments.training.splits import open_splits
from hirl_experiments.training.validation import evaluated_levels

PLAN = "sweep.json"
KEYS = {  # of the plan
    *("name", "command", "metric", "maximize", "storage", "cpus", "gpus", "max_failures", "early_stopping", "runs")
}
# Options of hirl train that a sweep sets itself.
SET_HERE = {
    "seed": "every setting is trained with --seeds seeds that have no randomness in common",
    "label": "settings are named by what they vary",
}


def plan_sweep(
    wanted: SweepConfig,
    images: str | None,
    seeds: int,
    seed: int,
    storage: str | None,
    cpus: float,
    gpus: float,
    max_failures: int,
) -> dict[str, Any]:
    """The plan of a sweep.

    Args:
        wanted: Configuration of the sweep.
        images: Photographs to train on, unless that is a parameter.
        seeds: Number of runs per setting.
        seed: Seed that determines the runs' seeds.
        storage: Folder or URI of the runs' checkpoints; None for the sweep's own folder.
        cpus: Number of processors for each run.
        gpus: Number of GPUs for each run.
        max_failures: Number of times to retry a run that fails or is lost.

    Raises:
        ValueError: If a parameter is not an option of ``hirl train``, or has a value that the option does not accept.
    """
    return {
        "name": wanted.name,
        "command": shlex.join(sys.argv),
        "metric": wanted.metric,
        "maximize": wanted.maximize,
        "storage": _absolute(storage),
        "cpus": cpus,
        "gpus": gpus,
        "max_failures": max_failures,
        "early_stopping": wanted.early_stopping and asdict(wanted.early_stopping),
        "runs": plan_runs(wanted, images, seeds, seed),
    }


def plan_runs(wanted: SweepConfig, images: str | None, seeds: int, seed: int) -> list[dict[str, Any]]:
    """Every run of a sweep: each setting with each of its seeds.

    Args:
        wanted: Configuration of the sweep.
        images: Photographs to train on, unless that is a parameter.
        seeds: Number of runs per setting.
        seed: Seed that determines the runs' seeds.

    Returns:
        The ``name`` (SETTING-REPETITION) and the ``config`` of each run.

    Raises:
        ValueError: If a parameter is not an option of ``hirl train``, or has a value that the option does not accept.
    """
    fixed: dict[str, Value] = {} if images is None else {"images": images}
    if images is not None and "images" in wanted.parameters:
        raise ValueError("--images is a parameter of the sweep configuration; give it once")
    settings = wanted.settings(seed)
    configs = [train_settings(fixed | setting).prepared() for setting in settings]
    _check(wanted, configs)
    labels = wanted.labels(settings)
    group = SweepGroup(wanted.name, secrets.token_hex(4))
    spread = iter(spaced_seeds(seed, len(configs) * seeds, max(map(_width, configs))))
    # Every setting once before any a second time, so that half a sweep already allows a comparison.
    return [
        {
            "name": f"{number}-{repetition}",
            "config": replace(config, label=label, seed=next(spread), sweep=group).as_dict(),
        }
        for repetition in range(seeds)
        for number, (label, config) in enumerate(zip(labels, configs, strict=True))
    ]


def _check(wanted: SweepConfig, configs: list[TrainConfig]) -> None:
    """Raises ValueError if a run could not begin, or not be ranked: better now than after hours of other runs."""
    rewards = {str(config.env.reward) for config in configs}
    if len(rewards) > 1:
        names = " and ".join(sorted(rewards))
        raise ValueError(f"gains in {names} cannot be ranked: sweep with one env.reward")
    evaluated: list[set[str]] = []
    for config in {str((one.images, one.validate, one.hold_out, one.environment)): one for one in configs}.values():
        splits = open_splits(config.images, config.validate, config.hold_out)
        for photographs in splits:  # an episode of each
            task = open_task(replace(config.environment, images=photographs))
            task.begin([task.samples.draw(np.random.default_rng(0))], np.zeros(1, dtype=np.int64))
        levels = evaluated_levels(config.environment, splits[1])
        evaluated.append(set(levels))
        columns = ("gain", *levels, "trials")
        if wanted.metric not in columns:
            raise ValueError(
                f"metric: {wanted.metric} is not measured on these photographs; choose from "
                f"{', '.join(f'evaluation/{column}' for column in columns)}"
            )
    if not set.intersection(*evaluated):
        raise ValueError(
            "settings are evaluated on different levels, so that their gains cannot be ranked: sweep with photographs "
            "that are all clean, or all come distorted"
        )
    for weights in {config.start_from for config in configs} - {None}:
        load_q(str(weights))


def _width(config: TrainConfig) -> int:
    """The number of seeds that a run may use from its own on: it resumes from the seed plus the steps it has taken."""
    return config.total_steps + config.n_envs


def train_settings(options: dict[str, Value]) -> TrainConfig:
    """The configuration of a run from options of ``hirl train``, ``preset`` among them.

    Raises:
        ValueError: If there is no such option, or it does not accept the value; names both.
    """
    options = dict(options)
    chosen = preset(str(options.pop("preset", DEFAULT_PRESET)))
    for name, reason in SET_HERE.items():
        if name in options:
            raise ValueError(f"parameter {name} is set by hirl sweep: {reason}")
    try:
        return replaced(chosen, options)
    except ValueError as error:
        raise ValueError(f"parameters: {error}") from None


def _absolute(storage: str | None) -> str | None:
    """A folder as an absolute path; a URI unchanged."""
    return storage if storage is None or "://" in storage else str(Path(storage).resolve())


def read_plan(folder: Path) -> dict[str, Any]:
    """The plan in a sweep's folder.

    Raises:
        ValueError: If there is none.
    """
    try:
        plan: dict[str, Any] = json.loads((folder / PLAN).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} holds no sweep to resume ({error})") from None
    if not isinstance(plan, dict) or not plan.keys() >= KEYS or not plan["runs"]:
        raise ValueError(f"{folder} holds no sweep to resume ({PLAN} is not one of hirl sweep)")
    return plan
