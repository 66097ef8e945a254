"""`hirl train-tools`: trains the networks of the toolset on a folder of photographs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from torch.optim.swa_utils import AveragedModel

from hirl_agents.common.optimisers import MuonAndAdam
from hirl_agents.networks import turned
from hirl_env.data.degradations import Degradation, degradations
from hirl_env.data.images import rgb_to_grey, to_tensor
from hirl_env.data.photographs import Photographs, image_sources
from hirl_env.data.samples import Samples
from hirl_env.devices import Precision, available_device
from hirl_env.files import atomic_write_text
from hirl_env.quality import psnr
from hirl_env.tools.known import toolsets
from hirl_env.weights import load_weights, save_weights
from hirl_experiments.io.output import at_least
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.loop import Stateful, Training
from hirl_experiments.training.optimisers import descend, rise_and_fall
from hirl_experiments.training.tool_recipes import RECIPES, ToolRecipe, run_network

EMA_DECAY = 0.998
VALIDATION_CROP = 128
SMALLEST = 16  # pixels: SRN works on multiples of it
DRAWN_TOOLS = 3
LEFTOVERS = 1024  # kept, to be learned from again: to make one costs more than to learn from it
FRESH = 0.1  # share of them that is made anew
ITSELF = 0.3  # share of these that the network itself has been at
GREY_SHARE = 0.05  # of examples, so that a tool does not colour what is grey
ERRING = 0.25  # an agent takes a strength for up to that much (of its logarithm) more or less
_LIGHT = degradations.resolve("light")
# The keys of RECIPES, spelt out for --help.
ToolName = Literal[
    "hirl-denoise",
    "hirl-dejpeg-80",
    "hirl-dejpeg-50",
    "hirl-dejpeg-28",
    "hirl-dejpeg-14",
    "hirl-deblur",
    "hirl-restore",
    "ffdnet",
    "fast-arcnn-30",
    "fast-arcnn-20",
    "fast-arcnn-10",
    "srcnn",
    "srn",
    "rl-restore-1",
    "rl-restore-2",
    "rl-restore-3",
    "rl-restore-4",
    "rl-restore-5",
    "rl-restore-6",
    "rl-restore-7",
    "rl-restore-8",
    "rl-restore-9",
    "rl-restore-10",
    "rl-restore-11",
    "rl-restore-12",
]


@dataclass(frozen=True)
class Settings:
    """How to train; saved with the run, and a resumed run must have the same.

    Args:
        tool: Network to train: hirl-* of the toolset hirl, ffdnet to srn of the toolset paper; rl-restore-1 to
            rl-restore-12, all in one --out, are RL-Restore's tools, and that folder is a --toolset.
        images: Photographs to train on: a folder, or the name of a data set.
        validate: Photographs to measure progress on (never trained on). Default: none, and no validation.
        steps: Length of the training; the learning rate falls linearly to zero over it.
        batch: Number of patches in a step, of the smallest side; of larger ones as many as have no more pixels.
        patch: Sides of patches in pixels, multiples of 16; each step draws one of them. A network that sees far, as
            SRN, learns the borders of 64 alone and is then of little use for whole photographs: give it 64 128.
        lr: Learning rate of Muon (kernels); Adam (biases and the rest) has a twentieth of it. Default: the recipe's.
        own_share: Share of examples with the tool's own distortion alone; the rest is hybrid.
        light_share: Share of the examples that need nothing or next to nothing, half of which a conditional network
            takes for strongly distorted.
        leftover_share: Share of the hybrid examples that tools, the one that is trained among them, have been at
            before.
        toolset: Toolset of these tools.
        precision: Precision of the convolutions; bf16 is about three times faster where the processor has it.
        seed: Seed of everything random.
        start_from: Weights to start from instead of random ones.

    Raises:
        ValueError: If one is out of range.
    """

    tool: Annotated[ToolName, tyro.conf.Positional]
    images: str
    validate: str | None = None
    steps: int = 20_000
    batch: int = 16
    patch: tuple[int, ...] = (64,)
    lr: float | None = None
    own_share: float = 0.7
    light_share: float = 0.0
    leftover_share: float = 0.0
    toolset: str = "hirl"
    precision: Precision = "float32"
    seed: int = 0
    start_from: str | None = None

    def __post_init__(self) -> None:
        if self.lr is None:
            object.__setattr__(self, "lr", RECIPES[self.tool].lr)
        if not self.patch or any(side < SMALLEST or side % SMALLEST for side in self.patch):
            raise ValueError(f"--patch must be multiples of {SMALLEST}, got {' '.join(map(str, self.patch)) or 'none'}")
        at_least(1, steps=self.steps, batch=self.batch)
        at_least(0, seed=self.seed)
        for option, share in {
            "own-share": self.own_share,
            "light-share": self.light_share,
            "leftover-share": self.leftover_share,
        }.items():
            if not 0 <= share <= 1:
                raise ValueError(f"--{option} must lie in 0 to 1, got {share}")


def _average_in(averages: Any, values: Any, count: Any) -> None:
    """Exponential moving average, which forgets faster while it is young."""
    decay = min(EMA_DECAY, (1 + int(count)) / (10 + int(count)))
    for average, value in zip(averages, values, strict=True):
        average.lerp_(value, 1 - decay)


Example = tuple[torch.Tensor, torch.Tensor, float]  # distorted image, reference, strength
Restore = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of images (N, 3, H, W) and strengths (N,)


class Examples:
    """Draws training examples: (distorted or half-restored patch, reference patch, strength of the distortion).

    Args:
        photographs: Clean photographs.
        recipe: Recipe of the network that is trained.
        settings: Shares of the kinds of examples, sides of the patches.
        itself: Function that restores images as the network does that is trained, by now.
    """

    def __init__(self, photographs: Photographs, recipe: ToolRecipe, settings: Settings, itself: Restore) -> None:
        self.photographs, self.recipe, self.settings, self.itself = photographs, recipe, settings, itself
        self.leftovers: dict[int, deque[Example]] = {side: deque(maxlen=LEFTOVERS) for side in settings.patch}
        if settings.leftover_share:
            self.toolset = toolsets.resolve(settings.toolset)

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch: two images (N, 3, side, side), and (N,) strengths, 0 for a network that is given none."""
        side = int(rng.choice(self.settings.patch))
        count = max(1, self.settings.batch * min(self.settings.patch) ** 2 // side**2)
        images, references, strengths = zip(*(self._example(side, rng) for _ in range(count)), strict=True)
        return torch.stack(images), torch.stack(references), torch.tensor(strengths, dtype=torch.float32)

    def _example(self, side: int, rng: np.random.Generator) -> Example:
        kind = rng.random()
        if kind < self.settings.light_share:
            distorted, reference, strength = self._distorted(_LIGHT.draw(rng), side, rng)
            return distorted, reference, self._exaggerated(strength, rng) if rng.random() < 0.5 else strength
        if rng.random() < self.settings.own_share:
            return self._distorted(self.recipe.own(rng), side, rng)
        if rng.random() < self.settings.leftover_share:
            return self._leftover(side, rng)
        return self._distorted(self.recipe.hybrid.draw(rng), side, rng)

    def _distorted(self, degradation: Degradation, side: int, rng: np.random.Generator) -> Example:
        sample = Samples(self.photographs, degradation, side).draw(rng)
        if sample.reference is None:
            raise ValueError(f"{self.photographs.name}: {sample.name} has no reference; choose clean photographs")
        pair = torch.stack([sample.distorted, sample.reference])
        if rng.random() < GREY_SHARE:
            pair = rgb_to_grey(pair)
        distorted, reference = turned(pair, int(rng.integers(4)), bool(rng.integers(2)))
        return distorted, reference, self._strength(degradation, distorted, reference, rng)

    def _strength(
        self, degradation: Degradation, image: torch.Tensor, reference: torch.Tensor, rng: np.random.Generator
    ) -> float:
        """What a conditional network is given: the truth, give or take what an agent may err."""
        if self.recipe.condition is None:
            return 0.0
        error = 255 * (image - reference).square().mean().sqrt().item()
        return self.recipe.condition(degradation, error) * float(np.exp(rng.uniform(-ERRING, ERRING)))

    def _exaggerated(self, strength: float, rng: np.random.Generator) -> float:
        return float(rng.uniform(strength, max(strength, self.recipe.strongest)))

    def state_dict(self) -> dict[str, Any]:
        """The leftovers in memory."""
        return {"leftovers": {side: list(kept) for side, kept in self.leftovers.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with them."""
        for side, kept in state_dict["leftovers"].items():
            self.leftovers[side].extend(kept)

    def _leftover(self, side: int, rng: np.random.Generator) -> Example:
        """A half-restored patch, new or from memory; one from memory is turned anew."""
        kept = self.leftovers[side]
        if kept and rng.random() >= FRESH:
            image, reference, strength = kept[rng.integers(len(kept))]
            image, reference = turned(torch.stack([image, reference]), int(rng.integers(4)), bool(rng.integers(2)))
            return image, reference, strength
        degradation = self.recipe.hybrid.draw(rng)
        distorted, reference, strength = self._distorted(degradation, side, rng)
        if rng.random() < ITSELF:
            image = self.itself(distorted[None], torch.tensor([strength]))[0]
        else:
            image = self._half_restored(distorted, reference, rng)
        left = self._strength(degradation, image, reference, rng)
        # What was there is the most that can be left.
        example = image, reference, min(left, strength * float(rng.uniform(0, 1)))
        kept.append(example)
        return example

    def _half_restored(self, image: torch.Tensor, reference: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """What a fair agent leaves after one or two steps: of a few tools drawn, the one that helps most is taken."""
        cells = self.toolset.cells
        for _ in range(rng.integers(1, 3)):
            drawn = rng.choice(len(cells), size=DRAWN_TOOLS, replace=False)
            tried = [self.toolset.apply(image[None], cells[index], self.settings.precision)[0] for index in drawn]
            image = min(tried, key=lambda result: (result - reference).square().mean().item())
        return image


def train_tools(
    settings: Annotated[Settings, tyro.conf.arg(name="")],
    out: Path,
    device: str = "cpu",
    threads: int | None = None,
    every: int = 500,
    wandb: bool = False,
) -> None:
    """Train one network of the toolset on a folder of photographs.

    Stop it with Ctrl-C and run the same command again: it goes on where it was. Writes TOOL.safetensors, its model
    card TOOL.md and a log TOOL.csv to --out.

    Args:
        settings: Settings of the training.
        out: Folder for the weights, the model card, the log and the checkpoint.
        device: Device to compute on: cpu, cuda, cuda:1, mps, or auto.
        threads: Number of processor threads. Default: all.
        every: Steps between log lines and checkpoints.
        wandb: Whether to log to Weights & Biases, too (honours WANDB_MODE).
    """
    at_least(1, every=every, threads=threads)
    if threads is not None:
        torch.set_num_threads(threads)
    Trainer(settings, out, available_device(device)).run(every, wandb)


def _centres(photographs: Photographs) -> list[torch.Tensor]:
    """The centres (3, side, side) of the originals that are large enough to measure progress on.

    Raises:
        ValueError: If there are none.
    """
    centres = []
    for photograph in photographs:
        if photograph.reference is None or min(photograph.reference.shape[:2]) < SMALLEST:
            continue
        height, width = photograph.reference.shape[:2]
        side = min(VALIDATION_CROP, height // SMALLEST * SMALLEST, width // SMALLEST * SMALLEST)
        top, left = (height - side) // 2, (width - side) // 2
        centres.append(to_tensor(photograph.reference[top : top + side, left : left + side]))
    if not centres:
        raise ValueError(f"{photographs.name}: no clean photograph of {SMALLEST} pixels or more to validate on")
    return centres


class Trainer(Training):
    """One training run of a network of the toolset; what is validated and published is its average over steps."""

    project = "hirl-tools"

    def __init__(self, settings: Settings, out: Path, device: torch.device) -> None:
        super().__init__(settings.tool, settings, out, device, settings.steps)
        self.recipe = RECIPES[settings.tool]
        self.validation = [] if settings.validate is None else _centres(image_sources.resolve(settings.validate))
        network = self.recipe.network()
        if settings.start_from is not None:
            load_weights(network, settings.start_from)
        self.network = network.to(device)
        self.average = AveragedModel(self.network, multi_avg_fn=_average_in)
        self.examples = Examples(image_sources.resolve(settings.images), self.recipe, settings, self.restored)
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
        """What the averaged network makes of images (N, 3, H, W), of strengths (N,); on the CPU."""
        with self._autocast():
            results = run_network(self.average.module, images.to(self.device), strengths.to(self.device))
        return results[-1].float().clamp(0, 1).cpu()

    def train_step(self) -> dict[str, float]:
        """One step of the optimiser; the loss is the root mean square error per image."""
        images, references, strengths = (part.to(self.device) for part in self.examples.batch(self.rng))
        with self._autocast():
            results = run_network(self.network, images.to(memory_format=torch.channels_last), strengths)
        losses = []
        for result in results:
            scale = references.shape[-1] // result.shape[-1]
            target = F.avg_pool2d(references, scale) if scale > 1 else references
            # Weighted by its pixels: coarse scales have little blur to learn from, and would hold the finest back.
            losses.append((result.float() - target).square().mean(dim=(1, 2, 3)).add(1e-8).sqrt().mean() / scale**2)
        descend(torch.stack(losses).sum(), self.optimiser, self.schedule)
        self.average.update_parameters(self.network)
        return {"loss": losses[-1].item()}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Mean PSNR (dB) of the averaged network on the centre of each validation picture, per distortion."""
        scores: dict[str, list[float]] = {}
        for reference in self.validation:
            for degradation in self.recipe.validation:
                distorted = degradation(reference, np.random.default_rng(0))
                strength = 0.0
                if self.recipe.condition is not None:
                    error = 255 * (distorted - reference).square().mean().sqrt().item()
                    strength = self.recipe.condition(degradation, error)
                restored = self.restored(distorted[None], torch.tensor([strength]))
                scores.setdefault(str(degradation), []).append(psnr(restored, reference[None]).item())
        return {name: float(np.mean(values)) for name, values in scores.items()}

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
            f"PSNR in dB on the centre {VALIDATION_CROP}x{VALIDATION_CROP} of each validation picture, "
            f"{self.settings.precision}:",
            ("distortion", "PSNR"),
            {name: f"{score:.2f}" for name, score in scores.items()} or {"none": ""},
        )
