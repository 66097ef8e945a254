"""Settings of the training of a tool's network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from hirl_env.devices import Precision
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.training.tool_recipes import tool_recipes

SMALLEST = 16  # pixels: SRN works on multiples of it


@dataclass(frozen=True)
class ToolSettings:
    """Settings of the training; they are saved with the run, and a resumed run must have the same.

    Args:
        tool: Network to train. Of the toolset hirl: hirl-denoise, hirl-dejpeg-80, -50, -28 or -14, hirl-deblur,
            hirl-restore, hirl-restore-strong. Of the toolset paper: ffdnet, fast-arcnn-30, -20 or -10, srcnn, srn.
            RL-Restore's tools: rl-restore-1 to rl-restore-12; all in one --out, that folder is a --toolset. Or one
            that a plugin registers.
        images: Photographs to train on: a folder, or the name of a data set.
        validate: Photographs to measure progress on (never trained on). Default: none, and no validation.
        steps: Length of the training; the learning rate falls linearly to zero over it.
        batch: Number of patches in a step for the smallest side; for larger sides as many as have no more pixels.
        patch: Sides of patches in pixels, multiples of 16; each step draws one of them. A network with a large
            receptive field, such as SRN, overfits to the borders of patches of 64 alone, and then does poorly on whole
            photographs: give it 64 128.
        lr: Learning rate of Muon (kernels); Adam (biases and the rest) has a twentieth of it. Default: the recipe's.
        own_share: Share of examples with the tool's own distortion alone; the rest is hybrid.
        light_share: Share of the examples that need little or no restoration; for half of these a conditional network
            is given a large strength.
        leftover_share: Share of the hybrid examples that tools, including the trained one, have already processed.
        toolset: Toolset of these tools.
        precision: Precision of the convolutions; bf16 is about three times faster if the processor has it.
        seed: Seed of everything random.
        start_from: Weights to start from instead of random ones.

    Raises:
        ValueError: If one is out of range.
    """

    tool: Annotated[str, tyro.conf.Positional]
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
            object.__setattr__(self, "lr", tool_recipes.resolve(self.tool).lr)
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
