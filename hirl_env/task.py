"""The task that both environments wrap, and how it is opened from their configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch

from hirl_env.arrays import Indices
from hirl_env.config import EnvConfig
from hirl_env.data.degradations import degradations
from hirl_env.data.images import to_pixels, to_tensor
from hirl_env.data.photographs import image_sources
from hirl_env.data.samples import Sample, Samples, SampleSource, stacked
from hirl_env.infos import Infos
from hirl_env.masks import ActionMasks
from hirl_env.restoration import Outcome, Restoration, Rules
from hirl_env.reward import rewards
from hirl_env.tools.registry import toolsets

MOST_TOOLS = 255  # as many as one 8-bit channel can distinguish, with 0 for none


def rules_of(config: EnvConfig, max_episode_steps: int | None = None) -> Rules:
    """The rules that end an episode of a configuration, with a further bound on its steps as in `open_task`.

    Raises:
        ValueError: If a value is out of range.
    """
    rules = Rules(config.max_steps, config.stop, config.stop_action)
    if max_episode_steps is None or max_episode_steps == -1:
        return rules
    if max_episode_steps < 1:
        raise ValueError(f"max_episode_steps must be at least 1, or None for no bound; got {max_episode_steps}")
    most = min(config.max_steps or max_episode_steps, max_episode_steps)
    return replace(rules, max_steps=most, time_limit=max_episode_steps)


@dataclass(frozen=True)
class TaskSummary:
    """What an agent has to know of a task before it learns: numbers alone, which can be sent between processes.

    Attributes:
        crop_size: Side of the square that an episode restores, in pixels; None for whole pictures.
        channels: Number of channels of observations.
        stop_action: Whether there is an action STOP.
        max_steps: Number of steps after which an episode is truncated; None for no bound. A TimeLimit around the
            environment is not known here.
    """

    crop_size: int | None
    channels: int
    stop_action: bool
    max_steps: int | None


class Task:
    """Restoring images from one source with one toolset, for one reward: both environments wrap this.

    Args:
        config: Configuration of the environment.
        samples: Source of the samples that episodes begin with.
        restoration: Restoration that steps the images.
        infos: Infos about the restoration.

    Raises:
        ValueError: If ``observe_tool`` is set and the toolset has too many tools for it.
    """

    def __init__(self, config: EnvConfig, samples: SampleSource, restoration: Restoration, infos: Infos) -> None:
        self.config, self.samples, self.restoration, self.infos = config, samples, restoration, infos
        self.toolset, self.measure = restoration.toolset, restoration.measure
        if config.observe_tool and len(self.toolset.cells) > MOST_TOOLS:
            raise ValueError(
                f"observe_tool counts to {MOST_TOOLS}, and the toolset has {len(self.toolset.cells)} tools"
            )
        self.masks = ActionMasks(restoration, config.mask_useless)

    @property
    def summary(self) -> TaskSummary:
        """What an agent has to know before it learns."""
        rules = self.restoration.rules
        return TaskSummary(self.config.crop_size, self.config.channels, rules.stop_action, rules.max_steps)

    @cached_property
    def action_space(self) -> gym.spaces.Space[Any]:
        """MultiDiscrete([types, degrees]), or Discrete if flat; STOP adds one type, or one action."""
        types, degrees = self.toolset.n_types, self.toolset.n_degrees
        if self.config.flat:
            return gym.spaces.Discrete(types * degrees + self.restoration.rules.stop_action)
        return gym.spaces.MultiDiscrete([types + self.restoration.rules.stop_action, degrees])

    def observation_space(self, height: int, width: int) -> gym.spaces.Box:
        """8-bit RGB of one size, with more channels for ``observe_start`` and ``observe_tool``."""
        return gym.spaces.Box(0, 255, (height, width, self.config.channels), np.uint8)

    def begin(self, samples: Sequence[Sample], rows: Indices) -> None:
        """Begins episodes.

        Args:
            samples: Samples that they begin with, one for each row.
            rows: Rows of the images that they replace, (n,); all rows if there are no images yet.
        """
        everything = len(self.restoration.state) in (0, len(rows))
        self.restoration.begin(*stacked(samples), None if everything else rows)
        self.infos.begin(samples, rows)
        self.masks.begin(rows)

    def step(self, actions: npt.ArrayLike, rows: Indices) -> Outcome:
        """Steps some images with actions of the action space, (n, 2) or (n,), as `Restoration.step` does."""
        pairs = self._pairs(actions)
        outcome = self.restoration.step(pairs, rows, self.config.full_feedback)
        self.infos.step(outcome, rows)
        self.masks.step(pairs, outcome, rows)
        return outcome

    def _pairs(self, actions: npt.ArrayLike) -> npt.NDArray[Any]:
        """Actions as (type, degree) pairs (n, 2); a flat STOP is (types, 0)."""
        array = np.asarray(actions)
        if not isinstance(self.action_space, gym.spaces.Discrete):
            return array
        count = int(self.action_space.n)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or (array < 0).any() or (array >= count).any():
            raise ValueError(f"an action is an integer in 0..{count - 1}; got {actions!r}")
        return np.stack(np.divmod(array, self.toolset.n_degrees), axis=1)

    def given_sample(self, options: dict[str, Any]) -> Sample:
        """The sample that ``reset(options={"image": ..., "reference": ...})`` asks for.

        Raises:
            ValueError: If an option is unknown, or an image is not uint8 (H, W, 3) of the size of the observations.
        """
        unknown = sorted(set(options) - {"image", "reference"})
        if unknown or "image" not in options:
            raise ValueError(f"reset options are 'image' and, with it, 'reference'; got {sorted(options)}")
        image = self._checked("image", options["image"])
        reference = options.get("reference")
        if reference is not None:
            reference = self._checked("reference", reference)
            if reference.shape != image.shape:
                raise ValueError(f"reset: image {image.shape} and reference {reference.shape} differ in size")
        return Sample("given", to_tensor(image), None if reference is None else to_tensor(reference), None)

    def _checked(self, name: str, value: Any) -> npt.NDArray[np.uint8]:
        array = np.asarray(value)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise ValueError(
                f"reset: {name} must be uint8 of shape (H, W, 3), got {array.dtype} of shape {array.shape}"
            )
        if self.config.crop_size is not None and array.shape[:2] != (self.config.crop_size, self.config.crop_size):
            raise ValueError(
                f"reset: {name} is {array.shape[1]}x{array.shape[0]}, and this environment restores "
                f"{self.config.crop_size}x{self.config.crop_size}; make it with crop_size=None for whole pictures"
            )
        return array

    def observations(self) -> npt.NDArray[np.uint8]:
        """The current images and what else is observed, uint8 (N, H, W, C), in new memory."""
        seen = [self.pixels(self.restoration.state.images)]
        if self.config.observe_start:
            seen.append(self.pixels(self.restoration.state.first_images))
        if self.config.observe_tool:
            tools = self.restoration.last_tools.astype(np.uint8)[:, None, None, None]
            seen.append(np.broadcast_to(tools, (*seen[0].shape[:3], 1)))
        return seen[0] if len(seen) == 1 else np.concatenate(seen, axis=3)

    def pixels(self, images: torch.Tensor) -> npt.NDArray[np.uint8]:
        """Images of the restoration in 8 bits, uint8 (N, H, W, 3), in new memory."""
        return to_pixels(images)

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are allowed, (N, actions).

        Raises:
            RuntimeError: If called before reset.
            ValueError: If actions are (type, degree) pairs: STOP would be as many pairs as there are degrees.
        """
        if not self.config.flat:
            raise ValueError("action_masks() is for flat actions: make HIRL-RestoreFlat-v0, or flat=True")
        if not len(self.restoration.state):
            raise RuntimeError("action_masks() before reset: there is no image yet; call reset first")
        return self.masks.all()


def open_task(config: EnvConfig, max_episode_steps: int | None = None) -> Task:
    """The task of a configuration, with every name in it resolved.

    Args:
        config: Configuration of the environment.
        max_episode_steps: Bound on steps in addition to the configuration's, as a TimeLimit around the environment sets
            it; None or -1 for no such bound.

    Raises:
        ValueError: If a name in the configuration is unknown, or its parts do not fit together.
    """
    config.check()
    degradation = None if config.degradation is None else degradations.resolve(config.degradation)
    reward = rewards.resolve(config.reward)
    smallest = reward.measure.smallest
    samples = Samples(image_sources.resolve(config.images), degradation, config.crop_size, smallest)
    if config.crop_size is not None and config.crop_size < smallest:
        raise ValueError(
            f"reward {reward.measure.name!r} needs at least {smallest}x{smallest} pixels, and crop_size is "
            f"{config.crop_size}; choose a larger crop size, or another reward"
        )
    toolset = toolsets.resolve(config.toolset).to(config.device)
    rules = rules_of(config, max_episode_steps)
    restoration = Restoration(toolset, reward.measure, rules, config.precision, reward.price)
    psnr = reward.measure.needs_reference or samples.have_references
    infos = Infos(restoration, config.max_steps, psnr, config.full_feedback, config.string_infos)
    return Task(config, samples, restoration, infos)
