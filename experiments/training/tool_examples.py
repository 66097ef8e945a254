"""Examples that a tool's network learns from: distorted patches, and patches that tools have already processed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hirl_agents.networks import turned
from hirl_env.data.degradations import Degradation, degradations
from hirl_env.data.images import rgb_to_grey
from hirl_env.data.photographs import Photographs
from hirl_env.data.samples import Samples
from hirl_env.tools.registry import toolsets
from hirl_experiments.training.tool_recipe import ToolRecipe, error
from hirl_experiments.training.tool_settings import ToolSettings

DRAWN_TOOLS = 3
LEFTOVERS = 1024  # stored for reuse, because making one costs more than learning from it
FRESH = 0.1  # share of leftover examples that is made anew
ITSELF = 0.3  # share of new leftovers that the network itself has processed
ATTEMPTS = 1000  # to draw a patch with at least the error that a recipe asks for
GREY_SHARE = 0.05  # of examples, so that a tool does not colour what is grey
_LIGHT = degradations.resolve("light")

Example = tuple[torch.Tensor, torch.Tensor, float]  # distorted image, reference, strength
Restore = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of images (N, 3, H, W) and strengths (N,)


class ToolExamples:
    """Draws training examples: (distorted or half-restored patch, reference patch, strength of the distortion).

    Args:
        photographs: Clean photographs.
        recipe: Recipe of the network that is trained.
        settings: Shares of the kinds of examples, sides of the patches.
        itself: Function that restores images with the current weights of the trained network.
    """

    def __init__(self, photographs: Photographs, recipe: ToolRecipe, settings: ToolSettings, itself: Restore) -> None:
        self.photographs, self.recipe, self.settings, self.itself = photographs, recipe, settings, itself
        self.leftovers: dict[int, deque[Example]] = {side: deque(maxlen=LEFTOVERS) for side in settings.patch}
        if settings.leftover_share:
            self.toolset = toolsets.resolve(settings.toolset)

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch: two images (N, 3, side, side), and (N,) strengths, 0 for a network that takes none."""
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
        return self._hybrid(side, rng)

    def _hybrid(self, side: int, rng: np.random.Generator) -> Example:
        """A distorted patch with at least the error that the recipe asks for.

        Raises:
            ValueError: If many attempts find none, as with photographs that are flat.
        """
        for _ in range(ATTEMPTS):
            image, reference, strength = self._distorted(self.recipe.hybrid.draw(rng), side, rng)
            if error(image, reference) >= self.recipe.least_error:
                return image, reference, strength
        raise ValueError(
            f"{self.photographs.name}: none of {ATTEMPTS} patches could be distorted as much as the recipe asks; "
            "choose photographs with more detail"
        )

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
        """The strength given to a conditional network: the true one, perturbed by as much as an agent may err."""
        if self.recipe.condition is None:
            return 0.0
        truth = self.recipe.strength(degradation, image, reference)
        return truth * float(np.exp(rng.uniform(-self.recipe.erring, self.recipe.erring)))

    def _exaggerated(self, strength: float, rng: np.random.Generator) -> float:
        return float(rng.uniform(strength, max(strength, self.recipe.strongest)))

    def state_dict(self) -> dict[str, Any]:
        """The leftovers in memory."""
        return {"leftovers": {side: list(kept) for side, kept in self.leftovers.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores saved leftovers."""
        for side, kept in state_dict["leftovers"].items():
            self.leftovers[side].extend(kept)

    def _leftover(self, side: int, rng: np.random.Generator) -> Example:
        """A half-restored patch, new or from memory; one from memory is rotated again."""
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
        # No more can be left than there was.
        example = image, reference, min(left, strength * float(rng.uniform(0, 1)))
        kept.append(example)
        return example

    def _half_restored(self, image: torch.Tensor, reference: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """An image after one or two steps of a fair agent, which takes the best of a few randomly drawn tools."""
        cells = self.toolset.cells
        for _ in range(rng.integers(1, 3)):
            drawn = rng.choice(len(cells), size=min(DRAWN_TOOLS, len(cells)), replace=False)
            tried = [self.toolset.apply(image[None], cells[index], self.settings.precision)[0] for index in drawn]
            image = min(tried, key=lambda result: (result - reference).square().mean().item())
        return image
