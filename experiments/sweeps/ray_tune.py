"""Runs trainings side by side with Ray Tune, on this machine or a cluster, and restarts those that are lost."""

from __future__ import annotations

import logging
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from pyarrow.fs import FileSelector
from ray import tune
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from tqdm import tqdm

from hirl_env.errors import last_line
from hirl_env.plugins import load_plugin, named_plugins
from hirl_experiments.sweeps.config import EarlyStopping
from hirl_experiments.training.config import train_config
from hirl_experiments.training.run import run
from hirl_experiments.training.run_folder import CONFIG, MEMORY, read_curve, write_config

logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # tracebacks of what is an `RunOutcome`, in a line


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a run.

    Attributes:
        name: Name of the run.
        error: Error, in one line; None if it did not fail.
        stopped_early: Whether it was stopped because it lagged behind others.
        checkpoint: Last checkpoint, a copy of the run's folder in Ray's storage; None before the first.
    """

    name: str
    error: str | None
    stopped_early: bool
    checkpoint: tune.Checkpoint | None

    def folder(self) -> AbstractContextManager[str]:
        """The checkpoint as a folder on this machine."""
        assert self.checkpoint is not None
        return self.checkpoint.as_directory()


def check_resources(cpus: float, gpus: float) -> None:
    """Raises ValueError if this machine has less than a run needs, for which Ray would wait forever."""
    for name, needed in {"CPU": cpus, "GPU": gpus}.items():
        here = ray.cluster_resources().get(name, 0)
        if needed > here:
            raise ValueError(f"a trial is to have {needed:g} {name}s, and this machine has {here:g}")


def successive_halving(
    stopping: EarlyStopping, metric: str, maximize: bool, runs: Sequence[dict[str, Any]]
) -> TrialScheduler:
    """Ray's scheduler ASHA, which stops runs that lag behind.

    Args:
        stopping: Rule by which it does so.
        metric: Column of evaluation.csv that runs are compared by.
        maximize: Whether larger values are better.
        runs: Runs, as in `train_all`.

    Raises:
        ValueError: If no run lasts until the first comparison.
    """
    evaluations = max(math.ceil(one["config"]["total_steps"] / one["config"]["every"]) for one in runs)
    if stopping.min_iter >= evaluations:
        raise ValueError(
            f"early_terminate: min_iter must be below the {evaluations} evaluations that a run has, "
            f"got {stopping.min_iter}"
        )
    return ASHAScheduler(
        time_attr="evaluations",
        metric=f"evaluation/{metric}",
        mode="max" if maximize else "min",
        max_t=evaluations,
        grace_period=stopping.min_iter,
        reduction_factor=stopping.eta,
        stop_last_trials=False,  # they end by themselves
    )


def train_all(
    runs: Sequence[dict[str, Any]],
    storage: str,
    name: str,
    *,
    resumed: bool,
    command: str,
    wandb: bool,
    cpus: float,
    gpus: float,
    max_failures: int,
    scheduler: TrialScheduler | None,
) -> list[RunOutcome]:
    """Trains every run to its end, resuming where it stopped, on the Ray cluster of this process.

    Args:
        runs: Runs, each a ``name`` and a ``config``, as from `TrainConfig.as_dict`.
        storage: Folder or URI that all nodes reach.
        name: Name of the folder there, for checkpoints and Ray's own state.
        resumed: Whether the sweep has begun before, so that runs that the folder holds are resumed, by its pickles.
        command: Command line to note in the runs' config.yaml.
        wandb: Whether to log to Weights & Biases.
        cpus: Number of processors that a run needs.
        gpus: Number of GPUs that a run needs.
        max_failures: Number of times that a run that failed, or whose node was lost, resumes from its last checkpoint.
        scheduler: Scheduler of Ray Tune, which may stop runs before their end; None for none.

    Returns:
        An outcome for each run; after Ctrl-C, some were not trained to their end, or not started.

    Raises:
        ValueError: If the sweep is new, and the folder holds runs.
        OSError: If Ray has lost all nodes; its saved state can be resumed.
    """
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the older one can be silenced
    # A driver that is killed is to lose next to nothing, so what it knows is written every second; Ray would warn.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1")
    os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")
    plugins = named_plugins()

    def train(config: dict[str, Any]) -> None:
        for plugin in plugins:
            load_plugin(plugin)
        _train(config["run"], command, wandb)

    trainable = tune.with_resources(train, {"cpu": cpus, "gpu": gpus})
    folder = f"{storage.rstrip('/')}/{name}"
    held = tune.Tuner.can_restore(folder)
    if held and not resumed:
        raise ValueError(f"{folder} holds the runs of another sweep; choose another --out")
    if held:
        tuner = tune.Tuner.restore(folder, trainable, resume_errored=True)
    else:
        tuner = _new_tuner(trainable, runs, storage, name, max_failures, scheduler)
    try:
        results = tuner.fit()
    except tune.TuneError:
        if _has_nodes():
            raise
        raise OSError("Ray has lost every node of the sweep: a process of it (raylet) has died") from None
    for number in range(len(results)):
        _forget_memory(results[number])
    totals = {one["name"]: one["config"]["total_steps"] for one in runs}
    return [_outcome(results[number], totals) for number in range(len(results))]


def _new_tuner(
    trainable: Any,
    runs: Sequence[dict[str, Any]],
    storage: str,
    name: str,
    max_failures: int,
    scheduler: TrialScheduler | None,
) -> tune.Tuner:
    """A tuner that has begun no run; arguments as of `train_all`."""
    return tune.Tuner(
        trainable,
        param_space={"run": tune.grid_search(list(runs))},
        tune_config=tune.TuneConfig(
            scheduler=scheduler, trial_name_creator=_name, trial_dirname_creator=_name, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=storage,
            failure_config=tune.FailureConfig(max_failures=max_failures),
            # Two: what a killed driver noted last may be the checkpoint before the newest.
            checkpoint_config=tune.CheckpointConfig(num_to_keep=2),
            callbacks=[_ProgressBar(), _Watch()],
            verbose=0,
        ),
    )


def _name(trial: Any) -> str:
    return str(trial.config["run"]["name"])


def _forget_memory(result: tune.Result) -> None:
    """Removes replay buffers, most of a checkpoint, from the folder of a run that is over and needs them no more."""
    if not _is_over(result):
        return
    # All that lie there: a driver that was killed may not have noted its last checkpoint.
    for found in result.filesystem.get_file_info(FileSelector(result.path, recursive=True)):
        if found.is_file and found.base_name == MEMORY:
            result.filesystem.delete_file(found.path)


def _outcome(result: tune.Result, totals: dict[str, int]) -> RunOutcome:
    name = Path(result.path).name  # as of `_name`; a run that was not started knows no more
    error = None if result.error is None else last_line(result.error)
    stopped_early = error is None and _is_over(result) and (result.metrics or {})["step"] < totals[name]
    return RunOutcome(name, error, stopped_early, result.checkpoint)


def _is_over(result: tune.Result) -> bool:
    """Whether a run came to its end, or was stopped early."""
    return bool((result.metrics or {}).get("done"))


def _train(one: dict[str, Any], command: str, wandb: bool) -> None:
    """A run, in a process that Ray started; each evaluation is reported with the run's folder as its checkpoint."""
    config = train_config(one["config"], one["name"])
    with tempfile.TemporaryDirectory(prefix="hirl-sweep-") as scratch:
        out = Path(scratch) / one["name"]
        out.mkdir()

        def report(row: dict[str, float]) -> None:
            measured = {key: value for key, value in row.items() if key != "step"}
            for link in (path for path in out.rglob("*") if path.is_symlink()):
                link.unlink()  # W&B's to its latest run, of which storage would make copies
            tune.report(
                {"step": row["step"], "evaluations": len(read_curve(out)) - 1, "evaluation": measured},
                checkpoint=tune.Checkpoint.from_directory(str(out)),
            )

        checkpoint = tune.get_checkpoint()
        if checkpoint is not None:
            checkpoint.to_directory(str(out))
        if not (out / CONFIG).exists():
            write_config(config, out, command)
        # The last one follows when all logs are closed.
        run(config, out, wandb, lambda row: report(row) if row["step"] < config.total_steps else None)
        (out / MEMORY).unlink(missing_ok=True)
        report(read_curve(out)[-1])


def _has_nodes() -> bool:
    return any(node["Alive"] for node in ray.nodes())


class _Watch(tune.Callback):
    """Ends a sweep that has no node left, for which Ray Tune would wait without end."""

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if not _has_nodes():
            raise tune.TuneError("no node is left")


class _ProgressBar(tune.Callback):
    """Steps of all runs, and a line for each that is lost."""

    def setup(self, *_: Any, **__: Any) -> None:
        self.bar = tqdm(desc="sweep", unit="step", mininterval=1, disable=None)

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        steps = {one: (one.last_result or {}).get("step", 0) for one in trials}
        # What was stopped early has no more to do.
        self.bar.total = sum(
            done if one.is_finished() else one.config["run"]["config"]["total_steps"] for one, done in steps.items()
        )
        self.bar.update(sum(steps.values()) - self.bar.n)
        self.bar.set_postfix(finished=sum(one.is_finished() for one in trials), of=len(trials))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        tqdm.write(f"hirl: run {trial} failed", file=sys.stderr)

    def on_experiment_end(self, trials: list[Any], **_: Any) -> None:
        self.bar.close()
