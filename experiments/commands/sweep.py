"""`hirl sweep`: trains the settings of a sweep configuration, several seeds each, side by side on Ray Tune."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from hirl_agents.networks import load_q
from hirl_env.files import atomic_write_text
from hirl_env.task import Task
from hirl_experiments.commands.compare import DECIMALS, draw_curves, read_curve, summary
from hirl_experiments.distributed import of_ray
from hirl_experiments.io.interrupts import like_ctrl_c
from hirl_experiments.io.options import replaced
from hirl_experiments.io.output import at_least, markdown_table, print_table, write_json
from hirl_experiments.sweeps.config import EarlyStopping, SweepConfig, Value, read_sweep_config
from hirl_experiments.training.config import DEFAULT_PRESET, SweepGroup, TrainConfig, preset
from hirl_experiments.training.seeds import spaced_seeds
from hirl_experiments.training.splits import open_splits
from hirl_experiments.training.validation import evaluated_levels

if TYPE_CHECKING:
    from hirl_experiments.sweeps.ray_tune import Outcome

# Options of hirl train that a sweep sets itself.
SET_HERE = {
    "seed": "every setting is trained with --seeds seeds that have no randomness in common",
    "label": "settings are named by what they vary",
}


def sweep(
    config: Annotated[Path | None, tyro.conf.Positional] = None,
    images: str | None = None,
    out: Path | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    resume: Path | None = None,
    trust: bool = False,
    address: str | None = None,
    storage: str | None = None,
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | None = None,
    max_failures: int | None = None,
    wandb: bool = True,
) -> None:
    """Train many settings, several seeds each, side by side on Ray Tune.

    Takes the YAML of "wandb sweep": method grid or random, parameters named as the options of hirl train
    (algorithm.gamma, env.degradation, total-steps), and early_terminate (type: hyperband), by which runs that lag
    behind are stopped (Ray's ASHA). Stop it with Ctrl-C, or lose it to a power cut, and go on with
    "hirl sweep --resume DIR --trust"; a run whose process or node is lost goes on from its last checkpoint by itself.
    Writes to --out: sweep.json (settings and seeds), runs/ (what hirl train writes, a folder each), summary.md and
    summary.json (mean over seeds and its bootstrap interval), curves.png, and tune/ (checkpoints and Ray's own notes).

    Args:
        config: The sweep configuration, as experiments/configs/sweep_hirl_vs_flat.yaml.
        images: Photographs to train on, where the configuration has no parameter of that name.
        out: Folder for the sweep. Default: sweeps/NAME.
        seeds: Number of runs of each setting. Default: 2.
        seed: Seed that the runs' seeds, and random settings, follow from. Default: 0.
        resume: Folder of a sweep to go on with, failed runs too; all other options but --trust, --address and
            --wandb are those it had.
        trust: Whether to load what Ray noted of the sweep that is resumed: pickles, whose loading runs code that they
            hold. Trust no folder that you, or those you trust, did not write.
        address: Address of a Ray cluster that has this package on every node, and photographs at the same place; "auto"
            for the one this machine is part of. Default: this machine alone.
        storage: Storage of the runs' checkpoints, if nodes share no disk: a URI that all reach, as s3://BUCKET/FOLDER.
            Default: --out, which all nodes must see.
        cpus_per_trial: Number of processors for each run. Default: 1.
        gpus_per_trial: Number of GPUs for each run; parts of one are fine. Default: 0.
        max_failures: Number of times that a run that fails or is lost is tried again. Default: 3.
        wandb: Whether to log to Weights & Biases, in a group with the sweep's name; as in hirl train.
    """
    of_ray("ray.tune", "sweep")
    others = (config, images, out, seeds, seed, storage, cpus_per_trial, gpus_per_trial, max_failures)
    if resume is not None:
        if any(other is not None for other in others):
            raise ValueError("--resume goes on with the settings the sweep had; give no others")
        if not trust:
            raise ValueError(f"{resume}: going on runs code that Ray's notes of the sweep hold; --trust does so")
        plan, out = _read_plan(resume), resume
    else:
        if config is None:
            raise ValueError("name a sweep configuration (or --resume a sweep)")
        at_least(1, seeds=seeds)
        at_least(0, seed=seed, max_failures=max_failures, cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial)
        wanted = read_sweep_config(config)
        out = out or Path("sweeps") / wanted.name
        if (out / "sweep.json").exists():
            raise ValueError(
                f"{out} holds a sweep already; go on with it by --resume {out} --trust, or choose another --out"
            )
        plan = _plan(wanted, storage, cpus_per_trial, gpus_per_trial, max_failures)
        plan["runs"] = plan_runs(wanted, images, 2 if seeds is None else seeds, seed or 0)
    _run(plan, out, address, wandb)


def _plan(
    wanted: SweepConfig, storage: str | None, cpus: float | None, gpus: float | None, max_failures: int | None
) -> dict[str, Any]:
    """What sweep.json says of a sweep beside its runs; defaults stand here, for --resume must see what was given."""
    return {
        "name": wanted.name,
        "command": shlex.join(sys.argv),
        "metric": wanted.metric,
        "maximize": wanted.maximize,
        "storage": _absolute(storage),
        "cpus": 1.0 if cpus is None else cpus,
        "gpus": gpus or 0.0,
        "max_failures": 3 if max_failures is None else max_failures,
        "early_stopping": wanted.early_stopping and asdict(wanted.early_stopping),
    }


def plan_runs(wanted: SweepConfig, images: str | None, seeds: int, seed: int) -> list[dict[str, Any]]:
    """Every run of a sweep: each setting with each of its seeds.

    Args:
        wanted: Configuration of the sweep.
        images: Photographs to train on, where that is no parameter.
        seeds: Number of runs per setting.
        seed: Seed that theirs follow from.

    Returns:
        Of each its ``name`` (SETTING-REPETITION) and its ``config``.

    Raises:
        ValueError: If a parameter is no option of ``hirl train``, or has a value it does not take.
    """
    fixed: dict[str, Value] = {} if images is None else {"images": images}
    if images is not None and "images" in wanted.parameters:
        raise ValueError("--images is a parameter of the sweep configuration; give it once")
    settings = wanted.settings(seed)
    configs = [train_settings(fixed | setting).prepared() for setting in settings]
    _check(wanted, configs)
    group = SweepGroup(wanted.name, secrets.token_hex(4))
    spread = iter(spaced_seeds(seed, len(configs) * seeds, max(map(_width, configs))))
    # Every setting once before any for the second time, so that half a sweep compares something.
    return [
        {
            "name": f"{number}-{repetition}",
            "config": replace(config, label=wanted.label(setting), seed=next(spread), sweep=group).as_dict(),
        }
        for repetition in range(seeds)
        for number, (setting, config) in enumerate(zip(settings, configs, strict=True))
    ]


def _check(wanted: SweepConfig, configs: list[TrainConfig]) -> None:
    """Raises ValueError where a run could not begin, or not be ranked: better now than after hours of others."""
    rewards = {str(config.env.reward) for config in configs}
    if len(rewards) > 1:
        names = " and ".join(sorted(rewards))
        raise ValueError(f"gains in {names} cannot be ranked: sweep with one env.reward")
    for config in {str((one.images, one.validate, one.hold_out, one.environment)): one for one in configs}.values():
        photographs, held_out = open_splits(config.images, config.validate, config.hold_out)
        Task(replace(config.environment, images=photographs))
        columns = ("gain", *evaluated_levels(config.environment, held_out), "trials")
        if wanted.metric not in columns:
            raise ValueError(
                f"metric: {wanted.metric} is not measured on these photographs; choose from "
                f"{', '.join(f'evaluation/{column}' for column in columns)}"
            )
    for weights in {config.start_from for config in configs} - {None}:
        load_q(str(weights))


def _width(config: TrainConfig) -> int:
    """How many numbers after its seed a run draws from: it resumes from the seed plus the steps it has taken."""
    return config.total_steps + config.n_envs


def train_settings(options: dict[str, Value]) -> TrainConfig:
    """The configuration of a run from options of ``hirl train``, ``preset`` among them.

    Raises:
        ValueError: If there is no such option, or it does not take the value; names both.
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
    """A folder so that it is found from anywhere; a URI as it is."""
    return storage if storage is None or "://" in storage else str(Path(storage).resolve())


def _read_plan(folder: Path) -> dict[str, Any]:
    try:
        plan: dict[str, Any] = json.loads((folder / "sweep.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} holds no sweep to resume ({error})") from None
    return plan


def _run(plan: dict[str, Any], out: Path, address: str | None, wandb: bool) -> None:
    """Trains what is not trained yet, and sums up.

    Raises:
        KeyboardInterrupt: If stopped before the end.
        ValueError: If runs failed; names them.
        OSError: If Ray does not start, or has lost all nodes.
    """
    from hirl_experiments.distributed.cluster import connected
    from hirl_experiments.sweeps.ray_tune import check_resources, successive_halving, train_all

    stopping = plan["early_stopping"]
    scheduler = stopping and successive_halving(
        EarlyStopping(**stopping), plan["metric"], plan["maximize"], plan["runs"]
    )
    group = plan["runs"][0]["config"]["sweep"]
    own = (str(out.resolve()), "tune")
    storage, name = own if plan["storage"] is None else (plan["storage"], f"{group['name']}-{group['id']}")
    again = f"go on with: hirl sweep --resume {out} --trust"
    with connected(address):
        if address is None:
            check_resources(plan["cpus"], plan["gpus"])
        if not (out / "sweep.json").exists():
            atomic_write_text(out / "sweep.json", json.dumps(plan, indent=1) + "\n")
        try:
            with like_ctrl_c():  # which Ray Tune handles; at others Ray aborts
                outcomes = train_all(
                    plan["runs"],
                    storage,
                    name,
                    command=plan["command"],
                    wandb=wandb,
                    cpus=plan["cpus"],
                    gpus=plan["gpus"],
                    max_failures=plan["max_failures"],
                    scheduler=scheduler,
                )
        except OSError as error:
            raise OSError(f"{error}; {again}") from None
    over = _collect(plan["runs"], outcomes, out / "runs")
    if over:
        _sum_up(plan, over, out)
    failed = [f"{outcome.name} ({outcome.error})" for outcome in outcomes if outcome.error is not None]
    if len(over) + len(failed) < len(plan["runs"]):
        raise KeyboardInterrupt(f"stopped with {len(over)} of {len(plan['runs'])} runs complete; {again}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(plan['runs'])} runs failed: {'; '.join(failed)}; {again}")


def _collect(runs: list[dict[str, Any]], outcomes: list[Outcome], out: Path) -> list[dict[str, Any]]:
    """Copies the folders of runs that are over out of Ray's storage into ``out``; returns these runs."""
    of = {outcome.name: outcome for outcome in outcomes if outcome.checkpoint is not None}
    over = []
    for one in runs:
        if one["name"] not in of:
            continue
        with of[one["name"]].folder() as folder:
            complete = read_curve(Path(folder))[-1]["step"] >= one["config"]["total_steps"]
            if complete or of[one["name"]].stopped_early:
                shutil.copytree(folder, out / one["name"], dirs_exist_ok=True)
                over.append(one)
    return over


def _sum_up(plan: dict[str, Any], runs: list[dict[str, Any]], out: Path) -> None:
    """Draws curves, and prints and writes the table, best setting first."""
    groups: dict[str, list[list[dict[str, float]]]] = {}
    for one in runs:
        groups.setdefault(one["config"]["label"], []).append(read_curve(out / "runs" / one["name"]))
    rows = [summary(label, curves, plan["metric"], plan["maximize"]) for label, curves in groups.items()]
    rows.sort(key=lambda row: row["best"], reverse=plan["maximize"])
    draw_curves(groups, out / "curves.png")
    interval = "its bootstrap interval (95%; of two or three seeds, their range)"
    title = f"{plan['metric']} on validation photographs: mean over seeds, and {interval}"
    print_table(title, rows, DECIMALS)
    table = markdown_table(rows, DECIMALS)
    atomic_write_text(
        out / "summary.md", f"# {plan['name']}\n\n`{plan['command']}`\n\n{title}\n\n{table}\n![](curves.png)\n"
    )
    write_json(out / "summary.json", plan, rows)
