"""The Q-network of HIRL: one head for types, one for degrees."""

from __future__ import annotations

from typing import Literal, cast

import torch

from hirl_agents.networks.cell_q import CellQ
from hirl_agents.networks.q_network import QNetwork
from hirl_agents.networks.rescaling import squashed, unsquashed
from hirl_env.config import CROP_SIZE, MAX_STEPS
from hirl_env.log_variances import SCALES, with_log_variances
from hirl_env.resnet import Norm
from hirl_env.traces import TRACES, traces_of

DegreeHead = Literal["per-type", "blind"]


class TwoLevelQ(CellQ):
    """The paper's two strategies (section 2.3): TS values the types, DS the degrees.

    Args:
        n_types: Number of types.
        n_degrees: Number of degrees of each type.
        width: Width of both ResNet-18 trunks.
        norm: Normalisation of both trunks.
        degree_head: Form of DS: ``blind``, D(s, d), which does not know the type, as in the paper (Eq. 2); or
            ``per-type``, D(s, t, d).
        sees_start: Whether images include the first image of the episode, as in `CellQ`.
        sees_tool: Whether images include the tool used last, as in `CellQ`.
        squash: Whether the strategies learn values `squashed`.
        log_variances: Whether the strategies see images `with_log_variances`.
        traces: Whether the strategies see the `traces_of` JPEGs and noise in images.
        view: Side of the images of its training, as in `CellQ`.
        max_steps: Longest path of its training, as in `CellQ`.
        doubt: Standard deviations by which values are lowered, as in `CellQ`.
        tools: Names of the tools of its training, as in `CellQ`.

    Attributes:
        ts: Network of TS, from images (N, C, H, W), as they are `seen`, to (N, types).
        ds: Network of DS, from the same images to (N, degrees) or (N, types x degrees); `degree_values` returns one
            shape for both.
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
        traces: bool = False,
        view: int = CROP_SIZE,
        max_steps: int = MAX_STEPS,
        doubt: int = 0,
        tools: str = "",
    ) -> None:
        super().__init__(n_types, n_degrees, view, max_steps, doubt, sees_start, sees_tool, tools)
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
            "traces": traces,
            "view": view,
        }
        self.squash, self.blind = squash, degree_head == "blind"
        n_tools = n_types * n_degrees if sees_tool else 0
        self.n_images = 2 if sees_start else 1
        self.log_variances, self.traces = log_variances, traces
        channels = self.n_images * (3 + SCALES if log_variances else 3)
        n_traces = self.n_images * TRACES if traces else 0
        self.ts = QNetwork(n_types, width, norm, n_tools, channels, n_traces)
        self.ds = QNetwork(n_degrees if self.blind else n_types * n_degrees, width, norm, n_tools, channels, n_traces)

    def seen(self, images: torch.Tensor) -> torch.Tensor:
        """The input of both strategies for images (N, C, H, W).

        These, or each `with_log_variances`; their traces, in channels that are constant; and the tool used last.
        """
        pictures, rest = images[:, : 3 * self.n_images].split(3, dim=1), images[:, 3 * self.n_images :]
        maps = [with_log_variances(each) if self.log_variances else each for each in pictures]
        if self.traces:
            maps += [traces_of(each)[:, :, None, None].expand(-1, -1, *images.shape[-2:]) for each in pictures]
        return torch.cat([*maps, rest], dim=1).contiguous(memory_format=torch.channels_last)

    def encode(self, values: torch.Tensor) -> torch.Tensor:
        """Values in units of the reward, as the strategies represent them: unchanged, or squashed."""
        return squashed(values) if self.squash else values

    def decode(self, values: torch.Tensor) -> torch.Tensor:
        """Undoes `encode`."""
        return unsquashed(values) if self.squash else values

    def type_values(self, images: torch.Tensor) -> torch.Tensor:
        """T(s), (N, types), encoded, of images as they are `seen`."""
        return cast(torch.Tensor, self.ts(images))

    def degree_values(self, images: torch.Tensor) -> torch.Tensor:
        """D(s), (N, types, degrees), encoded, of images as they are `seen`; the same for every type if DS is blind."""
        values = self.ds(images)
        if self.blind:
            return cast(torch.Tensor, values[:, None].expand(-1, self.n_types, -1))
        return cast(torch.Tensor, values.unflatten(1, (self.n_types, self.n_degrees)))

    def expected_returns(self, seen: torch.Tensor) -> torch.Tensor:
        """The value of each type, less the gap between its best degree's value and each degree's, (N, types, degrees).

        The largest belongs to the type with the largest T and, within it, the degree with the largest D.
        """
        degrees = self.degree_values(seen)
        return self.decode(self.type_values(seen)[..., None] + degrees - degrees.amax(dim=2, keepdim=True))
