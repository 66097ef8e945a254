"""Trains the embedded blind measure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from scipy.stats import spearmanr

from hirl_agents.common.optimisers import MuonAndAdam
from hirl_env.devices import Precision
from hirl_env.files import atomic_write_text
from hirl_env.quality.hirl_biqa import BlindQuality
from hirl_env.weights import load_weights, save_weights
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.biqa_examples import TEACHERS, ExampleGroups, targets
from hirl_experiments.training.loop import Stateful, Training
from hirl_experiments.training.optimisers import descend, rise_and_fall

NAME = "hirl-biqa"
WITHIN_A_GROUP = "spearman within a group"
BETA = 20.0  # points of the score; errors above it count linearly


@dataclass(frozen=True)
class BiqaSettings:
    """Settings of the training; they are saved with the run, and a resumed run must have the same.

    Args:
        images: Photographs to train on: a folder, or the name of a data set.
        groups: Number of groups of examples, twelve pictures each.
        hold_out: Number of --images that make the validation split, on which progress is measured.
        agent: Agent whose restored pictures are among the examples: hirl-paper, or a .safetensors file of hirl
            train on the toolset paper.
        steps: Length of the training; the learning rate falls linearly to zero over it.
        batch: Number of groups in a step.
        lr: Learning rate of Muon (kernels); Adam (biases and the rest) has a twentieth of it.
        precision: Precision of all convolutions, including those of the tools; bf16 is faster if the processor has it.
        seed: Seed of everything random.
        start_from: Weights to start from instead of random ones.
        examples: Name that identifies what the examples are made from; the command sets it.

    Raises:
        ValueError: If one is out of range.
    """

    images: str
    groups: int = 4_000
    hold_out: int = 40
    agent: str = "hirl-paper"
    steps: int = 6_000
    batch: int = 12
    lr: float = 0.01
    precision: Precision = "float32"
    seed: int = 0
    start_from: str | None = None
    examples: tyro.conf.Suppress[str] = ""

    def __post_init__(self) -> None:
        at_least(1, groups=self.groups, steps=self.steps, batch=self.batch)
        at_least(0, seed=self.seed)


class BiqaTrainer(Training):
    """One training run; call `set_examples` before running it."""

    project = NAME

    def __init__(self, settings: BiqaSettings, out: Path, device: torch.device) -> None:
        super().__init__(NAME, settings, out, device, settings.steps)
        network = BlindQuality()
        if settings.start_from is not None:
            load_weights(network, settings.start_from)
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.optimiser = MuonAndAdam(self.network.parameters(), settings.lr)
        self.schedule = rise_and_fall(self.optimiser, settings.steps)
        self.resume()

    def set_examples(self, training: ExampleGroups, validation: ExampleGroups) -> None:
        """Sets the groups to learn from, and those to measure progress on."""
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
        """One step on a batch of groups, all rotated alike."""
        chosen = torch.from_numpy(self.rng.integers(len(self.pictures), size=self.settings.batch))
        pictures = torch.rot90(self.pictures[chosen], int(self.rng.integers(4)), dims=(2, 3))
        if self.rng.random() < 0.5:
            pictures = pictures.flip(3)
        self.network.train()
        errors = self.scores(pictures) - self.goals[chosen]
        # Errors of the scores; of differences between versions of one crop; and of differences between after and before
        # a tool, by which agents are rewarded and stopped.
        each = errors, errors - errors.mean(1, True), errors - errors.gather(1, self.parents[chosen])
        loss = torch.stack([F.smooth_l1_loss(part, torch.zeros_like(part), beta=BETA) for part in each]).sum()
        descend(loss, self.optimiser, self.schedule)
        return {"loss": loss.item()}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """The agreement of its ranking with the teachers': over all validation pictures, and within a group."""
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
