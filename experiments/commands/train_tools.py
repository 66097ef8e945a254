"""`hirl train-tools`: trains the networks of the toolset on a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from hirl_env.devices import available_device
from hirl_env.files import only_here
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.command_line.threads import use_threads
from hirl_experiments.training.tool_settings import ToolSettings
from hirl_experiments.training.tool_trainer import ToolTrainer


def train_tools(
    settings: Annotated[ToolSettings, tyro.conf.arg(name="")],
    out: Path,
    device: str = "cpu",
    threads: int | None = None,
    every: int = 500,
    wandb: bool = False,
) -> None:
    """Train one network of the toolset on a folder of photographs.

    Stop it with Ctrl-C and run the same command again to resume. Writes TOOL.safetensors, its model card TOOL.md and a
    log TOOL.csv to --out.

    Args:
        settings: Settings of the training.
        out: Folder for the weights, the model card, the log and the checkpoint.
        device: Device to compute on: cpu, cuda, cuda:1, mps, or auto.
        threads: Number of processor threads. Default: all.
        every: Number of steps between log lines and checkpoints.
        wandb: Whether to log to Weights & Biases as well (honours WANDB_MODE).
    """
    at_least(1, every=every)
    use_threads(threads)
    with only_here(out / f".{settings.tool}.lock"):
        ToolTrainer(settings, out, available_device(device)).run(every, wandb)
