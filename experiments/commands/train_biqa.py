"""`hirl train-biqa`: trains the embedded blind measure on computed scores."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Annotated

import tyro

from hirl_agents.loading import load_agent
from hirl_env.data.photographs import Photographs, image_sources
from hirl_env.devices import available_device
from hirl_env.files import only_here
from hirl_env.quality.hirl_biqa import CROP
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.command_line.fingerprints import of_agent, of_photographs, of_toolset
from hirl_experiments.command_line.threads import use_threads
from hirl_experiments.training.biqa_examples import (
    CHAIN_LENGTHS,
    FIRST,
    FORMAT,
    KIND_SHARES,
    RANDOM_SHARE,
    TEACHERS,
    ExampleGroups,
    ExampleMaker,
    cached_examples,
)
from hirl_experiments.training.biqa_trainer import NAME, BiqaSettings, BiqaTrainer

TOOLSET = "paper"


def train_biqa(
    settings: Annotated[BiqaSettings, tyro.conf.arg(name="")],
    out: Path,
    device: str = "cpu",
    threads: int | None = None,
    every: int = 500,
    wandb: bool = False,
) -> None:
    """Train the blind measure hirl-biqa on a folder of photographs, against full-reference measures.

    First makes the examples, groups of better and worse versions of a crop, then trains on them. Stop it with Ctrl-C
    and run the same command again to resume. Writes hirl-biqa.safetensors, its model card and a log to --out.

    Args:
        settings: Settings of the training.
        out: Folder for the examples, the weights, the model card, the log and the checkpoint.
        device: Device to compute on: cpu, cuda, cuda:1, mps, or auto.
        threads: Number of processor threads. Default: all.
        every: Number of steps between log lines and checkpoints.
        wandb: Whether to log to Weights & Biases as well (honours WANDB_MODE).
    """
    at_least(1, every=every)
    use_threads(threads)
    where = available_device(device)
    toolset = toolsets.resolve(TOOLSET).to(where)
    agent = load_agent(settings.agent, toolset)
    photographs = image_sources.resolve(settings.images)
    settings = dataclasses.replace(settings, examples=_name_of_examples(settings, photographs))
    with only_here(out / f".{NAME}.lock"):
        trainer = BiqaTrainer(settings, out, where)
        train_split, validation_split = photographs.split(settings.hold_out)
        examples = out / f"examples-{settings.examples}"

        def groups_of(photographs: Photographs, count: int, seed: int, name: str) -> ExampleGroups:
            maker = ExampleMaker(photographs, toolset, agent, CROP, settings.precision)
            return cached_examples(maker, count, seed, examples / name)

        # A twentieth as many are enough to monitor progress.
        validation = groups_of(validation_split, max(1, settings.groups // 20), settings.seed + 1, "validation")
        trainer.set_examples(groups_of(train_split, settings.groups, settings.seed, "training"), validation)
        trainer.run(every, wandb)


def _name_of_examples(settings: BiqaSettings, photographs: Photographs) -> str:
    """A name that depends on everything that the examples are made from, so that different ones never share it."""
    made_of = (of_photographs(photographs.files), of_toolset(TOOLSET), of_agent(settings.agent))
    options = (settings.hold_out, CROP, settings.precision)
    parts = (*made_of, *options, FORMAT, TEACHERS, FIRST, CHAIN_LENGTHS, KIND_SHARES, RANDOM_SHARE)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
