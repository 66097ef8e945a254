"""Methods that are one network with its authors' weights, as baselines for agents and tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from hirl_agents.baselines.ffdnet import load_ffdnet
from hirl_agents.baselines.owan import load_owan
from hirl_agents.search import SearchResult
from hirl_env.data.degradations import Degradation
from hirl_env.restoration import Restoration
from hirl_env.tools.cost import gflop_per_megapixel
from hirl_env.tools.tool import Conditioned
from hirl_env.tools.toolset import Toolset
from hirl_experiments.evaluation.method import Method, Run


@dataclass(frozen=True)
class Owan(Method):
    """OWAN: one network for everything.

    Args:
        weights: File of its authors' weights. Needed.
    """

    weights: str = ""

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Loads the network, and returns what it does."""
        network = load_owan(_given(name, self.weights)).to(toolset.device)
        return _run_network(name, lambda images, applied: network(images), gflop_per_megapixel(network, toolset.device))


@dataclass(frozen=True)
class Ffdnet(Method):
    """FFDNet, which is given the standard deviation of the noise that was added, 0 for none.

    Args:
        weights: File of its authors' weights. Needed.
    """

    told: ClassVar[bool] = True

    weights: str = ""

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Loads the network, and returns what it does."""
        network = load_ffdnet(_given(name, self.weights)).to(toolset.device)

        def denoise(images: torch.Tensor, applied: Sequence[Degradation]) -> torch.Tensor:
            noises = [[step.strength for step in one.steps if step.family == "noise"] for one in applied]
            restored: torch.Tensor = network(images, images.new_tensor([max(noise, default=0.0) for noise in noises]))
            return restored

        return _run_network(name, denoise, gflop_per_megapixel(Conditioned(network, 0.0), toolset.device))


def _given(name: str, weights: str) -> str:
    if not weights:
        raise ValueError(f"method {name}: its weights are its authors', and not part of this package; name {name}:FILE")
    return weights


def _run_network(
    name: str, network: Callable[[torch.Tensor, Sequence[Degradation]], torch.Tensor], gflop: float
) -> Run:
    """A run of one network, in float32, as its authors measured it.

    Args:
        name: Name of the row.
        network: Function from images (N, 3, H, W) and the degradation of each to images, not clamped.
        gflop: GFLOP that it takes for a million pixels.
    """

    @torch.no_grad()
    def run(start: Restoration, applied: Sequence[Degradation]) -> Iterator[dict[str, SearchResult]]:
        yield {name: network_result(start, network(start.state.images, applied).clamp(0, 1), gflop)}

    return run


def network_result(start: Restoration, images: torch.Tensor, gflop: float, trials: int = 1) -> SearchResult:
    """The result of a network that chose no tools.

    Args:
        start: Restoration of N images before its first step.
        images: What the network has made of them, (N, 3, H, W) in [0, 1].
        gflop: GFLOP that it took for a million pixels.
        trials: Trials that each image counts.
    """
    restored = start.branch()
    restored.begin(images, start.state.references)
    height, width = images.shape[-2:]
    state = replace(
        restored.state,
        first_images=start.state.images,
        first_scores=start.state.scores,
        costs=np.full(len(start.state), gflop * height * width / 1e6),
    )
    return SearchResult(state, np.full(len(state), trials))
