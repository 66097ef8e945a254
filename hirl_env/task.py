"""What both environments are made of, resolved from their keyword arguments."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch

from hirl_env.data.degradations import LEVELS, Degradation, degradations
from hirl_env.data.images import to_pixels, to_tensor
from hirl_env.data.photographs import Photographs, open_photographs
from hirl_env.data.samples import Sample, Samples
from hirl_env.quality import Measure, as_measure
from hirl_env.quality.measure import ScoreFunction
from hirl_env.restoration import Outcome, Restoration, Rules, Stop
from hirl_env.tools.known import open_toolset
from hirl_env.tools.toolset import Precision, Toolset


@dataclass(frozen=True)
class Facts:
    """What an agent asks of an environment before it learns in it; environments have them as ``facts``.

    Attributes:
        crop_size: Side of what is restored, pixels; None for whole pictures.
        channels: Of observations.
        max_steps: Steps after which an episode is truncated; None for no bound.
        stop_action: Whether there is a STOP.
    """

    crop_size: int | None
    channels: int
    max_steps: int | None
    stop_action: bool


class Task:
    """Restoring images from one source with one toolset, for one reward.

    Args:
        images: Where photographs come from: ``photos`` (embedded), a data set's name, a folder, or `Photographs`.
        degradation: What distorts them: a name (``mild``, ``severe``, ``levels``, ``jpeg-10``, ...), a `Degradation`,
            or None to take pictures as they are, without a reference. Pictures that come with a distorted version
            keep it.
        reward: The measure whose gain is the reward: a name (``psnr``, ``ssim``, ...), a weighted sum of names
            (``0.5*psnr + 10*ssim``), a `Measure`, or a function of images and references (N, 3, H, W) that returns
            (N,).
        toolset: A name (``hirl``), a `Toolset`, or where RL-Restore's tools are (see `open_toolset`).
        crop_size: Side of the square that an episode restores, in pixels; None for whole pictures.
        max_steps: Steps after which an episode is truncated; None for no bound.
        stop: None, or ``no_gain``: the first step that gains nothing is taken back and terminates the episode; or
            ``below_start``: a score under that of the start terminates it.
        stop_action: Adds one more action type, STOP, that terminates the episode.
        observe_start: Observations have three more channels: the image as the episode began. What a tool took away,
            distortion or detail, shows nowhere else.
        observe_tool: Observations have one more channel, the last, everywhere the number of the tool used last, from 1,
            type by type; 0 at the beginning. An image says little of what was done to it.
        full_feedback: Infos of steps have ``gains``, what each tool would have gained in place of the one that was
            used, float64 (types, degrees), at the cost of applying them all: in the words of bandits, full feedback.
        flat: One Discrete action instead of a (type, degree) pair.
        device: Where the tools run, and images are kept.
        precision: ``float32``, or ``bf16`` for the tools' convolutions. (On recent GPUs PyTorch shortens float32 to
            TF32 in convolutions, until ``torch.backends.cudnn.allow_tf32 = False``.)

    Raises:
        ValueError: If an argument names nothing known, or does not fit the others.
    """

    def __init__(
        self,
        images: str | Path | Photographs = "photos",
        degradation: str | Degradation | None = "levels",
        reward: str | Measure | ScoreFunction = "psnr",
        toolset: str | Path | Toolset = "hirl",
        crop_size: int | None = 64,
        max_steps: int | None = 7,
        stop: Stop | None = None,
        stop_action: bool = False,
        observe_start: bool = False,
        observe_tool: bool = False,
        full_feedback: bool = False,
        flat: bool = False,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        if crop_size is not None and not (isinstance(crop_size, int | np.integer) and crop_size >= 1):
            raise ValueError(
                f"crop_size must be a positive number of pixels, or None for whole pictures; got {crop_size!r}"
            )
        resolved = None if degradation is None else degradations.resolve(degradation)
        self.measure = as_measure(reward)
        smallest = self.measure.smallest
        self.samples = Samples(open_photographs(images), resolved, crop_size, smallest)
        if crop_size is not None and crop_size < smallest:
            raise ValueError(
                f"reward {self.measure.name!r} needs at least {smallest}x{smallest} pixels, and crop_size is "
                f"{crop_size}; choose a larger crop size, or another reward"
            )
        self.toolset = open_toolset(toolset).on(device)
        self.crop_size, self.full_feedback, self.flat = crop_size, full_feedback, flat
        self.observe_start, self.observe_tool = observe_start, observe_tool
        if observe_tool and len(self.toolset.cells) > 255:
            raise ValueError(f"observe_tool counts to 255, and the toolset has {len(self.toolset.cells)} tools")
        self.restoration = Restoration(self.toolset, self.measure, Rules(max_steps, stop, stop_action), precision)
        self.facts = Facts(crop_size, 3 + 3 * observe_start + observe_tool, max_steps, stop_action)

    @cached_property
    def action_space(self) -> gym.spaces.Space[Any]:
        """MultiDiscrete([types, degrees]), or Discrete where flat; with STOP one type, or one action, more."""
        types, degrees = self.toolset.n_types, self.toolset.n_degrees
        if self.flat:
            return gym.spaces.Discrete(types * degrees + self.restoration.rules.stop_action)
        return gym.spaces.MultiDiscrete([types + self.restoration.rules.stop_action, degrees])

    def observation_space(self, height: int, width: int) -> gym.spaces.Box:
        """8-bit RGB of one size, with more channels where more is observed."""
        return gym.spaces.Box(0, 255, (height, width, self.facts.channels), np.uint8)

    def step(self, actions: npt.ArrayLike, rows: npt.NDArray[np.int64] | None = None) -> Outcome:
        """Steps the restoration, as `Restoration.step` does, by actions of the action space, batched."""
        return self.restoration.step(self._pairs(actions), rows, self.full_feedback)

    def _pairs(self, actions: npt.ArrayLike) -> npt.NDArray[Any]:
        """Actions as (type, degree) pairs (n, 2); a flat STOP is (types, 0)."""
        array = np.asarray(actions)
        if not isinstance(self.action_space, gym.spaces.Discrete):
            return array
        count = int(self.action_space.n)
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or (array < 0).any() or (array >= count).any():
            raise ValueError(f"actions must be integers in 0..{count - 1}, one for each image; got {actions!r}")
        return np.stack(np.divmod(array, self.toolset.n_degrees), axis=1)

    def given_start(self, options: dict[str, Any]) -> Sample:
        """The start that ``reset(options={"image": ..., "reference": ...})`` asks for.

        Raises:
            ValueError: If an option is unknown, or a picture is not uint8 (H, W, 3) of the size of the observations.
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
        if self.crop_size is not None and array.shape[:2] != (self.crop_size, self.crop_size):
            raise ValueError(
                f"reset: {name} is {array.shape[1]}x{array.shape[0]}, and this environment restores "
                f"{self.crop_size}x{self.crop_size}; make it with crop_size=None for whole pictures"
            )
        return array

    def observations(self) -> npt.NDArray[np.uint8]:
        """The images now, and what else is observed, uint8 (N, H, W, C); in new memory."""
        seen = [to_pixels(self.restoration.state.images)]
        if self.observe_start:
            seen.append(to_pixels(self.restoration.state.first_images))
        if self.observe_tool:
            tools = self.restoration.last_tools.astype(np.uint8)[:, None, None, None]
            seen.append(np.broadcast_to(tools, (*seen[0].shape[:3], 1)))
        return np.concatenate(seen, axis=3)

    def info(self, row: int) -> dict[str, Any]:
        """What is known of an image now.

        Returns:
            ``score`` (of the reward's measure), ``psnr`` (dB, where there is a reference), ``path`` (the (type, degree)
            pairs that made it), ``tool`` (the name of the last one; empty at the start).
        """
        names, state = self.restoration.tool_names(row), self.restoration.state
        info: dict[str, Any] = {
            "score": float(state.scores[row]),
            "path": state.paths[row],
            "tool": names[-1] if names else "",
        }
        if state.psnr is not None:
            info["psnr"] = float(state.psnr[row])
        return info


def make_task(arguments: dict[str, Any]) -> Task:
    """A task from the keyword arguments that an environment was made with.

    Raises:
        TypeError: If a name is none of `Task`'s arguments; lists those.
        ValueError: As `Task` does.
    """
    known = list(inspect.signature(Task).parameters)
    for name in arguments:
        if name not in known:
            remedy = "use max_steps" if name == "max_episode_steps" else f"known are: {', '.join(known)}"
            # In Python's own words, which Gymnasium and TorchRL look for.
            raise TypeError(f"the environment got an unexpected keyword argument {name!r}; {remedy}")
    return Task(**arguments)


def start_info(start: Sample) -> dict[str, Any]:
    """What a reset tells beside `Task.info`.

    Returns:
        ``photograph``, its name; where one was applied, ``degradation``; and where that is a level, ``level``.
    """
    info = {"photograph": start.name}
    if start.degradation is None:
        return info
    info["degradation"] = str(start.degradation)
    levels = [level for level in LEVELS if degradations.resolve(level) == start.degradation]
    return info | ({"level": levels[0]} if levels else {})
