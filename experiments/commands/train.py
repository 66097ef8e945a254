"""`hirl train`: trains an agent, measures it while it learns, and goes on where it was stopped."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import numpy as np
import torch
import tyro
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import CSVOutputFormat, Logger, TensorBoardOutputFormat
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from hirl_agents import HIRL, make_vec_env
from hirl_agents.networks import load_q
from hirl_agents.restorer import SHIPPED_AGENTS
from hirl_env.data.photographs import Photographs, open_photographs, photographs
from hirl_env.files import atomic_write_text
from hirl_env.task import Task
from hirl_env.tools.known import toolsets
from hirl_experiments.io.output import at_least
from hirl_experiments.reporting.provenance import provenance
from hirl_experiments.training.algorithms import ALGORITHMS, given, load_preset, options_of
from hirl_experiments.training.interrupts import deferred_interrupts
from hirl_experiments.training.progress import MEMORY, Progress
from hirl_experiments.training.seeds import moved_apart
from hirl_experiments.training.weights_and_biases import WandbWriter, start_wandb

AlgoName = Literal["hirl", "flat-dqn", "ppo", "rl-restore"]

if TYPE_CHECKING:
    EnvironmentOptions: TypeAlias = Any
    HIRLOptions: TypeAlias = Any
    FlatDQNOptions: TypeAlias = Any
    PPOOptions: TypeAlias = Any
    RLRestoreOptions: TypeAlias = Any
else:
    EnvironmentOptions = options_of("EnvironmentOptions", Task, make_vec_env)
    HIRLOptions, FlatDQNOptions, PPOOptions, RLRestoreOptions = (algorithm.options for algorithm in ALGORITHMS.values())


@dataclass(frozen=True)
class Settings:
    """What is trained, on what, and for how long.

    Args:
        images: Photographs to train on: a folder, or the name of a data set.
        algo: Which algorithm. Default: the preset's.
        preset: Settings to start from: hirl, hirl-transitions, paper, flat-dqn, ppo, rl-restore. Default: the one named
            as the algorithm.
        total_steps: Environment steps (tools applied) to train for. Default: the preset's.
        seed: Of everything random.
        validate: Photographs to measure progress and choose the best on. Default: some of --images, kept apart.
        hold_out: How many of --images are kept apart where --validate is not given.
        start_from: Weights of HIRL to start from instead of random ones: hirl, or a .safetensors file. What the new
            agent sees and the old one did not (the start, the tool used last) is of no matter at first.
        label: Name of the curve that this run is part of in hirl compare, with other seeds. Default: the preset's.
        every: Environment steps between evaluations (with checkpoints). Default: the preset's, else 2000.
        lr_schedule: Whether the learning rate falls linearly to zero. Default: the preset's.
        environment: The environment's settings; what is not given is as in the preset.
        hirl: HIRL's settings; what is not given is as in the preset.
        flat_dqn: The flat DQN's settings.
        ppo: PPO's settings.
        rl_restore: RL-Restore's settings.
    """

    images: str | None = None
    algo: AlgoName | None = None
    preset: str | None = None
    total_steps: int | None = None
    seed: int = 0
    validate: str | None = None
    hold_out: int = 40
    start_from: str | None = None
    label: str | None = None
    every: int | None = None
    lr_schedule: Literal["constant", "linear"] | None = None
    environment: EnvironmentOptions = EnvironmentOptions()  # noqa: RUF009  (frozen)
    hirl: HIRLOptions = HIRLOptions()  # noqa: RUF009
    flat_dqn: FlatDQNOptions = FlatDQNOptions()  # noqa: RUF009
    ppo: PPOOptions = PPOOptions()  # noqa: RUF009
    rl_restore: RLRestoreOptions = RLRestoreOptions()  # noqa: RUF009

    def config(self) -> dict[str, Any]:
        """The configuration of a run: every setting, those that were not given as in the preset.

        Raises:
            ValueError: If a setting is out of range, names nothing known, or does not fit the others.
        """
        if self.images is None:
            raise ValueError("--images is missing: name a folder of photographs to train on (or --resume a run)")
        at_least(1, total_steps=self.total_steps, every=self.every, hold_out=self.hold_out)
        at_least(0, seed=self.seed)
        chosen = load_preset(self.preset or self.algo or "hirl")
        algo = self.algo or chosen["algo"]
        if chosen["algo"] != algo:
            raise ValueError(f"the preset {self.preset!r} is one for --algo {chosen['algo']}, not {algo}")
        options = {
            "hirl": given(self.hirl),
            "flat-dqn": given(self.flat_dqn),
            "ppo": given(self.ppo),
            "rl-restore": given(self.rl_restore),
        }
        strangers = [name for name, some in options.items() if some and name != algo]
        if strangers:
            raise ValueError(f"--{strangers[0].replace('-', '_')}.* has no meaning for --algo {algo}")
        algorithm = ALGORITHMS[algo].defaults() | chosen["algorithm"] | options[algo]
        # What an agent learns from, its environment must tell.
        told = {"full_feedback": True} if algorithm.get("full_feedback") else {}
        config = {
            "algo": algo,
            "preset": self.preset or algo,
            "label": self.label or self.preset or algo,
            "images": _absolute(self.images),
            "validate": None if self.validate is None else _absolute(self.validate),
            "hold_out": self.hold_out,
            "start_from": self.start_from and str(SHIPPED_AGENTS.get(self.start_from, Path(self.start_from).resolve())),
            "total_steps": self.total_steps or chosen["total_steps"],
            "every": self.every or chosen.get("every", 2_000),
            "seed": self.seed,
            "lr_schedule": self.lr_schedule or chosen["lr_schedule"],
            "environment": _located(told | chosen["environment"] | given(self.environment)),
            "algorithm": algorithm,
        }
        _check_stop_action(algo, config["environment"])
        _check_feedback(algorithm, config["environment"], config["preset"])
        if config["total_steps"] <= algorithm.get("learning_starts", 0):
            warnings.warn(
                f"--total-steps {config['total_steps']} is no more than learning_starts, "
                f"{algorithm['learning_starts']}: nothing will be learned",
                stacklevel=2,
            )
        if config["total_steps"] < algorithm.get("exploration_steps", 0):
            warnings.warn(
                f"--total-steps {config['total_steps']} ends while exploration still falls, over exploration_steps, "
                f"{algorithm['exploration_steps']}",
                stacklevel=2,
            )
        if self.start_from is not None and algo != "hirl":
            raise ValueError(f"--start-from is for --algo hirl, not {algo}")
        return config


def train(
    settings: Annotated[Settings, tyro.conf.arg(name="")] = Settings(),
    out: Path | None = None,
    resume: Path | None = None,
    threads: int | None = None,
    wandb: bool = True,
) -> None:
    """Train an agent on a folder of photographs.

    Stop it with Ctrl-C, or lose it to a power cut, and go on with "hirl train --resume DIR". Writes to --out:
    config.yaml (every setting, the command, the code's revision, versions), evaluation.csv, TensorBoard and CSV logs,
    the last model with its replay buffer, and, but for PPO, the best one as best.safetensors: "hirl restore --agent"
    takes HIRL's and the flat DQN's, "hirl evaluate" (--agent, --flat-dqn, --rl-restore) all of them.

    Args:
        settings: What is trained.
        out: Folder for the run. Default: runs/LABEL-SEED.
        resume: Goes on with the run in this folder; all other options but --threads and --wandb are those it had.
        threads: Processor threads. Default: all.
        wandb: Log to Weights & Biases: honours WANDB_MODE, and is offline where nobody is logged in.
    """
    at_least(1, threads=threads)
    if threads is not None:
        torch.set_num_threads(threads)
    if resume is not None:
        if out is not None or settings != Settings():
            raise ValueError("--resume goes on with the settings the run had; give no others")
        config, out = read_config(resume), resume
    else:
        config = settings.config()
        out = out or Path("runs") / f"{config['label']}-{config['seed']}"
        if (out / "config.yaml").exists():
            raise ValueError(f"{out} holds a run already; go on with it by --resume {out}, or choose another --out")
    run(config, out, wandb)


def _absolute(source: str) -> str:
    """A folder so that it is found from anywhere; the name of a data set as it is."""
    is_place = source not in photographs.names() and Path(source).is_dir()
    return str(Path(source).resolve()) if is_place else source


def _check_stop_action(algo: AlgoName, environment: dict[str, Any]) -> None:
    stop_action = environment.get("stop_action", False)
    if stop_action and algo in ("hirl", "flat-dqn"):
        raise ValueError(f"--environment.stop-action is for --algo ppo and rl-restore: {algo} stops by its values")
    if not stop_action and algo == "rl-restore":
        raise ValueError("--algo rl-restore stops by an action: leave --environment.stop-action True")


def _check_feedback(algorithm: dict[str, Any], environment: dict[str, Any], preset: str) -> None:
    """Says in options of this command what HIRL would say in arguments of its own."""
    if not algorithm.get("full_feedback"):
        if environment.get("full_feedback"):
            raise ValueError(
                f"with --environment.full-feedback every step applies all tools, and {preset} learns from one of them: "
                "leave it out, or take --preset hirl"
            )
        return
    if not environment["full_feedback"]:
        raise ValueError("--environment.full-feedback False goes with --hirl.full-feedback False")
    if algorithm["gamma"] or algorithm["n_steps"] > 1:
        raise ValueError(
            f"the preset {preset} learns what each tool would have gained at once (full_feedback), and looks no "
            "further: for --hirl.gamma or --hirl.n-steps take --preset hirl-transitions, or --hirl.full-feedback False"
        )


def _located(environment: dict[str, Any]) -> dict[str, Any]:
    """The options of an environment, with tools that are read from files so that they are found from anywhere."""
    toolset = environment.get("toolset")
    if toolset is None or toolset in toolsets.names() or not Path(toolset).exists():
        return environment
    return environment | {"toolset": str(Path(toolset).resolve())}


def write_config(config: dict[str, Any], out: Path, command: str | None = None) -> None:
    """Writes config.yaml: what a run is, and which command (default: this one) and which code made it."""
    atomic_write_text(out / "config.yaml", yaml.safe_dump(config | provenance(command), sort_keys=False))


def read_config(folder: Path) -> dict[str, Any]:
    """The settings of a run, from its config.yaml.

    Raises:
        ValueError: If there is none, or it is another's.
    """
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{folder} is no run of hirl train, which has a config.yaml ({error})") from None
    if not isinstance(config, dict) or not {"algo", "label"} <= config.keys():
        raise ValueError(f"{folder}/config.yaml is not that of a run")
    return {key: value for key, value in config.items() if key not in ("command", "git_revision", "versions")}


def run(
    config: dict[str, Any], out: Path, wandb: bool, on_evaluation: Callable[[dict[str, float]], None] | None = None
) -> None:
    """Trains to the end of a run, from its last checkpoint where there is one.

    Args:
        config: As of `Settings.config`.
        out: The run's folder.
        wandb: Whether to log to Weights & Biases.
        on_evaluation: Called with each row of evaluation.csv, when it and its checkpoint are written.

    Raises:
        KeyboardInterrupt: If asked to stop; a checkpoint is written first.
    """
    to_train_on, held_out = open_both(config["images"], config["validate"], config["hold_out"])
    algorithm = ALGORITHMS[config["algo"]]
    # Photographs draw from generators of the environments, these from the seed: a run that goes on draws others.
    env = make_vec_env(algorithm.env_id, images=to_train_on, **config["environment"])
    model = _restored(config, out, env)
    # Those of a sweep lie apart already.
    seed = config["seed"] if "sweep" in config else moved_apart(config["seed"])
    done = 0
    if model is None:
        rate = config["algorithm"]["learning_rate"]
        schedule = LinearSchedule(rate, 0.0, 1.0) if config["lr_schedule"] == "linear" else rate
        model = algorithm.make(env, config["algorithm"] | {"learning_rate": schedule}, seed=seed)
        if config.get("start_from") is not None:
            assert isinstance(model, HIRL)
            model.policy.start_from(load_q(config["start_from"]))
    else:
        done = model.num_timesteps
        model.set_random_seed(seed + done)
    progress = Progress(config, out, held_out, on_evaluation)
    if done >= config["total_steps"] and progress.evaluated_until() >= done:
        print(f"{out} is complete: {done} steps")
        return
    # First of all: where it refuses, nothing is left behind that would be in the way.
    tracked = start_wandb("hirl", out.name, out, config) if wandb else None
    if not (out / "config.yaml").exists():
        write_config(config, out)
    writers: list[Any] = [
        TensorBoardOutputFormat(str(out / "tensorboard")),
        CSVOutputFormat(str(out / ("progress.csv" if not done else f"progress-{done}.csv"))),
    ]
    if tracked is not None:
        writers.append(WandbWriter(tracked))
    model.set_logger(Logger(str(out), writers))
    with deferred_interrupts() as interrupted, contextlib.closing(model.logger):
        progress.interrupted = interrupted
        # Counted in episodes by agents with a memory, in rollouts by others.
        interval = 4 * env.num_envs if isinstance(model, OffPolicyAlgorithm) else 1
        remaining = max(0, config["total_steps"] - done)
        model.learn(remaining, progress, log_interval=interval, reset_num_timesteps=False)
        progress.finish()
    env.close()
    if model.num_timesteps < config["total_steps"]:
        raise KeyboardInterrupt(f"stopped at step {model.num_timesteps}; go on with: hirl train --resume {out}")
    kept = out / "best.safetensors"
    print(f"wrote {kept}, of step {progress.best_step:,}" if kept.exists() else f"wrote {out / 'model.zip'}")


def open_both(images: str, validate: str | None, hold_out: int) -> tuple[Photographs, Photographs]:
    """The photographs to train on, and those to evaluate on: others, or some that are kept apart.

    Raises:
        ValueError: If there are none, or too few to keep some apart.
    """
    found = open_photographs(images)
    if validate is not None:
        return found, open_photographs(validate)
    try:
        return found.split(hold_out)
    except ValueError as error:
        raise ValueError(f"{error}, by --hold-out") from None


def _restored(config: dict[str, Any], out: Path, env: VecEnv) -> BaseAlgorithm | None:
    """The model of the last checkpoint, with its replay buffer; None where there is none yet."""
    if not (out / "model.zip").exists():
        return None
    build: Any = ALGORITHMS[config["algo"]].build
    try:
        model: BaseAlgorithm = build.load(out / "model.zip", env=env, device=config["algorithm"].get("device", "auto"))
        if isinstance(model, OffPolicyAlgorithm) and model.num_timesteps < config["total_steps"]:
            model.load_replay_buffer(out / MEMORY, truncate_last_traj=False)
            # The episodes in progress are lost: they end here, cut off, so that no sum of rewards runs on into others.
            # Memories that know no timeouts see to that by themselves.
            memory = model.replay_buffer
            assert memory is not None
            if memory.handle_timeout_termination:
                last = (memory.pos - 1) % memory.buffer_size
                memory.timeouts[last] = np.where(memory.dones[last] == 0, 1, memory.timeouts[last])
                memory.dones[last] = 1
    except Exception as error:  # whatever a torn zip or pickle makes of itself
        said = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"the checkpoint in {out} cannot be loaded ({said}); if it is damaged, start the run again elsewhere"
        ) from None
    return model
