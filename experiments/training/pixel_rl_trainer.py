"""Trains PixelRL."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hirl_agents.pixel_rl import PixelEnvironment, PixelRL, restore, save_pixel_rl
from hirl_agents.pixel_rl.algorithm import ActorCritic, play
from hirl_env.data.degradations import LEVELS, degradations
from hirl_env.data.samples import Samples, stacked
from hirl_env.devices import Precision
from hirl_env.files import atomic_write_text
from hirl_env.quality import psnr
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.evaluation.sampling import batches, evaluation_samples
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.loop import Stateful, Training
from hirl_experiments.training.splits import open_splits
from hirl_experiments.training.validation import EVALUATION_SEED

NAME = "pixel-rl"
EVALUATION_CROP = 64


@dataclass(frozen=True)
class PixelRLSettings:
    """Settings of the training, saved with the run; a resumed run must have the same. The defaults are the paper's.

    Args:
        images: Photographs to train on: a folder, or the name of a data set.
        degradation: Distortion to restore: levels (mild, moderate and severe alike), mild, noise-25, mixture, ...
        validate: Photographs to measure progress and choose the best on. Default: some of --images.
        hold_out: Number of --images that make the validation split if --validate is not given.
        episodes: Length of the training, five steps and one update each.
        batch: Number of crops side by side.
        crop: Side of the crops in pixels.
        lr: Initial learning rate of Adam; after e of N episodes it is lr (1 - e / N)^0.9.
        grey: Whether there is one channel, as published; photographs are turned grey.
        precision: Precision of the convolutions; bf16 is faster if the processor has it.
        seed: Seed of everything random.
        every: Number of episodes between evaluations (with checkpoints); the best network is kept.

    Raises:
        ValueError: If one is out of range.
    """

    images: str
    degradation: str = "levels"
    validate: str | None = None
    hold_out: int = 40
    episodes: int = 30_000
    batch: int = 64
    crop: int = 70
    lr: float = 1e-3
    grey: bool = False
    precision: Precision = "float32"
    seed: int = 0
    every: int = 500

    def __post_init__(self) -> None:
        counts = ("episodes", "batch", "crop", "every", "hold_out")
        at_least(1, **{name: getattr(self, name) for name in counts})
        at_least(0, seed=self.seed)
        if self.lr <= 0:
            raise ValueError(f"--lr must be positive, got {self.lr}")


class Sampler:
    """The random generator of actions, as a part of checkpoints."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """The generator's state."""
        return {"state": self.generator.get_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a saved state."""
        self.generator.set_state(state_dict["state"].cpu())


class PixelRLTrainer(Training):
    """One training run; its best network is kept."""

    unit = "episode"
    project = "hirl-pixel-rl"

    def __init__(self, settings: PixelRLSettings, out: Path, device: torch.device) -> None:
        super().__init__(NAME, settings, out, device, settings.episodes)
        photographs, validation = open_splits(settings.images, settings.validate, settings.hold_out)
        # Made now, so that a picture that is too small shows before hours of training.
        self.validation = {
            level: list(batches(evaluation_samples(validation, level, EVALUATION_CROP, 1, EVALUATION_SEED)))
            for level in LEVELS
        }
        samples = Samples(photographs, degradations.resolve(settings.degradation), settings.crop)
        channels = 1 if settings.grey else 3
        self.environment = PixelEnvironment(samples, settings.batch, channels, device)
        self.sampler = Sampler(device, settings.seed)
        self.network = PixelRL(channels).to(device).to(memory_format=torch.channels_last)
        self.learner = ActorCritic(self.network, settings.lr, settings.episodes)
        self.resume()
        self.best = max((float(row["gain"]) for row in self.log.read()), default=-np.inf)

    def parts(self) -> dict[str, Stateful]:
        return {
            "network": self.network,
            "optimiser": self.learner.optimiser,
            "schedule": self.learner.schedule,
            "sampler": self.sampler,
        }

    def train_step(self) -> dict[str, float]:
        """One episode and one update; returns the mean sum of rewards, and the mean entropy of the policy (nats)."""
        steps = play(self.network, self.environment, self.rng, self.sampler.generator, self.settings.precision)
        self.learner.update(steps)
        reward = sum(step.reward.mean().item() for step in steps)
        return {"reward": reward, "entropy": float(np.mean([step.entropy.mean().item() for step in steps]))}

    def measure(self) -> dict[str, float]:
        """Mean gain in PSNR (dB) on a crop of each validation photograph, per level; with the likeliest actions."""
        gains = {}
        for level, crops in self.validation.items():
            found = []
            for batch in crops:
                images, references = stacked(batch)
                assert references is not None
                images, references = images.to(self.device), references.to(self.device)
                restored = restore(self.network, images, self.settings.precision)
                found.append(psnr(restored, references) - psnr(images, references))
            gains[level] = torch.cat(found).mean().item()
        return {"gain": float(np.mean(list(gains.values()))), **gains}

    def progress_text(self, row: dict[str, Any]) -> str:
        return "gain=" + " ".join(f"{row[level]:+.2f}" for level in LEVELS)

    def keep(self, row: dict[str, Any]) -> None:
        if row["gain"] > self.best:
            self.best = row["gain"]
            save_pixel_rl(self.network, self.weights)
            atomic_write_text(self.weights.with_suffix(".md"), self._model_card(row))

    def publish(self, measured: dict[str, float]) -> None:
        print(f"the best network and its model card are in {self.weights}")

    def _model_card(self, row: dict[str, Any]) -> str:
        return model_card(
            NAME,
            self.network,
            f"By `hirl train-pixel-rl` on {self.device.type}; of the evaluations on validation photographs the best, "
            f"after {row['episode']:,} of {self.settings.episodes:,} episodes and {row['seconds'] / 60:.0f} minutes:",
            dataclasses.asdict(self.settings),
            f"Gain in PSNR (dB) on the validation photographs, one crop of {EVALUATION_CROP}x{EVALUATION_CROP} each, "
            f"five steps of the likeliest actions, {self.settings.precision}:",
            ("level", "gain"),
            {level: f"{row[level]:+.2f}" for level in LEVELS},
        )
