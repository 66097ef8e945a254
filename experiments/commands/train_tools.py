"""`hirl train-tools`: trains the networks of the toolset on a folder of photographs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import tyro
from torch.optim.swa_utils import AveragedModel

from hirl_agents.networks import turned
from hirl_env.data.degradations import NOISE_SIGMAS
from hirl_env.data.images import crop_at_random, to_tensor
from hirl_env.data.photographs import Photographs, open_photographs
from hirl_env.files import atomic_write_text
from hirl_env.quality import psnr
from hirl_env.tools.toolset import Precision, available_device, toolsets
from hirl_env.weights import load_weights, save_weights
from hirl_experiments.io.output import at_least
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.loop import Stateful, Training
from hirl_experiments.training.optimisers import MuonAndAdam, flatten_kernels, unflatten_kernels
from hirl_experiments.training.tool_recipes import RECIPES, ToolRecipe, noise_level, run_network

EMA_DECAY = 0.998
VALIDATION_CROP = 128
SMALLEST = 16  # pixels: SRN works on multiples of it
DRAWN_TOOLS = 3
LEFTOVERS = 512  # kept, to be learned from again: to make one costs more than to learn from it
FRESH = 0.25  # share of them that is made anew
# The keys of RECIPES, spelt out for --help.
ToolName = Literal[
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
        tool: Which network. FFDNet serves the three degrees of denoising, the others one cell each; rl-restore-1 to
            rl-restore-12, all in one --out, are RL-Restore's tools, and that folder is a --toolset.
        images: Photographs to train on: a folder, or the name of a data set.
        validate: Photographs to measure progress on (never trained on). Default: none, and no validation.
        steps: Length of the training; the learning rate falls linearly to zero over it.
        batch: Patches a step, of the smallest side; of larger ones as many as have no more pixels.
        patch: Sides of patches in pixels, multiples of 16; each step draws one of them. A network that sees far, as
            SRN, learns the borders of 64 alone and is then of little use for whole photographs: give it 64 128.
        lr: Learning rate of Muon (kernels); Adam (biases and the rest) has a twentieth of it. Default: the recipe's.
        own_share: Share of examples with the tool's own distortion alone; the rest is hybrid.
        leftover_share: Share of the hybrid examples that other tools of the toolset have been at before.
        precision: bf16 is about three times faster where the processor has it.
        seed: Of everything random.
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
    leftover_share: float = 0.0
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
        for option, share in {"own-share": self.own_share, "leftover-share": self.leftover_share}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"--{option} must lie in 0 to 1, got {share}")


def _average_in(averages: Any, values: Any, count: Any) -> None:
    """Exponential moving average, which forgets faster while it is young."""
    decay = min(EMA_DECAY, (1 + int(count)) / (10 + int(count)))
    for average, value in zip(averages, values, strict=True):
        average.lerp_(value, 1 - decay)


class Examples:
    """Draws training examples: (distorted or half-restored patch, reference patch, noise level)."""

    def __init__(self, photographs: Photographs, recipe: ToolRecipe, settings: Settings) -> None:
        self.photographs, self.recipe, self.settings = photographs, recipe, settings
        self.leftovers: dict[int, deque[tuple[torch.Tensor, torch.Tensor]]] = {
            side: deque(maxlen=LEFTOVERS) for side in settings.patch
        }
        if settings.leftover_share:
            self.toolset = toolsets.resolve("hirl")

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch: two images (N, 3, side, side), and (N,) noise levels of 255."""
        inputs, references, sigmas = [], [], []
        side = int(rng.choice(self.settings.patch))
        for _ in range(max(1, self.settings.batch * min(self.settings.patch) ** 2 // side**2)):
            own = rng.random() < self.settings.own_share
            if not own and rng.random() < self.settings.leftover_share:
                distorted, reference = self._leftover(side, rng)
                sigma = float(NOISE_SIGMAS[0])  # little noise is left by then, and there is no lower map
            else:
                reference = self._patch(side, rng)
                degradation = self.recipe.own(rng) if own else self.recipe.hybrid.draw(rng)
                # Only FFDNet looks at it; of its own noise it is told the truth, whatever the strength.
                sigma = degradation.strength if own else noise_level(degradation)
                distorted = degradation(reference, rng)
            inputs.append(distorted)
            references.append(reference)
            sigmas.append(sigma)
        return torch.stack(inputs), torch.stack(references), torch.tensor(sigmas)

    def state_dict(self) -> dict[str, Any]:
        """The leftovers in memory."""
        return {"leftovers": {side: list(kept) for side, kept in self.leftovers.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with them."""
        for side, kept in state_dict["leftovers"].items():
            self.leftovers[side].extend(kept)

    def _patch(self, side: int, rng: np.random.Generator) -> torch.Tensor:
        """A patch of a photograph, (3, side, side), turned and mirrored at random."""
        pixels = self._photograph(side, rng)
        patch = pixels[crop_at_random(pixels, side, rng)]
        return to_tensor(np.rot90(patch[:, :: rng.choice((1, -1))], int(rng.integers(4))))

    def _photograph(self, side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """One that a patch fits into; a folder of all sizes need not be sorted first."""
        photograph = self.photographs.draw(rng, side)
        if photograph.reference is None:
            raise ValueError(f"{self.photographs.name}: {photograph.name} has no reference; choose clean photographs")
        return photograph.reference

    def _leftover(self, side: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A half-restored patch and its reference, new or from memory; one from memory is turned anew."""
        kept = self.leftovers[side]
        if kept and rng.random() >= FRESH:
            pair = torch.stack(kept[rng.integers(len(kept))])
            distorted, reference = turned(pair, int(rng.integers(4)), bool(rng.integers(2)))
            return distorted, reference
        reference = self._patch(side, rng)
        distorted = self._half_restored(self.recipe.hybrid.draw(rng)(reference, rng), reference, rng)
        kept.append((distorted, reference))
        return distorted, reference

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
        settings: How to train.
        out: Folder for the weights, the model card, the log and the checkpoint.
        device: Where to compute: cpu, cuda, cuda:1, mps.
        threads: Processor threads. Default: all.
        every: Steps between log lines and checkpoints.
        wandb: Also log to Weights & Biases (honours WANDB_MODE).
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
        self.validation = [] if settings.validate is None else _centres(open_photographs(settings.validate))
        self.examples = Examples(open_photographs(settings.images), self.recipe, settings)
        network = self.recipe.network()
        if settings.start_from is not None:
            load_weights(network, settings.start_from)
        flatten_kernels(network)
        self.network = network.to(device)
        self.average = AveragedModel(self.network, multi_avg_fn=_average_in)
        assert settings.lr is not None
        self.optimiser = MuonAndAdam(self.network, settings.lr, settings.steps)
        self.resume()

    def parts(self) -> dict[str, Stateful]:
        return {
            "network": self.network,
            "average": self.average,
            "optimiser": self.optimiser,
            "examples": self.examples,
        }

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    def train_step(self) -> dict[str, float]:
        """One step of the optimisers; the loss is the root mean square error per image."""
        images, references, sigmas = (part.to(self.device) for part in self.examples.batch(self.rng))
        with self._autocast():
            results = run_network(self.network, images.to(memory_format=torch.channels_last), sigmas)
        losses = []
        for result in results:
            scale = references.shape[-1] // result.shape[-1]
            target = F.avg_pool2d(references, scale) if scale > 1 else references
            # Weighted by its pixels: coarse scales have little blur to learn from, and would hold the finest back.
            losses.append((result.float() - target).square().mean(dim=(1, 2, 3)).add(1e-8).sqrt().mean() / scale**2)
        self.optimiser.descend(torch.stack(losses).sum())
        self.average.update_parameters(self.network)
        return {"loss": losses[-1].item()}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Mean PSNR (dB) of the averaged network on the centre of each validation picture, per distortion."""
        scores: dict[str, list[float]] = {}
        for reference in self.validation:
            for degradation in self.recipe.validation:
                distorted = degradation(reference, np.random.default_rng(0))[None].to(self.device)
                sigma = torch.tensor([noise_level(degradation)], device=self.device)
                with self._autocast():
                    restored = run_network(self.average.module, distorted, sigma)[-1]
                restored = restored.float().clamp(0, 1).cpu()
                scores.setdefault(str(degradation), []).append(psnr(restored, reference[None]).item())
        return {name: float(np.mean(values)) for name, values in scores.items()}

    def glance(self, row: dict[str, Any]) -> str:
        scores = [f"{row[name]:.2f}" for name in map(str, self.recipe.validation) if name in row]
        return f"loss={row['loss']:.4f} {' '.join(scores)}"

    def publish(self, measured: dict[str, float]) -> None:
        network = self.average.module
        unflatten_kernels(network)
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
