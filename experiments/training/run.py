"""A run: trains and evaluates an agent, and resumes where it was stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import CSVOutputFormat, Logger, TensorBoardOutputFormat
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from hirl_agents import HIRL, make_vec_env
from hirl_agents.common.buffers import cut_off_episodes
from hirl_agents.common.saving import append_replay_buffer, fill_model, fill_replay_buffer
from hirl_agents.networks import load_q
from hirl_experiments.command_line.fingerprints import of_photographs
from hirl_experiments.command_line.interrupts import deferred_interrupts
from hirl_experiments.training.callbacks.actions import ActionShares
from hirl_experiments.training.callbacks.best_model import BestModel
from hirl_experiments.training.callbacks.checkpoints import save_checkpoint
from hirl_experiments.training.callbacks.evaluation import Evaluation
from hirl_experiments.training.callbacks.interruption import Interruption
from hirl_experiments.training.callbacks.progress_bar import ProgressBar
from hirl_experiments.training.config import TrainConfig
from hirl_experiments.training.csv_log import CsvLog
from hirl_experiments.training.run_folder import (
    BEST,
    CONFIG,
    CURVE,
    MEMORY,
    MODEL,
    check_different,
    check_photographs,
    check_same,
    write_config,
)
from hirl_experiments.training.seeds import spaced_seed
from hirl_experiments.training.splits import open_splits
from hirl_experiments.training.validation import Validation
from hirl_experiments.training.weights_and_biases import WandbWriter, start_wandb

# Settings by which images are remembered in one form, and gains of the same tools in one unit.
REMEMBERED = ("algo", "n_envs", "env.crop_size", "env.toolset", "env.reward")


def run(
    config: TrainConfig, out: Path, wandb: bool, on_evaluation: Callable[[dict[str, float]], None] | None = None
) -> None:
    """Trains to the end of a run, from its last checkpoint if there is one.

    Args:
        config: Configuration of the run, prepared.
        out: Folder of the run.
        wandb: Whether to log to Weights & Biases.
        on_evaluation: Function called with each row of evaluation.csv, when it and its checkpoint are written.

    Raises:
        KeyboardInterrupt: If asked to stop; a checkpoint is written first.
    """
    photographs, validation_split = open_splits(config.images, config.validate, config.hold_out)
    fingerprints = {"train": of_photographs(photographs.files), "validate": of_photographs(validation_split.files)}
    if (out / CONFIG).exists():
        check_photographs(out, fingerprints)
    env = make_vec_env(n_envs=config.n_envs, **vars(config.environment) | {"images": photographs})
    resumed = restored(config, out, env)
    model = resumed or _new(config, env)
    done = model.num_timesteps
    validation = Validation(config, validation_split)
    curve = CsvLog(out / CURVE)
    best, actions = BestModel(config, out, validation.toolset, curve), ActionShares(validation.toolset)
    evaluation = Evaluation(config.every, out, validation, curve, best, actions, on_evaluation)
    if done >= config.total_steps and evaluation.last_step() >= done:
        print(f"{out} is complete: {done} steps")
        return
    if resumed is not None:
        recall(resumed, out)
    # First of all, so that nothing is left behind if it refuses.
    tracked = start_wandb("hirl", out.name, out, config.as_dict()) if wandb else None
    if not (out / CONFIG).exists():
        write_config(config, out, photographs=fingerprints)
    model.set_logger(_logger(out, done, tracked))
    with deferred_interrupts() as interrupted, contextlib.closing(model.logger):
        interruption = Interruption(interrupted)
        bar = ProgressBar(out.name, config.total_steps)
        # Counted in episodes by off-policy algorithms, in rollouts by others.
        interval = 4 * env.num_envs if isinstance(model, OffPolicyAlgorithm) else 1
        remaining = max(0, config.total_steps - done)
        model.learn(remaining, [bar, evaluation, actions, interruption], interval, reset_num_timesteps=False)
        if interruption.stopped:
            model.num_timesteps = interruption.learned
            save_checkpoint(model, out)
        else:
            evaluation.finish()
    env.close()
    if model.num_timesteps < config.total_steps:
        raise KeyboardInterrupt(f"stopped at step {model.num_timesteps}; go on with: hirl train --resume {out}")
    kept = next(path for path in (out / f"{BEST}.safetensors", out / f"{BEST}.zip") if path.exists())
    print(f"wrote {kept}, of step {best.step():,}")


def _seed(config: TrainConfig) -> int:
    # The seeds of a sweep are spaced already.
    return config.seed if config.sweep else spaced_seed(config.seed)


def _built(config: TrainConfig, env: VecEnv) -> BaseAlgorithm:
    rate = config.algorithm.learning_rate
    schedule = LinearSchedule(rate, 0.0, 1.0) if config.lr_schedule == "linear" else rate
    return config.algorithm.build(env, schedule, _seed(config))


def _new(config: TrainConfig, env: VecEnv) -> BaseAlgorithm:
    model = _built(config, env)
    if config.start_from is not None:
        assert isinstance(model, HIRL)
        model.policy.start_from(load_q(config.start_from))
    check_different(config.memory)
    for memory in config.memory:
        if not isinstance(model, OffPolicyAlgorithm):
            raise ValueError(f"--memory is for algorithms that have a replay buffer, not for {config.algo}")
        check_same(REMEMBERED, Path(memory), config, "this run's")
        append_replay_buffer(model, Path(memory) / MEMORY)
    return model


def restored(config: TrainConfig, out: Path, env: VecEnv) -> BaseAlgorithm | None:
    """The model of the last checkpoint, with an empty replay buffer; None if there is no checkpoint yet.

    Raises:
        ValueError: If the checkpoint is damaged, incomplete, or has other settings.
    """
    if not (out / MODEL).exists():
        if CsvLog(out / CURVE).read():
            raise ValueError(f"{out} has lost its checkpoint, {MODEL}; start the run again elsewhere")
        return None
    model = _built(config, env)
    try:
        fill_model(model, out / MODEL)
    except ValueError as error:
        raise _unusable(error) from None
    # Photographs draw from generators of the environments, these from the seed: a run that goes on draws others.
    model.set_random_seed(_seed(config) + model.num_timesteps)
    return model


def recall(model: BaseAlgorithm, out: Path) -> None:
    """Fills the replay buffer of a restored model, if it has one.

    Raises:
        ValueError: If the buffer of the checkpoint is damaged, missing, or has other settings.
    """
    if not isinstance(model, OffPolicyAlgorithm):
        return
    try:
        fill_replay_buffer(model, out / MEMORY)
    except ValueError as error:
        raise _unusable(error) from None
    assert model.replay_buffer is not None
    cut_off_episodes(model.replay_buffer)  # their environments are lost


def _unusable(error: ValueError) -> ValueError:
    return ValueError(f"{error}; if the checkpoint is damaged, start the run again elsewhere")


def _logger(out: Path, done: int, tracked: Any) -> Logger:
    writers: list[Any] = [
        TensorBoardOutputFormat(str(out / "tensorboard")),
        CSVOutputFormat(str(out / ("progress.csv" if not done else f"progress-{done}.csv"))),
    ]
    return Logger(str(out), writers if tracked is None else [*writers, WandbWriter(tracked)])
