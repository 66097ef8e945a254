"""The loop, checkpoints and logs that all trainings outside Stable-Baselines3 share."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from tqdm import tqdm

from hirl_experiments.command_line.interrupts import deferred_interrupts
from hirl_experiments.training.checkpoints import read_checkpoint, write_checkpoint
from hirl_experiments.training.csv_log import CsvLog
from hirl_experiments.training.weights_and_biases import start_wandb


class Stateful(Protocol):
    """An object with a state for checkpoints: a network, an optimiser, a schedule, stored examples."""

    def state_dict(self) -> dict[str, Any]:
        """The state to save."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Restores a saved state."""


class Training(ABC):
    """A training that can be interrupted and resumed.

    A subclass holds the networks, and defines a step, how progress is measured, and how the result is published.

    Args:
        name: Name of the files: NAME.checkpoint.pt, NAME.safetensors, NAME.csv.
        settings: Settings, a frozen dataclass with a ``seed``; a resumed run must have the same.
        out: Folder of the files.
        device: Device to compute on.
        steps: Number of steps of the training.

    Attributes:
        unit: Name of a step.
        project: Name of the project in Weights & Biases.
        rng: Source of what is drawn at random; part of the checkpoint.
        step: Number of steps taken.
        seconds: Number of seconds that they took.
    """

    unit: ClassVar[str] = "step"
    project: ClassVar[str]

    def __init__(self, name: str, settings: Any, out: Path, device: torch.device, steps: int) -> None:
        self.name, self.settings, self.out, self.device, self.steps = name, settings, out, device, steps
        self.rng = np.random.default_rng(settings.seed)
        torch.manual_seed(settings.seed)
        self.log = CsvLog(out / f"{name}.csv")
        self.step, self.seconds = 0, 0.0
        self.recent: list[dict[str, float]] = []  # values of the steps since the last row of the log

    @abstractmethod
    def parts(self) -> dict[str, Stateful]:
        """The objects whose states a checkpoint holds, by name."""

    @abstractmethod
    def train_step(self) -> dict[str, float]:
        """One step; returns the values to log."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """Measures progress."""

    @abstractmethod
    def progress_text(self, row: dict[str, Any]) -> str:
        """The progress bar's text for a row of the log."""

    def keep(self, row: dict[str, Any]) -> None:  # noqa: B027  (most keep the last network only)
        """Called with every row of the log, before it is written."""

    @abstractmethod
    def publish(self, measured: dict[str, float]) -> None:
        """Writes the result; called at the end, with the last measurements."""

    @property
    def weights(self) -> Path:
        """The file of the result."""
        return self.out / f"{self.name}.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The file of the checkpoint."""
        return self.out / f"{self.name}.checkpoint.pt"

    def resume(self) -> None:
        """Resumes from the checkpoint, if there is one; called once everything is constructed.

        Raises:
            ValueError: If the checkpoint is damaged or has other settings, or weights or a log exist without one.
        """
        state = read_checkpoint(self.checkpoint, self.weights, dataclasses.asdict(self.settings))
        if state is not None:
            for name, part in self.parts().items():
                part.load_state_dict(state[name])
            self.rng.bit_generator.state = state["rng"]
            self.step, self.seconds = state["step"], state["seconds"]
            self.recent = list(state.get("recent", ()))
        elif self.log.path.exists():
            raise ValueError(f"{self.log.path} is there already, without a checkpoint; choose another --out")
        # What was measured after the checkpoint is measured again.
        self.log.rewrite([row for row in self.log.read() if int(row[self.unit]) <= self.step])

    def save(self) -> None:
        """Writes the checkpoint."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self.parts().items()}
        state |= {"step": self.step, "seconds": self.seconds, "rng": self.rng.bit_generator.state}
        state |= {"recent": self.recent}
        write_checkpoint(self.checkpoint, dataclasses.asdict(self.settings), state)

    def run(self, every: int, wandb: bool) -> None:
        """Trains to the end and publishes, or until asked to stop; either way saves the checkpoint.

        Args:
            every: Number of steps between measurements (with checkpoints).
            wandb: Whether to log to Weights & Biases.

        Raises:
            KeyboardInterrupt: If asked to stop.
        """
        tracked = None
        if wandb:
            tracked = start_wandb(self.project, self.name, self.out, dataclasses.asdict(self.settings))
        bar = tqdm(total=self.steps, initial=self.step, desc=self.name, unit=self.unit, mininterval=1, disable=None)
        began = time.monotonic() - self.seconds
        measured: dict[str, float] = {}
        with deferred_interrupts() as interrupted, bar, tracked or contextlib.nullcontext():
            if not self.step:
                # Saved now, because weights without a checkpoint would be taken for those of another run.
                self.save()
            while self.step < self.steps and not interrupted:
                self.recent.append(self.train_step())
                self.step += 1
                bar.update()
                if self.step % every == 0 or self.step == self.steps:
                    self.seconds = time.monotonic() - began
                    means = {key: float(np.mean([one[key] for one in self.recent])) for key in self.recent[0]}
                    self.recent.clear()
                    measured = self.measure()
                    row = {self.unit: self.step, **means, "seconds": round(self.seconds), **measured}
                    self.keep(row)
                    self.log.write(row)
                    self.save()
                    bar.set_postfix_str(self.progress_text(row))
                    if tracked is not None:
                        tracked.log(row, step=self.step)
            self.seconds = time.monotonic() - began
            self.save()
        if self.step < self.steps:
            raise KeyboardInterrupt(f"stopped at {self.unit} {self.step}; the same command goes on from there")
        # A run that was killed before it could publish has no measurements after resuming.
        self.publish(measured or self.measure())
