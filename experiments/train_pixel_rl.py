"""`hirl train-pixel-rl`: trains PixelRL on a folder of photographs."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from agents.networks import SUFFIX
from agents.pixel_rl import PixelEnvironment, PixelRL, restore, save_pixel_rl
from agents.pixel_rl.algorithm import ActorCritic, play
from experiments.checkpoints import read_checkpoint, write_checkpoint
from experiments.evaluation import batches, starts_of
from experiments.output import at_least_one
from experiments.progress import EVALUATION_SEED
from experiments.tracking import CsvLog, deferred_interrupts, start_wandb
from hirl_env.data.degradations import LEVELS, degradations
from hirl_env.data.episodes import Episodes, stacked
from hirl_env.data.photographs import open_photographs
from hirl_env.files import written_whole
from hirl_env.quality import psnr
from hirl_env.tools.toolset import Precision, available_device

EVALUATION_CROP = 64


@dataclass(frozen=True)
class Settings:
    """How to train; saved with the run, and a resumed run must have the same."""

    images: str
    degradation: str
    validate: str | None
    hold_out: int
    episodes: int
    batch: int
    crop: int
    lr: float
    grey: bool
    precision: Precision
    seed: int
    every: int


def train_pixel_rl(
    images: str,
    out: Path,
    degradation: str = "levels",
    validate: str | None = None,
    hold_out: int = 40,
    episodes: int = 30_000,
    batch: int = 64,
    crop: int = 70,
    lr: float = 1e-3,
    grey: bool = False,
    precision: Precision = "float32",
    device: str = "cpu",
    threads: int | None = None,
    seed: int = 0,
    every: int = 500,
    wandb: bool = False,
) -> None:
    """Train PixelRL on a folder of photographs: an actor-critic for every pixel, over nine filters.

    Stop it with Ctrl-C and run the same command again: it goes on where it was. Writes to --out the best network so far
    as pixel-rl.safetensors, for "hirl evaluate --methods pixel-rl --pixel-rl FILE", its model card pixel-rl.md, a log
    pixel-rl.csv, and a checkpoint. The defaults are those of the paper.

    Args:
        images: Photographs to train on: a folder, or the name of a data set.
        out: Folder for the weights, the model card, the log and the checkpoint.
        degradation: What to restore: levels (mild, moderate and severe alike), mild, noise-25, mixture, ...
        validate: Photographs to measure progress and choose the best on. Default: some of --images, kept apart.
        hold_out: How many of --images are kept apart where --validate is not given.
        episodes: Length of the training, five steps and one update each.
        batch: Crops side by side.
        crop: Their side in pixels.
        lr: Adam's learning rate at first; after e of N episodes it is lr (1 - e / N)^0.9.
        grey: One channel, as published; photographs are turned grey. Default: colour.
        precision: bf16 is faster where the processor has it.
        device: Where to compute: cpu, cuda, cuda:1, mps.
        threads: Processor threads. Default: all.
        seed: Of everything random.
        every: Episodes between evaluations (with checkpoints).
        wandb: Also log to Weights & Biases (honours WANDB_MODE).
    """
    at_least_one(episodes=episodes, batch=batch, crop=crop, every=every, threads=threads, hold_out=hold_out)
    if lr <= 0:
        raise ValueError(f"--lr must be positive, got {lr}")
    if threads is not None:
        torch.set_num_threads(threads)
    settings = Settings(
        images, degradation, validate, hold_out, episodes, batch, crop, lr, grey, precision, seed, every
    )
    Trainer(settings, out, available_device(device)).run(wandb)


class Trainer:
    """One training run: the network, its optimiser, and where they stand."""

    def __init__(self, settings: Settings, out: Path, device: torch.device) -> None:
        self.settings, self.out, self.device = settings, out, device
        photographs = open_photographs(settings.images)
        if settings.validate is None:
            photographs, held_out = photographs.split(settings.hold_out)
        else:
            held_out = open_photographs(settings.validate)
        # Made now, so that a picture that is too small is found before hours of training.
        self.validation = {
            level: list(batches(starts_of(held_out, level, EVALUATION_CROP, 1, EVALUATION_SEED))) for level in LEVELS
        }
        episodes = Episodes(photographs, degradations.resolve(settings.degradation), settings.crop)
        channels = 1 if settings.grey else 3
        self.environment = PixelEnvironment(episodes, settings.batch, channels, device)
        self.rng = np.random.default_rng(settings.seed)
        self.sampler = torch.Generator(device).manual_seed(settings.seed)
        torch.manual_seed(settings.seed)
        self.network = PixelRL(channels).to(device).to(memory_format=torch.channels_last)
        self.learner = ActorCritic(self.network, settings.lr, settings.episodes)
        self.episode = 0
        self.seconds = 0.0
        self.log = CsvLog(out / "pixel-rl.csv")
        self._resume()

    @property
    def checkpoint(self) -> Path:
        return self.out / "pixel-rl.checkpoint.pt"

    @property
    def weights(self) -> Path:
        return self.out / f"pixel-rl{SUFFIX}"

    def _resume(self) -> None:
        state = read_checkpoint(self.checkpoint, self.weights, dataclasses.asdict(self.settings), self.device)
        if state is not None:
            self.network.load_state_dict(state["network"])
            self.learner.optimiser.load_state_dict(state["optimiser"])
            self.learner.schedule.load_state_dict(state["schedule"])
            self.rng.bit_generator.state = state["rng"]
            self.sampler.set_state(state["sampler"].cpu())
            self.episode, self.seconds = state["episode"], state["seconds"]
        # Evaluations later than the checkpoint are made again.
        rows = [row for row in self.log.read() if int(row["episode"]) <= self.episode]
        self.log.rewrite(rows)
        self.best = max((float(row["gain"]) for row in rows), default=-np.inf)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.learner.optimiser.state_dict(),
            "schedule": self.learner.schedule.state_dict(),
            "rng": self.rng.bit_generator.state,
            "sampler": self.sampler.get_state(),
            "episode": self.episode,
            "seconds": self.seconds,
        }
        write_checkpoint(self.checkpoint, dataclasses.asdict(self.settings), state)

    def train_episode(self) -> tuple[float, float]:
        """One episode and one update; returns the mean sum of rewards, and the mean entropy of the policy (nats)."""
        steps = play(self.network, self.environment, self.rng, self.sampler, self.settings.precision)
        self.learner.update(steps)
        self.episode += 1
        reward = sum(step.reward.mean().item() for step in steps)
        return reward, float(np.mean([step.entropy.mean().item() for step in steps]))

    def evaluate(self) -> dict[str, float]:
        """Mean gain in PSNR (dB) on a crop of each photograph kept apart, per level; with the likeliest actions."""
        gains = {}
        for level, starts in self.validation.items():
            found = []
            for batch in starts:
                images, references = stacked(batch)
                assert references is not None
                images, references = images.to(self.device), references.to(self.device)
                restored = restore(self.network, images, self.settings.precision)
                found.append(psnr(restored, references) - psnr(images, references))
            gains[level] = torch.cat(found).mean().item()
        return gains

    def run(self, wandb: bool) -> None:
        """Trains to the end, or until asked to stop; either way saves the checkpoint.

        Raises:
            KeyboardInterrupt: If asked to stop.
        """
        settings = self.settings
        config = dataclasses.asdict(settings)
        tracked = start_wandb("hirl-pixel-rl", self.out.name, self.out, config) if wandb else None
        bar = tqdm(total=settings.episodes, initial=self.episode, unit="episode", mininterval=1, disable=None)
        began = time.monotonic() - self.seconds
        recent: list[tuple[float, float]] = []
        # The first evaluation writes weights before its checkpoint, and weights without one are taken for another's.
        self._save()
        with deferred_interrupts() as interrupted, bar, tracked or contextlib.nullcontext():
            while self.episode < settings.episodes and not interrupted:
                recent.append(self.train_episode())
                bar.update()
                if self.episode % settings.every == 0 or self.episode == settings.episodes:
                    self.seconds = time.monotonic() - began
                    row = self._evaluate(recent)
                    bar.set_postfix(gain=" ".join(f"{row[level]:+.2f}" for level in LEVELS))
                    if tracked is not None:
                        tracked.log(row, step=self.episode)
                    recent.clear()
            self.seconds = time.monotonic() - began
            self._save()
        if self.episode < settings.episodes:
            raise KeyboardInterrupt(f"stopped at episode {self.episode}; the same command goes on from there")
        print(f"the best network and its model card are in {self.weights}")

    def _evaluate(self, recent: list[tuple[float, float]]) -> dict[str, Any]:
        """Measures, keeps the network if it is the best so far, logs, and saves, in this order; returns the row."""
        gains = self.evaluate()
        gain = float(np.mean(list(gains.values())))
        reward, entropy = np.mean(recent, axis=0).tolist()
        row = {"episode": self.episode, "gain": gain, **gains, "reward": reward, "entropy": entropy}
        row["seconds"] = round(self.seconds)
        if gain > self.best:
            self.best = gain
            save_pixel_rl(self.network, self.weights)
            with written_whole(self.weights.with_suffix(".md")) as beside:
                beside.write_text(self._model_card(row))
        self.log.write(row)
        self._save()
        return row

    def _model_card(self, row: dict[str, Any]) -> str:
        count = sum(value.numel() for value in self.network.parameters())
        settings = dataclasses.asdict(self.settings)
        for key in ("images", "validate"):
            settings[key] = settings[key] and Path(settings[key]).name
        made = "\n".join(f"- {name}: {value}" for name, value in settings.items())
        measured = "\n".join(f"| {level} | {row[level]:+.2f} |" for level in LEVELS)
        return (
            f"# pixel-rl\n\n{(inspect.getdoc(PixelRL) or '').split('Args:')[0].strip()}\n\n"
            f"{count:,} parameters, stored as float16 safetensors.\n\n"
            f"## How it was made\n\nBy `hirl train-pixel-rl` with\n\n{made}\n\n"
            f"on {self.device.type}; of the evaluations on photographs kept apart the best, after "
            f"{row['episode']:,} of {self.settings.episodes:,} episodes and {row['seconds'] / 60:.0f} minutes.\n\n"
            f"## Measured\n\nGain in PSNR (dB) on the photographs kept apart, one crop of {EVALUATION_CROP}x"
            f"{EVALUATION_CROP} each, five steps of the likeliest actions, {self.settings.precision}:\n\n"
            f"| level | gain |\n|---|---|\n{measured}\n"
        )
