"""`hirl train-biqa`: trains the embedded blind measure on computed scores."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from scipy.stats import spearmanr

from hirl_agents.common.optimisers import MuonAndAdam
from hirl_agents.networks import SUFFIX
from hirl_agents.registry import SHIPPED_AGENTS
from hirl_agents.restorer import load_agent
from hirl_env.data.photographs import Photographs, image_sources
from hirl_env.devices import Precision, available_device
from hirl_env.files import atomic_write_text
from hirl_env.quality.hirl_biqa import SMALLEST, BlindQuality
from hirl_env.tools.known import toolsets
from hirl_env.tools.tool import SHIPPED_TOOLS
from hirl_env.weights import load_weights, save_weights
from hirl_experiments.io.output import at_least
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.biqa_examples import (
    CHAIN_LENGTHS,
    KIND_SHARES,
    RANDOM_SHARE,
    TEACHERS,
    ExampleGroups,
    ExampleMaker,
    cached_examples,
    targets,
)
from hirl_experiments.training.loop import Stateful, Training
from hirl_experiments.training.optimisers import descend, rise_and_fall

NAME = "hirl-biqa"
WITHIN_A_GROUP = "spearman within a group"
BETA = 20.0  # points of the score; errors above it count linearly


@dataclass(frozen=True)
class Settings:
    """How to train; saved with the run, and a resumed run must have the same.

    Args:
        images: Photographs to train on: a folder, or the name of a data set.
        groups: Number of groups of examples, twelve pictures each.
        hold_out: Number of --images that make the validation split, on which progress is measured.
        agent: Agent whose restored pictures are among the examples: hirl, or a .safetensors file of hirl train.
        steps: Length of the training; the learning rate falls linearly to zero over it.
        batch: Number of groups in a step.
        crop: Side of the crops in pixels.
        lr: Learning rate of Muon (kernels); Adam (biases and the rest) has a twentieth of it.
        precision: Precision of the convolutions, those of the tools too; bf16 is faster where the processor has it.
        seed: Seed of everything random.
        start_from: Weights to start from instead of random ones.
        examples: Name after all that the examples are made of; the command sets it.

    Raises:
        ValueError: If one is out of range.
    """

    images: str
    groups: int = 4_000
    hold_out: int = 40
    agent: str = "hirl-paper"
    steps: int = 6_000
    batch: int = 12
    crop: int = 64
    lr: float = 0.01
    precision: Precision = "float32"
    seed: int = 0
    start_from: str | None = None
    examples: tyro.conf.Suppress[str] = ""

    def __post_init__(self) -> None:
        if self.crop < SMALLEST:
            raise ValueError(f"--crop must be at least {SMALLEST}, got {self.crop}")
        at_least(1, groups=self.groups, steps=self.steps, batch=self.batch)
        at_least(0, seed=self.seed)


def train_biqa(
    settings: Annotated[Settings, tyro.conf.arg(name="")],
    out: Path,
    device: str = "cpu",
    threads: int | None = None,
    every: int = 500,
    wandb: bool = False,
) -> None:
    """Train the blind measure hirl-biqa on a folder of photographs, against full-reference measures.

    First makes the examples, groups of better and worse versions of a crop, then trains on them. Stop it with Ctrl-C
    and run the same command again: it goes on where it was. Writes hirl-biqa.safetensors, its model card and a log to
    --out.

    Args:
        settings: Settings of the training.
        out: Folder for the examples, the weights, the model card, the log and the checkpoint.
        device: Device to compute on: cpu, cuda, cuda:1, mps, or auto.
        threads: Number of processor threads. Default: all.
        every: Number of steps between log lines and checkpoints.
        wandb: Whether to log to Weights & Biases, too (honours WANDB_MODE).
    """
    at_least(1, every=every, threads=threads)
    if threads is not None:
        torch.set_num_threads(threads)
    where = available_device(device)
    toolset = toolsets.resolve("paper").on(where)
    agent = load_agent(settings.agent, toolset)
    settings = dataclasses.replace(settings, examples=_name_of_examples(settings))
    trainer = Trainer(settings, out, where)
    train_split, validation_split = image_sources.resolve(settings.images).split(settings.hold_out)
    examples = out / f"examples-{settings.examples}"

    def groups_of(photographs: Photographs, count: int, seed: int, name: str) -> ExampleGroups:
        maker = ExampleMaker(photographs, toolset, agent, settings.crop, settings.precision)
        return cached_examples(maker, count, seed, examples / name)

    # A twentieth as many are enough to watch by.
    validation = groups_of(validation_split, max(1, settings.groups // 20), settings.seed + 1, "validation")
    trainer.set_examples(groups_of(train_split, settings.groups, settings.seed, "training"), validation)
    trainer.run(every, wandb)


def _name_of_examples(settings: Settings) -> str:
    """A name after all that examples are made of, so that none are taken for others."""
    parts = (settings.images, settings.hold_out, settings.agent, settings.crop, settings.precision)
    digest = hashlib.sha256(repr((*parts, TEACHERS, CHAIN_LENGTHS, KIND_SHARES, RANDOM_SHARE)).encode())
    agent = SHIPPED_AGENTS.get(settings.agent, Path(settings.agent))
    for weights in (*sorted(SHIPPED_TOOLS.rglob(f"*{SUFFIX}")), agent):
        digest.update(weights.read_bytes())
    return digest.hexdigest()[:8]


class Trainer(Training):
    """One training run; `set_examples` comes before it runs."""

    project = NAME

    def __init__(self, settings: Settings, out: Path, device: torch.device) -> None:
        super().__init__(NAME, settings, out, device, settings.steps)
        network = BlindQuality()
        if settings.start_from is not None:
            load_weights(network, settings.start_from)
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.optimiser = MuonAndAdam(self.network.parameters(), settings.lr)
        self.schedule = rise_and_fall(self.optimiser, settings.steps)
        self.resume()

    def set_examples(self, training: ExampleGroups, validation: ExampleGroups) -> None:
        """Takes the groups to learn from, and those to measure progress on."""
        parts = training.pictures, training.parents, targets(training.scores)
        self.pictures, self.parents, self.goals = (torch.from_numpy(part).to(self.device) for part in parts)
        self.validation = validation

    def parts(self) -> dict[str, Stateful]:
        return {"network": self.network, "optimiser": self.optimiser, "schedule": self.schedule}

    def scores(self, pictures: torch.Tensor) -> torch.Tensor:
        """Scores (groups, versions) of pictures uint8 (groups, versions, H, W, 3)."""
        images = pictures.to(self.device).flatten(0, 1).permute(0, 3, 1, 2).float().div(255)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            return self.network(images).unflatten(0, pictures.shape[:2])

    def train_step(self) -> dict[str, float]:
        """One step on a batch of groups, all turned alike."""
        chosen = torch.from_numpy(self.rng.integers(len(self.pictures), size=self.settings.batch))
        pictures = torch.rot90(self.pictures[chosen], int(self.rng.integers(4)), dims=(2, 3))
        if self.rng.random() < 0.5:
            pictures = pictures.flip(3)
        self.network.train()
        errors = self.scores(pictures) - self.goals[chosen]
        # Of all pictures; of those of one crop against each other; and of those after a tool against those before, by
        # which agents are rewarded and stopped.
        each = errors, errors - errors.mean(1, True), errors - errors.gather(1, self.parents[chosen])
        loss = torch.stack([F.smooth_l1_loss(part, torch.zeros_like(part), beta=BETA) for part in each]).sum()
        descend(loss, self.optimiser, self.schedule)
        return {"loss": loss.item()}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """How its order agrees with the teachers': over all validation pictures, and of the versions of one."""
        self.network.eval()
        parts = np.array_split(self.validation.pictures, 20)
        scores = torch.cat([self.scores(torch.from_numpy(part)) for part in parts if len(part)])
        ours, goals = scores.cpu().numpy(), targets(self.validation.scores)
        rows = {
            f"spearman {name}": float(spearmanr(ours.ravel(), self.validation.scores[..., index].ravel()).statistic)
            for index, name in enumerate(TEACHERS)
        }
        within = [spearmanr(one, goal).statistic for one, goal in zip(ours, goals, strict=True)]
        return rows | {WITHIN_A_GROUP: float(np.nanmean(within))}

    def progress_text(self, row: dict[str, Any]) -> str:
        return f"loss={row['loss']:.2f} within={row[WITHIN_A_GROUP]:.3f}"

    def publish(self, measured: dict[str, float]) -> None:
        save_weights(self.network, self.weights, torch.float16)
        made = (
            f"By `hirl train-biqa` on computed scores ({', '.join(TEACHERS)}, combined by rank), not on what people "
            f"said; in {self.seconds / 60:.0f} minutes on {self.device.type}, making the examples not counted:"
        )
        card = model_card(
            NAME,
            self.network,
            made,
            dataclasses.asdict(self.settings),
            "Rank correlations on the validation photographs:",
            ("", ""),
            {name: f"{value:.3f}" for name, value in measured.items()},
        )
        atomic_write_text(self.weights.with_suffix(".md"), card)
        print(f"wrote {self.weights} and its model card")
