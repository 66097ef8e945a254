"""`hirl train-pixel-rl`: trains PixelRL on a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from hirl_env.devices import available_device
from hirl_env.files import only_here
from hirl_experiments.command_line.threads import use_threads
from hirl_experiments.training.pixel_rl_trainer import NAME, PixelRLSettings, PixelRLTrainer


def train_pixel_rl(
    settings: Annotated[PixelRLSettings, tyro.conf.arg(name="")],
    out: Path,
    device: str = "cpu",
    threads: int | None = None,
    wandb: bool = False,
) -> None:
    """Train PixelRL on a folder of photographs: an actor-critic for every pixel, over nine filters.

    Stop it with Ctrl-C and run the same command again to resume. Writes to --out the best network so far as
    pixel-rl.safetensors, for "hirl evaluate --methods pixel-rl:weights=FILE", its model card pixel-rl.md, a log
    pixel-rl.csv, and a checkpoint.

    Args:
        settings: Settings of the training.
        out: Folder for the weights, the model card, the log and the checkpoint.
        device: Device to compute on: cpu, cuda, cuda:1, mps, or auto.
        threads: Number of processor threads. Default: all.
        wandb: Whether to log to Weights & Biases as well (honours WANDB_MODE).
    """
    use_threads(threads)
    with only_here(out / f".{NAME}.lock"):
        PixelRLTrainer(settings, out, available_device(device)).run(settings.every, wandb)
