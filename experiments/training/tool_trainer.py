"""Trains a tool's network."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel

from hirl_agents.common.optimisers import MuonAndAdam
from hirl_env.data.photographs import Photograph, Photographs, image_sources
from hirl_env.data.samples import Sample, Samples
from hirl_env.files import atomic_write_text
from hirl_env.quality import psnr
from hirl_env.weights import load_weights, save_weights
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.loop import Stateful, Training
from hirl_experiments.training.optimisers import descend, rise_and_fall
from hirl_experiments.training.splits import open_validation
from hirl_experiments.training.tool_examples import ToolExamples
from hirl_experiments.training.tool_recipes import tool_recipes
from hirl_experiments.training.tool_settings import SMALLEST, ToolSettings

EMA_DECAY = 0.998
VALIDATION_CROP = 128


class ToolTrainer(Training):
    """One training run of a tool's network; its average over steps is validated and published."""

    project = "hirl-tools"

    def __init__(self, settings: ToolSettings, out: Path, device: torch.device) -> None:
        super().__init__(settings.tool, settings, out, device, settings.steps)
        self.recipe = tool_recipes.resolve(settings.tool)
        photographs = image_sources.resolve(settings.images)
        self.validation = None if settings.validate is None else open_validation(photographs, settings.validate)
        if self.validation is not None and not any(True for _ in _large_enough(self.validation)):
            raise ValueError(f"{self.validation.name}: no clean photograph of {SMALLEST} pixels or more to validate on")
        network = self.recipe.network()
        if settings.start_from is not None:
            load_weights(network, settings.start_from)
        self.network = network.to(device)
        self.average = AveragedModel(self.network, multi_avg_fn=_average_in).eval()
        self.examples = ToolExamples(photographs, self.recipe, settings, self.restored)
        assert settings.lr is not None
        self.optimiser = MuonAndAdam(self.network.parameters(), settings.lr)
        self.schedule = rise_and_fall(self.optimiser, settings.steps)
        self.resume()

    def parts(self) -> dict[str, Stateful]:
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "examples": self.examples,
        }

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    @torch.no_grad()
    def restored(self, images: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
        """The averaged network's result for images (N, 3, H, W) and strengths (N,); on the CPU."""
        with self._autocast():
            results = self.recipe.results(self.average.module, images.to(self.device), strengths.to(self.device))
        return results[-1].float().clamp(0, 1).cpu()

    def train_step(self) -> dict[str, float]:
        """One step of the optimiser; the loss is the root mean square error per image."""
        images, references, strengths = (part.to(self.device) for part in self.examples.batch(self.rng))
        with self._autocast():
            results = self.recipe.results(self.network, images.to(memory_format=torch.channels_last), strengths)
        losses = []
        for result in results:
            scale = references.shape[-1] // result.shape[-1]
            target = F.avg_pool2d(references, scale) if scale > 1 else references
            # Weighted by pixels: coarse scales have little blur to learn from, and would hold back the finest scale.
            losses.append((result.float() - target).square().mean(dim=(1, 2, 3)).add(1e-8).sqrt().mean() / scale**2)
        descend(torch.stack(losses).sum(), self.optimiser, self.schedule)
        self.average.update_parameters(self.network)
        return {"loss": losses[-1].item()}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Mean PSNR (dB) of the averaged network on one crop of each validation picture, per distortion."""
        if self.validation is None:
            return {}
        scores: dict[str, list[float]] = {}
        for number, photograph in enumerate(_large_enough(self.validation)):
            side = min(VALIDATION_CROP, *(length // SMALLEST * SMALLEST for length in photograph.pixels.shape[:2]))
            for degradation in self.recipe.validation:
                samples = Samples(self.validation, degradation, side)
                scores.setdefault(str(degradation), []).append(
                    self._psnr(samples.of(photograph, np.random.default_rng(number)))
                )
        return {name: float(np.mean(values)) for name, values in scores.items()}

    def _psnr(self, sample: Sample) -> float:
        assert sample.reference is not None
        assert sample.degradation is not None
        strength = self.recipe.strength(sample.degradation, sample.distorted, sample.reference)
        restored = self.restored(sample.distorted[None], torch.tensor([strength]))
        return psnr(restored, sample.reference[None]).item()

    def progress_text(self, row: dict[str, Any]) -> str:
        scores = [f"{row[name]:.2f}" for name in map(str, self.recipe.validation) if name in row]
        return f"loss={row['loss']:.4f} {' '.join(scores)}"

    def publish(self, measured: dict[str, float]) -> None:
        network = self.average.module
        save_weights(network, self.weights, self.recipe.stored)
        atomic_write_text(self.weights.with_suffix(".md"), self._model_card(measured))
        print(f"wrote {self.weights} and its model card")

    def _model_card(self, scores: dict[str, float]) -> str:
        return model_card(
            self.settings.tool,
            self.recipe.network(),
            f"By `hirl train-tools` in {self.seconds / 60:.0f} minutes on {self.device.type}:",
            dataclasses.asdict(self.settings),
            f"PSNR in dB on a crop of at most {VALIDATION_CROP}x{VALIDATION_CROP} of each validation picture, "
            f"{self.settings.precision}:",
            ("distortion", "PSNR"),
            {name: f"{score:.2f}" for name, score in scores.items()} or {"none": ""},
        )


def _average_in(averages: Any, values: Any, count: Any) -> None:
    """Exponential moving average, which forgets faster at the beginning."""
    decay = min(EMA_DECAY, (1 + int(count)) / (10 + int(count)))
    for average, value in zip(averages, values, strict=True):
        average.lerp_(value, 1 - decay)


def _large_enough(photographs: Photographs) -> Iterator[Photograph]:
    """The originals, without distorted versions, that are large enough to measure progress on."""
    for photograph in photographs:
        if photograph.reference is not None and min(photograph.reference.shape[:2]) >= SMALLEST:
            yield dataclasses.replace(photograph, distorted=None)
