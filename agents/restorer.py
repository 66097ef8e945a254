"""Restores whole photographs of any size with an agent, step by step, in bounded memory.

The tools run over overlapping tiles, and the strategies look at a bounded number of pixels; in addition, memory holds a
few copies of the picture itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from hirl_agents.agent import Agent
from hirl_agents.common.tiling import GRID, TILE, tiled
from hirl_agents.loading import load_agent, tools_of
from hirl_agents.masking import Masked, allowed_tools
from hirl_agents.networks import CellValues
from hirl_agents.pricing import priced
from hirl_agents.rollout import Stopping, rollout
from hirl_env.checks import is_count
from hirl_env.config import CROP_SIZE
from hirl_env.data.images import as_batch, to_deep_pixels, to_pixels
from hirl_env.devices import Precision, check_precision
from hirl_env.quality import Measure, measures, psnr
from hirl_env.quality.measure import ScoreFunction
from hirl_env.restoration import Restoration
from hirl_env.reward import check_price
from hirl_env.tools.registry import toolsets
from hirl_env.tools.toolset import Toolset

Pixels = npt.NDArray[np.uint8 | np.uint16]

UNSCORED = Measure("none", lambda images, _: images.new_zeros(len(images)), needs_reference=False)


@dataclass(frozen=True, eq=False)
class RestoredStep:
    """One step of a path.

    Attributes:
        type: Name of the type.
        degree: Degree, from 0 (weak).
        tool: Name of the tool.
        value: Value that the agent predicted for the step, in units of its reward; the largest of all tools.
        image: The picture after the step, in the form of `Restored.image`; None unless steps were asked for.
    """

    type: str
    degree: int
    tool: str
    value: float
    image: Pixels | None = None


@dataclass(frozen=True, eq=False)
class Restored:
    """A restored picture and how it was made.

    Attributes:
        image: Restored picture, of the shape and type of the given one.
        steps: Path, step by step.
        why: Reason why it ended: ``value`` (no tool was worth more than zero, or the first changed nothing visible and
            was taken back), ``reference`` or ``quality`` (the next step did not raise the PSNR, or the measure, and was
            taken back), ``stop`` (the agent chose to) or ``steps`` (``max_steps`` were taken).
        final_value: Value of the best step at the end, which was not taken or was taken back; None after ``steps``.
        psnr_before: PSNR of the given picture in dB; None without a reference.
        psnr_after: PSNR of ``image`` in dB; None without a reference.
        score_before: Score of the given picture by the measure; None unless ``stop="quality"``.
        score_after: Score of ``image`` by the measure; None unless ``stop="quality"``.
    """

    image: Pixels
    steps: tuple[RestoredStep, ...]
    why: str
    final_value: float | None
    psnr_before: float | None = None
    psnr_after: float | None = None
    score_before: float | None = None
    score_after: float | None = None


class Restorer:
    """Restores pictures with an agent and a toolset.

    Args:
        agent: Agent that chooses the tools: a registered name (``hirl``; ``hirl-paper`` or ``flat-dqn`` for the toolset
            ``paper``), a file, or an object (see `hirl_agents.loading.load_agent`). An agent with memory, such as
            RL-Restore's, stays on its device, and whether it fits the toolset is checked at its first step. The values
            of Q-networks are averaged over all rotations and mirror images of a picture.
        toolset: A name, a toolset, or the path of one, as `hirl_env.tools.registry.toolsets` resolves it.
        max_steps: Longest path. Default: that of the agent's training, beyond which its values are unreliable; 7 for a
            function.
        stop: Rule that stops before that: ``value``, as soon as no step is predicted to gain; ``quality``, as soon as a
            step does not raise the measure; ``reference``, as soon as a step does not raise the PSNR; ``steps``, never.
        measure: Blind measure for ``stop="quality"``, in the forms of an environment's ``reward``.
        precision: Precision of the tools; the strategies run in float32.
        device: Device on which tools and strategies run.
        tile: Side of the tiles that the tools run on, a multiple of 16.
        view: Side of the crops that the strategies look at (see `hirl_agents.common.crops.cell_values`). Default: that
            of the images of their training, 64 for a function. They misjudge other sizes: on whole photographs at once,
            the shipped agent predicted gains of 5 dB that were losses.
        only: Names of the tools and types that the agent may use. Default: all.
        without: Names of tools and types that it may not use.
        price: Price of a GFLOP: the gain that it must be predicted to bring. GFLOP are those of a crop of 64x64 pixels,
            so that a price means the same for pictures of any size. 0 for the best quality.
        trust: Whether the agent may be a .zip file of Stable-Baselines3, whose loading runs code that it holds.

    Raises:
        ValueError: If an argument is not one of the above, or the agent was made for another toolset.
    """

    def __init__(
        self,
        agent: str | Path | CellValues | Agent | BaseAlgorithm = "hirl",
        toolset: str | Toolset = "hirl",
        max_steps: int | None = None,
        stop: Stopping = "value",
        measure: str | Measure | ScoreFunction = "hirl-biqa",
        precision: Precision = "float32",
        device: str | torch.device = "cpu",
        tile: int = TILE,
        view: int | None = None,
        only: Collection[str] = (),
        without: Collection[str] = (),
        price: float = 0.0,
        trust: bool = False,
    ) -> None:
        if max_steps is not None and not is_count(max_steps):
            raise ValueError(f"max_steps must be at least 1, got {max_steps!r}")
        if stop not in get_args(Stopping):
            raise ValueError(f"unknown stop {stop!r}; known are: {', '.join(get_args(Stopping))}")
        if view is not None and not (is_count(view) and view >= GRID):
            raise ValueError(f"view must be at least {GRID} pixels, got {view!r}")
        check_precision(precision)
        check_price(price)
        self.measure = UNSCORED
        if stop == "reference":
            self.measure = measures.resolve("psnr")
        elif stop == "quality":
            self.measure = measures.resolve(measure)
            if self.measure.needs_reference:
                raise ValueError(
                    f"stop='quality' is for pictures without a reference, and {self.measure.name!r} needs one; "
                    "use a blind measure, or stop='reference'"
                )
        self.stop, self.precision = stop, precision
        self.toolset = tiled(toolsets.resolve(toolset).to(device), tile)
        self.agent = load_agent(agent, self.toolset, view, trust)
        self.toolset = tools_of(self.agent, self.toolset, tile)
        # Counted now, because it runs every tool once, which would look like steps of the first picture.
        self.costs = self.toolset.costs
        self.agent = priced(self.agent, price, CROP_SIZE, preview=stop == "value")
        if only or without:
            self.agent = Masked(self.agent, allowed_tools(self.toolset, only, without))
        self.max_steps = self.agent.max_steps if max_steps is None else int(max_steps)

    def restore(self, image: Pixels, reference: Pixels | None = None, keep_steps: bool = False) -> Restored:
        """Restores one picture.

        A grey picture is processed as three equal channels, whose mean is returned.

        Args:
            image: Picture, uint8 or uint16, (H, W, 3) in RGB or (H, W) grey, of any size.
            reference: The clean original of the same shape, if known: for the PSNR, and for ``stop="reference"``.
            keep_steps: Whether to return the picture after each step as well.

        Raises:
            ValueError: If a picture has another shape or type, ``stop="reference"`` has no reference, or the agent's
                values do not fit the toolset.
        """
        image = _checked_pixels("image", image)
        if reference is not None:
            reference = _checked_pixels("reference", reference)
            if reference.shape != image.shape:
                raise ValueError(
                    f"image and reference must be of one shape, got {tuple(image.shape)} and {tuple(reference.shape)}"
                )
        elif self.stop == "reference":
            raise ValueError("stop='reference' needs the reference: give restore() one, or use stop='value'")

        start = Restoration(self.toolset, self.measure, precision=self.precision)
        start.begin(as_batch(image), None if reference is None else as_batch(reference))
        pictures: list[Pixels | None] = []

        def keep(restoration: Restoration) -> None:
            pictures.append(as_given(restoration.state.images, image))

        result = rollout(start, self.agent, self.max_steps, self.stop, keep if keep_steps else None)
        state, path, values = result.state, result.state.paths[0], result.values[0]
        picture = as_given(state.images, image)
        # There may be one more value, of a step that was not taken or was taken back.
        steps = tuple(
            RestoredStep(self.toolset.types[kind], degree, self.toolset[kind, degree].name, value, after)
            for (kind, degree), value, after in zip(path, values, pictures or [None] * len(path), strict=False)
        )
        return Restored(
            image=picture,
            steps=steps,
            why=result.why[0],
            final_value=values[len(path)] if len(values) > len(path) else None,
            psnr_before=None if reference is None else _decibels(image, reference),
            psnr_after=None if reference is None else _decibels(picture, reference),
            score_before=float(state.first_scores[0]) if self.stop == "quality" else None,
            score_after=float(state.scores[0]) if self.stop == "quality" else None,
        )


def _checked_pixels(name: str, pixels: Pixels) -> Pixels:
    """The pixels in this machine's order of bytes, in which files need not have them; raises ValueError if invalid."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        got = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise ValueError(f"{name} must be a numpy array of uint8 or uint16, got {got}")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or 0 in pixels.shape:
        raise ValueError(f"{name} must have the shape (H, W, 3) or (H, W), got {pixels.shape}")
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def as_given(images: torch.Tensor, like: Pixels) -> Pixels:
    """(1, 3, H, W) to the shape and type of ``like``."""
    convert = to_pixels if like.dtype == np.uint8 else to_deep_pixels
    if like.ndim == 3:
        return convert(images[0])
    return np.ascontiguousarray(convert(images.mean(dim=1, keepdim=True)[0])[..., 0])


def _decibels(pixels: Pixels, reference: Pixels) -> float:
    return float(psnr(as_batch(pixels), as_batch(reference))[0])
