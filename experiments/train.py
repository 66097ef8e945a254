"""`hirl train`: trains an agent, measures it while it learns, and goes on where it was stopped."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
import yaml
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import CSVOutputFormat, Logger, TensorBoardOutputFormat
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from agents import make_vec_env
from experiments.algorithms import ALGORITHMS, given, load_preset, options_of, q_network
from experiments.progress import Progress
from experiments.tracking import WandbWriter, deferred_interrupts, provenance, start_wandb
from hirl_env.data.photographs import Photographs, open_photographs
from hirl_env.files import written_whole
from hirl_env.task import Task

AlgoName = Literal["hirl", "flat-dqn", "ppo"]

if TYPE_CHECKING:
    EnvironmentOptions: TypeAlias = Any
    HIRLOptions: TypeAlias = Any
    FlatDQNOptions: TypeAlias = Any
    PPOOptions: TypeAlias = Any
else:
    EnvironmentOptions = options_of("EnvironmentOptions", Task, make_vec_env)
    HIRLOptions, FlatDQNOptions, PPOOptions = (algorithm.options for algorithm in ALGORITHMS.values())


def train(
    images: str | None = None,
    out: Path | None = None,
    algo: AlgoName | None = None,
    preset: str | None = None,
    total_steps: int | None = None,
    seed: int | None = None,
    resume: Path | None = None,
    validate: str | None = None,
    hold_out: int | None = None,
    label: str | None = None,
    every: int | None = None,
    lr_schedule: Literal["constant", "linear"] | None = None,
    threads: int | None = None,
    wandb: bool = True,
    environment: EnvironmentOptions = EnvironmentOptions(),  # noqa: B008  (frozen)
    hirl: HIRLOptions = HIRLOptions(),  # noqa: B008
    flat_dqn: FlatDQNOptions = FlatDQNOptions(),  # noqa: B008
    ppo: PPOOptions = PPOOptions(),  # noqa: B008
) -> None:
    """Train an agent on a folder of photographs.

    Stop it with Ctrl-C, or lose it to a power cut, and go on with "hirl train --resume DIR". Writes to --out:
    config.yaml (every setting, the command, the code's revision, versions), evaluation.csv, TensorBoard and CSV logs,
    the last model with its replay buffer, and the best one as best.safetensors for "hirl restore --agent".

    Args:
        images: Photographs to train on: a folder, or the name of a data set.
        out: Folder for the run. Default: runs/LABEL-SEED.
        algo: Which algorithm. Default: the preset's.
        preset: Settings to start from: hirl, paper, flat-dqn, ppo. Default: the one with the algorithm's name.
        total_steps: Environment steps (tools applied) to train for. Default: the preset's.
        seed: Of everything random. Default: 0.
        resume: Goes on with the run in this folder; all other options but --threads and --wandb are those it had.
        validate: Photographs to measure progress and choose the best on. Default: some of --images, kept apart.
        hold_out: How many of --images are kept apart where --validate is not given. Default: 40.
        label: Name of the curve that this run is part of in hirl compare, with other seeds. Default: the preset's.
        every: Environment steps between evaluations (with checkpoints). Default: 2000.
        lr_schedule: Whether the learning rate falls linearly to zero. Default: the preset's.
        threads: Processor threads. Default: all.
        wandb: Log to Weights & Biases: honours WANDB_MODE, and is offline where nobody is logged in.
        environment: The environment's settings; what is not given is as in the preset.
        hirl: HIRL's settings; what is not given is as in the preset.
        flat_dqn: The flat DQN's settings.
        ppo: PPO's settings.
    """
    if threads is not None:
        if threads < 1:
            raise ValueError(f"--threads must be at least 1, got {threads}")
        torch.set_num_threads(threads)
    if resume is not None:
        others = (images, out, algo, preset, total_steps, seed, validate, hold_out, label, every, lr_schedule)
        if any(other is not None for other in others) or any(map(given, (environment, hirl, flat_dqn, ppo))):
            raise ValueError("--resume goes on with the settings the run had; give no others")
        config, out = _read_config(resume), resume
    else:
        if images is None:
            raise ValueError("--images is missing: name a folder of photographs to train on (or --resume a run)")
        for option, number in {"total-steps": total_steps, "every": every, "hold-out": hold_out}.items():
            if number is not None and number < 1:
                raise ValueError(f"--{option} must be at least 1, got {number}")
        chosen = load_preset(preset or algo or "hirl")
        algo = algo or chosen["algo"]
        if chosen["algo"] != algo:
            raise ValueError(f"the preset {preset!r} is one for --algo {chosen['algo']}, not {algo}")
        options = {"hirl": given(hirl), "flat-dqn": given(flat_dqn), "ppo": given(ppo)}
        strangers = [name for name, some in options.items() if some and name != algo]
        if strangers:
            raise ValueError(f"--{strangers[0].replace('-', '_')}.* has no meaning for --algo {algo}")
        config = {
            "algo": algo,
            "preset": preset or algo,
            "label": label or preset or algo,
            "images": _absolute(images),
            "validate": None if validate is None else _absolute(validate),
            "hold_out": hold_out or 40,
            "total_steps": total_steps or chosen["total_steps"],
            "every": every or 2_000,
            "seed": seed or 0,
            "lr_schedule": lr_schedule or chosen["lr_schedule"],
            "environment": chosen["environment"] | given(environment),
            "algorithm": ALGORITHMS[algo].defaults() | chosen["algorithm"] | options[algo],
        }
        if algo != "ppo" and config["environment"].get("stop_action"):
            raise ValueError(f"--environment.stop-action is for --algo ppo: {algo} stops by its values")
        out = out or Path("runs") / f"{config['label']}-{config['seed']}"
        if (out / "config.yaml").exists():
            raise ValueError(f"{out} holds a run already; go on with it by --resume {out}, or choose another --out")
    run(config, out, wandb)


def _absolute(source: str) -> str:
    """A folder so that it is found from anywhere; the name of a data set as it is."""
    return str(Path(source).resolve()) if Path(source).is_dir() else source


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{folder} holds no run to resume ({error})") from None
    if not isinstance(config, dict) or "algo" not in config:
        raise ValueError(f"{folder}/config.yaml is not that of a run")
    return {key: value for key, value in config.items() if key not in ("command", "git_revision", "versions")}


def run(config: dict[str, Any], out: Path, wandb: bool) -> None:
    """Trains to the end of a run, from its last checkpoint where there is one.

    Raises:
        KeyboardInterrupt: If asked to stop; a checkpoint is written first.
    """
    photographs, held_out = _photographs(config)
    algorithm = ALGORITHMS[config["algo"]]
    # Photographs draw from generators of the environments, these from the seed: a run that goes on draws others.
    env = make_vec_env(algorithm.env_id, images=photographs, **config["environment"])
    model = _restored(config, out, env)
    done = 0
    if model is None:
        rate = config["algorithm"]["learning_rate"]
        schedule = LinearSchedule(rate, 0.0, 1.0) if config["lr_schedule"] == "linear" else rate
        model = algorithm.make(env, config["algorithm"] | {"learning_rate": schedule}, seed=config["seed"])
    else:
        done = model.num_timesteps
        model.set_random_seed(config["seed"] + done)
    if done >= config["total_steps"]:
        print(f"{out} is complete: {done} steps")
        return
    progress = Progress(config, out, held_out)
    if not (out / "config.yaml").exists():
        with written_whole(out / "config.yaml") as beside:
            beside.write_text(yaml.safe_dump(config | provenance(), sort_keys=False))
    writers: list[Any] = [
        TensorBoardOutputFormat(str(out / "tensorboard")),
        CSVOutputFormat(str(out / ("progress.csv" if not done else f"progress-{done}.csv"))),
    ]
    if wandb:
        writers.append(WandbWriter(start_wandb("hirl", out.name, out, config)))
    model.set_logger(Logger(str(out), writers))
    with deferred_interrupts() as interrupted, contextlib.closing(model.logger):
        progress.interrupted = interrupted
        model.learn(config["total_steps"] - done, progress, log_interval=4 * env.num_envs, reset_num_timesteps=False)
        progress.finish()
    env.close()
    if model.num_timesteps < config["total_steps"]:
        raise KeyboardInterrupt(f"stopped at step {model.num_timesteps}; go on with: hirl train --resume {out}")
    print(f"wrote {out}/best.safetensors" if q_network(model, 1) is not None else f"wrote {out}/model.zip")


def _photographs(config: dict[str, Any]) -> tuple[Photographs, Photographs]:
    """The photographs to train on, and those to evaluate on."""
    photographs = open_photographs(config["images"])
    if config["validate"] is not None:
        return photographs, open_photographs(config["validate"])
    return photographs.split(config["hold_out"])


def _restored(config: dict[str, Any], out: Path, env: VecEnv) -> BaseAlgorithm | None:
    """The model of the last checkpoint, with its replay buffer; None where there is none yet."""
    if not (out / "model.zip").exists():
        return None
    build: Any = ALGORITHMS[config["algo"]].build
    try:
        model: BaseAlgorithm = build.load(out / "model.zip", env=env, device=config["algorithm"].get("device", "auto"))
        if isinstance(model, OffPolicyAlgorithm):
            model.load_replay_buffer(out / "replay_buffer.pkl", truncate_last_traj=False)
            # The episodes in progress are lost: they end here, cut off, so that no sum of rewards runs on into others.
            memory = model.replay_buffer
            assert memory is not None
            last = (memory.pos - 1) % memory.buffer_size
            memory.timeouts[last] = np.where(memory.dones[last] == 0, 1, memory.timeouts[last])
            memory.dones[last] = 1
    except Exception as error:  # whatever a torn zip or pickle makes of itself
        raise ValueError(f"the checkpoint in {out} is damaged ({error}); start the run again elsewhere") from None
    return model
