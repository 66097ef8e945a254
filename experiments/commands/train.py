"""`hirl train`: trains an agent, evaluates it while it learns, and resumes where it was stopped."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Annotated, Any

import tyro

from hirl_env.files import only_here
from hirl_experiments.command_line.checks import check_writable
from hirl_experiments.command_line.threads import use_threads
from hirl_experiments.training.config import DEFAULT_PRESET, TrainConfig, preset
from hirl_experiments.training.run import run
from hirl_experiments.training.run_folder import CONFIG, read_config

DEFAULTS = preset(DEFAULT_PRESET)


def train(
    config: Annotated[TrainConfig, tyro.conf.arg(name="")] = DEFAULTS,
    preset: str = DEFAULT_PRESET,
    out: Path | None = None,
    resume: Path | None = None,
    threads: int | None = None,
    wandb: bool = True,
) -> None:
    """Train an agent on a folder of photographs.

    After Ctrl-C or a power cut, resume with "hirl train --resume DIR". Writes to --out: config.yaml (every setting, the
    command, the code's revision, versions), evaluation.csv, TensorBoard and CSV logs, the last model with its replay
    buffer, and the best model as best.safetensors or, for PPO, best.zip. Pass the best model to "hirl restore --agent"
    or "hirl evaluate --methods", with the --toolset that it was trained with. "hirl train --preset NAME --help" shows
    the settings of a preset.

    Args:
        config: Configuration of the training.
        preset: Settings to start from: hirl, hirl-transitions, paper, flat-dqn, ppo, rl-restore, or a YAML file.
        out: Folder for the run. Default: runs/LABEL-SEED.
        resume: Folder of a run to resume, with its settings.
        threads: Number of processor threads. Default: all.
        wandb: Whether to log to Weights & Biases: honours WANDB_MODE, and is offline if nobody is logged in.
    """
    use_threads(threads)
    if resume is not None:
        if out is not None or (config, preset) != (DEFAULTS, DEFAULT_PRESET):
            raise ValueError("--resume goes on with the settings the run had; give no others")
        config, out = read_config(resume), resume
    else:
        config = config.prepared()
        out = out or Path("runs") / f"{config.label}-{config.seed}"
        check_writable(folder=out)
        if (out / CONFIG).exists():
            raise ValueError(f"{out} holds a run already; go on with it by --resume {out}, or choose another --out")
        for remark in config.algorithm.remarks(config.total_steps):
            warnings.warn(remark, stacklevel=1)
    with only_here(out / ".train.lock"):
        run(config, out, wandb)


def defaults_of(arguments: list[str]) -> dict[str, Any]:
    """Defaults that follow from other arguments: those of the preset."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    return {"config": preset(parser.parse_known_args(arguments)[0].preset)}
