"""What every Q-network has, whatever the agent.

It maps images to *cell values* (N, types, degrees): what each cell of the toolset is worth from here on, in units of
the reward. A network may see more of an episode than the image as it is; it is given that in further channels, as
environments with ``observe_start`` and ``observe_tool`` show it. `hirl_agents.agent` makes agents of networks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hirl_agents.networks.q_network import last_tools
from hirl_env.tools.toolset import Toolset

CellValues = Callable[[torch.Tensor], torch.Tensor]
Network = TypeVar("Network", bound="CellQ")
LEAST_MARGIN = 0.1  # units of the reward: however many crops of an image agree, no margin is lowered below this


class CellQ(nn.Module):
    """What every Q-network has: its sizes, what it sees of an episode, and its stop margin.

    Args:
        n_types: Number of types.
        n_degrees: Number of degrees of each type.
        view: Side in pixels of the images of its training, and of the crops by which it is to see larger ones.
        max_steps: Longest path of its training, and the longest that it is to take.
        doubt: Number of standard deviations between an image's turns by which values are lowered, as of `TurnAveraged`.
        sees_start: Whether images have three more channels: what they were as the episode began.
        sees_tool: Whether images have one more channel, the last: the tool used last.
        tools: Names of the tools that it was trained with, as of `Toolset.signature`; empty where they are not known.

    Attributes:
        stop_margin: Gain that a step must promise to be worth taking, in units of the reward, float32 (tools + 1,), by
            the number of the tool used last, 0 for none; or (1,), where the network does not see that tool.
        architecture: Further arguments that the network was made with, by name.
    """

    stop_margin: torch.Tensor
    architecture: dict[str, Any]

    def __init__(
        self,
        n_types: int,
        n_degrees: int,
        view: int,
        max_steps: int,
        doubt: int = 0,
        sees_start: bool = False,
        sees_tool: bool = False,
        tools: str = "",
    ) -> None:
        super().__init__()
        self.n_types, self.n_degrees, self.view, self.max_steps = n_types, n_degrees, view, max_steps
        self.doubt, self.tools = doubt, tools
        self.sees_start, self.sees_tool = sees_start, sees_tool
        self.register_buffer("stop_margin", torch.zeros(n_types * n_degrees + 1 if sees_tool else 1))

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
                square root, and the stop margin, which makes up for that error, with it: down to `LEAST_MARGIN`,
                because crops of one image share some of their error, and so small a gain is not worth a step.

        Raises:
            ValueError: If images have other channels.
        """
        return self.values(self.input_of(images), looks)

    def values(self, seen: torch.Tensor, looks: int) -> torch.Tensor:
        """Cell values of what is `seen`; ``looks`` as of `forward`."""
        returns = self.expected_returns(seen)
        margin = self.stop_margin[last_tools(seen)] if self.sees_tool else self.stop_margin
        margin = torch.maximum(margin / looks**0.5, margin.clamp(max=LEAST_MARGIN))
        return returns - margin[:, None, None]

    def input_of(self, images: torch.Tensor) -> torch.Tensor:
        """What is `seen` of images, if they have the right channels.

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
            doubt: Number of standard deviations by which values are lowered, as of `CellQ`.
        """
        copied = copy.deepcopy(self)
        copied.stop_margin.copy_(torch.as_tensor(margin))
        copied.doubt = doubt
        return copied

    def trained_with(self: Network, toolset: Toolset) -> Network:
        """A copy that knows the tools that it was trained with."""
        copied = copy.deepcopy(self)
        copied.tools = toolset.signature
        return copied
