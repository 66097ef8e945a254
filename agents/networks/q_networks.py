"""The Q-networks: two-level or flat heads on ResNet-18 trunks, and their files.

Whatever the agent, its Q-network maps images to *cell values* (N, types, degrees): what each cell of the toolset is
worth from here on, in units of the reward. A network may see more of an episode than the image as it is; it is given
that in further channels, as environments with ``observe_start`` and ``observe_tool`` show it. `hirl_agents.agent`
makes agents of networks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from hirl_env.log_variances import SCALES, with_log_variances
from hirl_env.resnet import Norm, ResNet18
from hirl_env.weights import load_weights, preserves_rng_state, read_metadata, read_sizes, save_weights

DegreeHead = Literal["per-type", "blind"]
CellValues = Callable[[torch.Tensor], torch.Tensor]
Network = TypeVar("Network", bound="CellQ")
SUFFIX = ".safetensors"
# Of what files say: more takes the memory, or the time, of whoever loads one.
BOUNDS = {
    "n_types": (1, 100),
    "n_degrees": (1, 100),
    "width": (8, 256),
    "view": (1, 4096),
    "max_steps": (1, 100),
    "doubt": (0, 100),
}
VIEW = 64  # pixels: the side of the crops that environments show by default
MAX_STEPS = 7  # of their episodes, likewise
TOOL_WEIGHT = 8.0  # so that Adam moves what a tool says as fast as what the features together say


class ResNet18Extractor(BaseFeaturesExtractor):
    """The trunk for the ``policy_kwargs`` of Stable-Baselines3's own algorithms.

    Args:
        observation_space: Images (3, H, W).
        width: Width of the trunk, as of `ResNet18`.
        norm: Normalisation of the trunk, as of `ResNet18`.

    Raises:
        ValueError: If images have other channels: of agents here, HIRL alone looks at more than them.
    """

    def __init__(self, observation_space: gym.Space, width: int = 64, norm: Norm = "batch") -> None:
        if observation_space.shape is None or observation_space.shape[0] != 3:
            raise ValueError(
                f"observations must be images (3, H, W), got {observation_space.shape}; leave observe_start and "
                "observe_tool False"
            )
        super().__init__(observation_space, features_dim=8 * width)
        self.trunk = ResNet18(width, norm)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Features (N, 8 ``width``) of images (N, 3, H, W) in [0, 1]."""
        return cast(torch.Tensor, self.trunk(observations))


class QNetwork(nn.Sequential):
    """A ResNet-18 trunk with a linear head: (N, C, H, W) to (N, ``outputs``).

    Args:
        outputs: Number of values.
        width: Width of the trunk.
        norm: Normalisation of the trunk.
        n_tools: Number of tools, where it sees the one used last: it is the last channel then, and the head knows it
            beside the trunk's features. 0: it does not.
        channels: Number of channels that the trunk looks at.
    """

    def __init__(self, outputs: int, width: int, norm: Norm, n_tools: int = 0, channels: int = 3) -> None:
        head = nn.Linear(8 * width + (n_tools + 1 if n_tools else 0), outputs)
        # Values start near zero: no cell is preferred, and no gain imagined, before anything is known.
        nn.init.normal_(head.weight, std=1e-3)
        nn.init.zeros_(head.bias)
        super().__init__(ResNet18(width, norm, channels), head)
        self.n_tools, self.channels = n_tools, channels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Values (N, ``outputs``)."""
        trunk, head = self
        features = trunk(images[:, : self.channels])
        if self.n_tools:
            last = F.one_hot(_last_tools(images), self.n_tools + 1)
            features = torch.cat([features, TOOL_WEIGHT * last], dim=1)
        return cast(torch.Tensor, head(features))


def squashed(values: torch.Tensor) -> torch.Tensor:
    """``2 sign(x) (sqrt(1 + |x|) - 1)``: x itself near zero, its square root far from it.

    What is worth least takes the most care to tell from nothing: a JPEG alone gains 1 dB at best, noise alone 11. After
    Pohlen et al., "Observe and Look Further" (2018), whose h(x) has half this slope.
    """
    return 2 * values.sign() * ((values.abs() + 1).sqrt() - 1)


def unsquashed(values: torch.Tensor) -> torch.Tensor:
    """Undoes `squashed`."""
    return values.sign() * ((values.abs() / 2 + 1).square() - 1)


class CellQ(nn.Module):
    """What every Q-network has: its sizes, what it sees of an episode, and its stop margin.

    Args:
        n_types: Number of types.
        n_degrees: Number of degrees of each type.
        view: Side in pixels of the images of its training, and of the crops by which it is to see larger ones.
        max_steps: Longest path of its training, and the longest that it is to take.
        sees_start: Whether images have three more channels: what they were as the episode began.
        sees_tool: Whether images have one more channel, the last: the tool used last.

    Attributes:
        stop_margin: Gain that a step must promise to be worth taking, in units of the reward, float32 (tools + 1,), by
            the number of the tool used last, 0 for none; or (1,), where the network does not see that tool.
        doubt: Number of standard deviations between an image's turns by which values are lowered, as of `TurnAveraged`.
        architecture: Arguments beside these that the network was made with, by name.
    """

    stop_margin: torch.Tensor
    architecture: dict[str, Any]

    def __init__(
        self, n_types: int, n_degrees: int, view: int, max_steps: int, sees_start: bool = False, sees_tool: bool = False
    ) -> None:
        super().__init__()
        self.n_types, self.n_degrees, self.view, self.max_steps = n_types, n_degrees, view, max_steps
        self.sees_start, self.sees_tool = sees_start, sees_tool
        self.register_buffer("stop_margin", torch.zeros(n_types * n_degrees + 1 if sees_tool else 1))
        self.doubt = 0

    def seen(self, images: torch.Tensor) -> torch.Tensor:
        """What the network sees of images (N, C, H, W): here the images themselves. It turns as they do."""
        return images

    def expected_returns(self, seen: torch.Tensor) -> torch.Tensor:
        """What each tool is worth from here on, (N, types, degrees), in units of the reward, for what is `seen`."""
        raise NotImplementedError

    def forward(self, images: torch.Tensor, looks: int = 1) -> torch.Tensor:
        """Cell values (N, types, degrees): expected returns less the stop margin. One above zero is worth taking.

        Args:
            images: Images (N, C, H, W).
            looks: Number of crops of one image whose values are averaged. The error of their mean falls with its
                square root, and the stop margin, which makes up for that error, with it.

        Raises:
            ValueError: If images have other channels.
        """
        return self.values(self.checked(images), looks)

    def values(self, seen: torch.Tensor, looks: int) -> torch.Tensor:
        """Cell values of what is `seen`; ``looks`` as of `forward`."""
        returns = self.expected_returns(seen)
        margin = self.stop_margin[_last_tools(seen)] if self.sees_tool else self.stop_margin
        return returns - margin[:, None, None] / looks**0.5

    def checked(self, images: torch.Tensor) -> torch.Tensor:
        """What is `seen` of images.

        Raises:
            ValueError: If images have other channels.
        """
        channels = (6 if self.sees_start else 3) + self.sees_tool
        if images.shape[1] != channels:
            raise ValueError(
                f"the network looks at {channels} channels, got {images.shape[1]}; ask it through q_agent, which "
                "shows it what it sees of an episode"
            )
        return self.seen(images)

    def with_stop_margin(self: Network, margin: npt.NDArray[np.float64], doubt: int = 0) -> Network:
        """A copy that makes the same choices, and stops by another margin.

        Args:
            margin: Stop margin, of the shape of ``stop_margin``.
            doubt: Number of standard deviations by which values are lowered, as of the attribute.
        """
        copied = copy.deepcopy(self)
        copied.stop_margin.copy_(torch.as_tensor(margin))
        copied.doubt = doubt
        return copied


class TwoLevelQ(CellQ):
    """The paper's two strategies (section 2.3): TS values the types, DS the degrees.

    Args:
        n_types: Number of types.
        n_degrees: Number of degrees of each type.
        width: Width of both ResNet-18 trunks.
        norm: Normalisation of both trunks.
        degree_head: Form of DS: ``blind`` as in the paper (Eq. 2): D(s, d) does not know the type; or ``per-type``:
            D(s, t, d).
        sees_start: Whether images show the start, as of `CellQ`.
        sees_tool: Whether images show the tool used last, as of `CellQ`.
        squash: Whether the strategies learn values `squashed`.
        log_variances: Whether they see images `with_log_variances`.
        view: Side of the images of its training, as of `CellQ`.
        max_steps: Longest path of its training, as of `CellQ`.

    Attributes:
        ts: Images (N, C, H, W), as they are `seen`, to (N, types).
        ds: The same to (N, degrees) or (N, types x degrees); `degree_values` gives it one shape.
    """

    def __init__(
        self,
        n_types: int,
        n_degrees: int,
        width: int = 64,
        norm: Norm = "batch",
        degree_head: DegreeHead = "per-type",
        sees_start: bool = False,
        sees_tool: bool = False,
        squash: bool = False,
        log_variances: bool = False,
        view: int = VIEW,
        max_steps: int = MAX_STEPS,
    ) -> None:
        super().__init__(n_types, n_degrees, view, max_steps, sees_start, sees_tool)
        if degree_head not in ("per-type", "blind"):
            raise ValueError(f"degree_head must be 'per-type' or 'blind', got {degree_head!r}")
        self.architecture = {
            "width": width,
            "norm": norm,
            "degree_head": degree_head,
            "sees_start": sees_start,
            "sees_tool": sees_tool,
            "squash": squash,
            "log_variances": log_variances,
            "view": view,
        }
        self.squash, self.blind = squash, degree_head == "blind"
        n_tools = n_types * n_degrees if sees_tool else 0
        self.n_images, self.log_variances = (2 if sees_start else 1), log_variances
        channels = self.n_images * (3 + SCALES if log_variances else 3)
        self.ts = QNetwork(n_types, width, norm, n_tools, channels)
        self.ds = QNetwork(n_degrees if self.blind else n_types * n_degrees, width, norm, n_tools, channels)

    def seen(self, images: torch.Tensor) -> torch.Tensor:
        """What both strategies see of images (N, C, H, W): these, or each of them `with_log_variances`."""
        if not self.log_variances:
            return images
        pictures, rest = images[:, : 3 * self.n_images], images[:, 3 * self.n_images :]
        maps = [with_log_variances(each) for each in pictures.split(3, dim=1)]
        return torch.cat([*maps, rest], dim=1).contiguous(memory_format=torch.channels_last)

    def encode(self, values: torch.Tensor) -> torch.Tensor:
        """What the strategies say of values in units of the reward: these, or squashed."""
        return squashed(values) if self.squash else values

    def decode(self, values: torch.Tensor) -> torch.Tensor:
        """Undoes `encode`."""
        return unsquashed(values) if self.squash else values

    def type_values(self, images: torch.Tensor) -> torch.Tensor:
        """T(s), (N, types), encoded, of images as they are `seen`."""
        return cast(torch.Tensor, self.ts(images))

    def degree_values(self, images: torch.Tensor) -> torch.Tensor:
        """D(s), (N, types, degrees), encoded, of images as they are `seen`; the same for every type if it is blind."""
        values = self.ds(images)
        if self.blind:
            return cast(torch.Tensor, values[:, None].expand(-1, self.n_types, -1))
        return cast(torch.Tensor, values.unflatten(1, (self.n_types, self.n_degrees)))

    def expected_returns(self, seen: torch.Tensor) -> torch.Tensor:
        """The value of the type, less what the degree is worse than its best, (N, types, degrees).

        The largest is that of the type with the largest T and, within it, the degree with the largest D.
        """
        degrees = self.degree_values(seen)
        return self.decode(self.type_values(seen)[..., None] + degrees - degrees.amax(dim=2, keepdim=True))


class FlatQ(CellQ):
    """One network for all cells at once, as a flat DQN has it.

    Args:
        n_types: Number of types.
        n_degrees: Number of degrees of each type.
        width: Width of the ResNet-18 trunk.
        norm: Normalisation of the trunk.
        view: Side of the images of its training, as of `CellQ`.
        max_steps: Longest path of its training, as of `CellQ`.
    """

    def __init__(
        self,
        n_types: int,
        n_degrees: int,
        width: int = 64,
        norm: Norm = "batch",
        view: int = VIEW,
        max_steps: int = MAX_STEPS,
    ) -> None:
        super().__init__(n_types, n_degrees, view, max_steps)
        self.architecture = {"width": width, "norm": norm, "view": view}
        self.q: nn.Sequential = QNetwork(n_types * n_degrees, width, norm)

    def expected_returns(self, seen: torch.Tensor) -> torch.Tensor:
        """What the network says of the cells, (N, types, degrees)."""
        return cast(torch.Tensor, self.q(seen).unflatten(1, (self.n_types, self.n_degrees)))


def _last_tools(images: torch.Tensor) -> torch.Tensor:
    """The numbers of the tools used last, int64 (N,), from the last channel of images (N, C, H, W)."""
    return (images[:, -1, 0, 0] * 255).round().long()


class TurnAveraged(nn.Module):
    """The mean of what a Q-network says of an image in its eight turns and mirrors, less what it doubts.

    A tool gains much the same whichever side is up, while the errors of the network differ: their mean is nearer the
    truth, and how far they lie apart tells how little the network knows of the image. All values are lowered by the
    deviation of the largest, as often as the network's ``doubt`` says: that changes no choice, but when to stop.

    Args:
        network: Network in evaluation mode.
    """

    def __init__(self, network: TwoLevelQ | FlatQ) -> None:
        super().__init__()
        self.network, self.n_types, self.n_degrees = network, network.n_types, network.n_degrees

    def forward(self, images: torch.Tensor, looks: int = 1) -> torch.Tensor:
        """Cell values (N, types, degrees) of images (N, C, H, W); ``looks`` as of `CellQ.forward`."""
        # Turns of one crop share its content, and much of their error: they do not count as looks.
        turns = [(turn, mirror) for mirror in (False, True) for turn in range(4)]
        seen = self.network.checked(images)  # once: its maps turn with the images
        values = torch.stack([self.network.values(turned(seen, *turn), looks) for turn in turns])
        deviations, means = torch.std_mean(values, dim=0, correction=0)
        largest = means.flatten(1).argmax(dim=1, keepdim=True)
        doubt = self.network.doubt * deviations.flatten(1).gather(1, largest)
        return means - doubt[..., None] / looks**0.5


def turned(images: torch.Tensor, turns: int, mirror: bool) -> torch.Tensor:
    """Images (N, C, H, W) after a number of quarter turns, and mirrored, in the layout that convolves fastest."""
    images = images.rot90(turns, dims=(2, 3))
    return (images.flip(3) if mirror else images).contiguous(memory_format=torch.channels_last)


NETWORKS: dict[str, type[TwoLevelQ] | type[FlatQ]] = {"two-level": TwoLevelQ, "flat": FlatQ}


def save_q(network: TwoLevelQ | FlatQ, path: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes a Q-network as safetensors, with what is needed to build it again."""
    kind = next(name for name, kind in NETWORKS.items() if isinstance(network, kind))
    sizes = {name: getattr(network, name) for name in ("n_types", "n_degrees", "max_steps", "doubt")}
    metadata = {"network": kind} | {key: str(value) for key, value in (sizes | network.architecture).items()}
    save_weights(network, path, dtype, metadata)


@preserves_rng_state
def load_q(path: str | Path) -> TwoLevelQ | FlatQ:
    """Reads what `save_q` wrote, ready for inference.

    Raises:
        ValueError: If the file is missing, damaged, or holds no Q-network.
    """
    metadata = read_metadata(path)
    kind = NETWORKS.get(metadata.pop("network", ""))
    if kind is None:
        raise ValueError(
            f"weights {path}: not those of HIRL or a flat DQN; give what `hirl train --preset hirl` or `flat-dqn` wrote"
        )
    flags = {"True": True, "False": False}
    sizes = read_sizes(path, metadata, BOUNDS)
    arguments = {key: flags.get(value, value) for key, value in metadata.items()} | sizes
    arguments.pop("doubt", None)  # which is no argument
    try:
        network = kind(**arguments)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"weights {path}: written by another version of this package ({error})") from None
    load_weights(network, path)
    network.doubt = sizes.get("doubt", 0)
    return network.eval().to(memory_format=torch.channels_last)
