"""`EnvConfig`: every argument of the environments, with its default."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hirl_env.checks import is_count
from hirl_env.data.degradations import Degradation
from hirl_env.data.photographs import Photographs
from hirl_env.devices import Precision
from hirl_env.quality import Measure
from hirl_env.quality.measure import ScoreFunction
from hirl_env.restoration import Stop
from hirl_env.reward import Reward
from hirl_env.tools.toolset import Toolset

# Agents and their networks have the same defaults.
CROP_SIZE, MAX_STEPS = 64, 7


@dataclass(frozen=True)
class EnvConfig:
    """What an environment restores, with which tools, and for which reward.

    Every object has a short-hand, a name or a path, so that the keyword arguments of ``gym.make`` can be written as
    JSON.

    Args:
        images: Source of the photographs: ``photos`` (embedded), a data set's name, a folder, or `Photographs`.
        degradation: Degradation that distorts them: a name (``mild``, ``severe``, ``levels``, ``jpeg-10``, ...), a
            `Degradation`, or None to take pictures as they are, without a reference. Pictures that come with a
            distorted version keep it.
        reward: Measure whose gain is the reward: a name (``psnr``, ``ssim``, ...), a weighted sum of names
            (``0.5*psnr + 10*ssim``), a `Measure`, or a function of images and references (N, 3, H, W) that returns
            (N,). A price on compute can be subtracted: ``psnr - 0.05*cost``, with the cost of the tool in GFLOP for the
            image that it runs on; or a `Reward` of a measure and a price.
        toolset: Tools to choose from: a name (``paper``, ``hirl``), a YAML file that describes tools, a `Toolset`, or
            the path of RL-Restore's tools (see `hirl_env.tools.registry`).
        crop_size: Side of the square that an episode restores, in pixels; None for whole pictures.
        max_steps: Number of steps after which an episode is truncated; None for no bound.
        stop: Rule that ends an episode early. None for no rule; ``no_gain``: the first step that gains nothing is taken
            back and terminates the episode; ``no_change``: so does a first step that changes nothing visible;
            ``below_start``: a score below the initial one terminates it.
        stop_action: Whether there is one more action type, STOP, that terminates the episode.
        observe_start: Whether observations have three more channels: the image at the start of the episode. They show
            what the tools have removed, distortion or detail.
        observe_tool: Whether observations have one more channel, the last: a constant plane with the number of the tool
            used last, counted from 1, type by type; 0 at the beginning. The image alone says little about it.
        full_feedback: Whether infos have ``tool_gains``: the gain that each tool would have had in this step, less its
            price, float64 (types, degrees). All tools are run for it. (Bandit literature calls this full feedback.)
        string_infos: Whether infos also have the names of the tool used last, the photograph, its degradation and
            level.
        mask_useless: Whether ``action_masks()`` of the flat environment masks tools that gained nothing in the
            episode.
        flat: Whether an action is one integer instead of a (type, degree) pair.
        device: Device on which the tools run and images are kept: cpu, cuda, mps; auto for the first available of cuda,
            mps, cpu.
        precision: Precision of the tools' convolutions: ``float32`` or ``bf16``. (On recent GPUs PyTorch runs float32
            convolutions in TF32, unless ``torch.backends.cudnn.allow_tf32 = False``.)
    """

    images: str | Path | Photographs = "photos"
    degradation: str | Degradation | None = "levels"
    reward: str | Measure | ScoreFunction | Reward = "psnr"
    toolset: str | Path | Toolset = "paper"
    crop_size: int | None = CROP_SIZE
    max_steps: int | None = MAX_STEPS
    stop: Stop | None = None
    stop_action: bool = False
    observe_start: bool = False
    observe_tool: bool = False
    full_feedback: bool = False
    string_infos: bool = False
    mask_useless: bool = False
    flat: bool = False
    device: str | torch.device = "cpu"
    precision: Precision = "float32"

    def check(self) -> None:
        """Raises ValueError if the crop size or a switch is invalid; names are checked when the task is opened."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, bool) and not isinstance(value, bool | np.bool_):
                raise ValueError(f"{field.name} must be True or False, got {value!r}")  # "false" would count as true
        if self.crop_size is not None and not is_count(self.crop_size):
            raise ValueError(
                f"crop_size must be a positive number of pixels, or None for whole pictures; got {self.crop_size!r}"
            )

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> EnvConfig:
        """The configuration from an environment's keyword arguments.

        Raises:
            TypeError: If a name is unknown; lists the known ones.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in arguments:
            if name not in known:
                remedy = "use max_steps" if name == "max_episode_steps" else f"known are: {', '.join(known)}"
                # Python's own wording, which Gymnasium and TorchRL look for.
                raise TypeError(f"the environment got an unexpected keyword argument {name!r}; {remedy}")
        return cls(**arguments)

    @property
    def channels(self) -> int:
        """Number of channels of observations: 3, and more with ``observe_start`` and ``observe_tool``."""
        return 3 + 3 * self.observe_start + self.observe_tool
