"""`hirl sweep`: trains the settings of a sweep configuration, several seeds each, side by side on Ray Tune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from hirl_experiments.command_line.checks import at_least
from hirl_experiments.distributed import import_ray
from hirl_experiments.sweeps.config import read_sweep_config
from hirl_experiments.sweeps.plan import PLAN, plan_sweep, read_plan


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

    Takes the YAML of "wandb sweep": method grid or random, parameters named like the options of hirl train
    (algorithm.gamma, env.degradation, total-steps), and early_terminate (type: hyperband), which stops runs that lag
    behind (Ray's ASHA). After Ctrl-C or a power cut, resume with "hirl sweep --resume DIR --trust"; a run whose process
    or node is lost resumes from its last checkpoint by itself. Writes to --out: sweep.json (settings and seeds), runs/
    (a folder of hirl train for each), summary.md and summary.json (interquartile mean over seeds and its bootstrap
    interval), curves.png, and tune/ (checkpoints and Ray's own state).

    Args:
        config: The sweep configuration, such as experiments/configs/sweep_hirl_vs_flat.yaml.
        images: Photographs to train on, if the configuration has no parameter of that name.
        out: Folder for the sweep. Default: sweeps/NAME.
        seeds: Number of runs of each setting. Default: 2.
        seed: Seed that determines the runs' seeds and random settings. Default: 0.
        resume: Folder of a sweep to resume, including its failed runs; all other options except --trust, --address and
            --wandb are taken from it.
        trust: Whether to load Ray's state of the resumed sweep: pickles, whose loading runs code that they hold. Only
            trust a folder that was written by you or by people you trust.
        address: Address of a Ray cluster that has this package on every node, and photographs at the same path; "auto"
            for the one this machine is part of. Default: this machine alone.
        storage: Storage of the runs' checkpoints, if nodes share no disk: a URI that all reach, as s3://BUCKET/FOLDER.
            Default: --out, which all nodes must see.
        cpus_per_trial: Number of processors for each run. Default: 1.
        gpus_per_trial: Number of GPUs for each run; fractions are fine. Default: 0.
        max_failures: Number of times to retry a run that fails or is lost. Default: 3.
        wandb: Whether to log to Weights & Biases, in a group with the sweep's name; as in hirl train.
    """
    import_ray("ray.tune", "sweep")
    others = (config, images, out, seeds, seed, storage, cpus_per_trial, gpus_per_trial, max_failures)
    if resume is not None:
        if any(other is not None for other in others):
            raise ValueError("--resume goes on with the settings the sweep had; give no others")
        plan, out = read_plan(resume), resume
        if not trust:
            raise ValueError(f"{resume}: going on runs code that Ray's notes of the sweep hold; --trust does so")
    else:
        if config is None:
            raise ValueError("name a sweep configuration (or --resume a sweep)")
        at_least(1, seeds=seeds)
        at_least(0, seed=seed, max_failures=max_failures, cpus_per_trial=cpus_per_trial, gpus_per_trial=gpus_per_trial)
        wanted = read_sweep_config(config)
        out = out or Path("sweeps") / wanted.name
        if (out / PLAN).exists():
            raise ValueError(
                f"{out} holds a sweep already; go on with it by --resume {out} --trust, or choose another --out"
            )
        # Defaults are set here, because --resume has to know which options were given.
        plan = plan_sweep(
            wanted,
            images,
            2 if seeds is None else seeds,
            seed or 0,
            storage,
            1.0 if cpus_per_trial is None else cpus_per_trial,
            gpus_per_trial or 0.0,
            3 if max_failures is None else max_failures,
        )
    from hirl_experiments.sweeps.run import run_sweep  # imported here, because it imports Ray

    run_sweep(plan, out, address, wandb)
