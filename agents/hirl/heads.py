"""Teaches HIRL's second heads, which see traces, what an environment remembered; all else stays as it is.

The trunks' features of the images are computed once, so it takes minutes, and what the trunks know is not forgotten.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from hirl_agents.networks import TwoLevelQ, turned
from hirl_agents.networks.q_network import QNetwork, last_tools
from hirl_agents.networks.self_ensemble import TURNS

AT_ONCE = 64  # images whose features are computed together
WEIGHT_DECAY = 0.1


@dataclass(frozen=True, eq=False)
class Remembered:
    """What the strategies see of N images, in all orientations, and what the tools gained on them.

    Attributes:
        types: Features of TS's trunk, float16 (N, 8, F).
        degrees: Features of DS's trunk, float16 (N, 8, F).
        traces: Traces, float32 (N, T), the same in any orientation.
        tools: Numbers of the tools used last, int64 (N,); None if the network does not see them.
        gains: Gains of the tools, float32 (N, types, degrees).
    """

    types: torch.Tensor
    degrees: torch.Tensor
    traces: torch.Tensor
    tools: torch.Tensor | None
    gains: torch.Tensor


def seeing_traces(network: TwoLevelQ) -> TwoLevelQ:
    """A copy of a network that sees traces, too, and has the same values until it learns from them."""
    if network.traces:
        return copy.deepcopy(network)
    sizes = {name: getattr(network, name) for name in ("n_types", "n_degrees", "max_steps", "doubt", "tools")}
    seeing = TwoLevelQ(**sizes, **network.architecture | {"traces": True})
    seeing.load_state_dict(seeing.state_dict() | network.state_dict())
    return seeing.eval().to(memory_format=torch.channels_last)


@torch.no_grad()
def remembered(
    network: TwoLevelQ, images: torch.Tensor, gains: torch.Tensor, on_batch: Callable[[int], object]
) -> Remembered:
    """What a network's strategies see of images.

    Args:
        network: Network that sees traces.
        images: Observations, uint8 (N, C, H, W).
        gains: Gains of the tools on them, (N, types, degrees).
        on_batch: Function that is told the number of images of each batch when it is done.
    """
    types, degrees, traces, tools = [], [], [], []
    for few in images.split(AT_ONCE):
        seen = network.seen(few / 255)
        pictures = seen[:, : network.ts.channels]  # the traces are the same in any orientation
        ways = [turned(pictures, *turn) for turn in TURNS]
        types.append(torch.stack([network.ts.features(way) for way in ways], dim=1).half())
        degrees.append(torch.stack([network.ds.features(way) for way in ways], dim=1).half())
        # A copy, because a view would keep all maps in memory.
        traces.append(seen[:, network.ts.channels :][:, : network.ts.n_traces, 0, 0].clone())
        tools.append(last_tools(seen))
        on_batch(len(few))
    last = torch.cat(tools) if network.sees_tool else None
    return Remembered(torch.cat(types), torch.cat(degrees), torch.cat(traces), last, gains)


def teach_heads(
    network: TwoLevelQ, memory: Remembered, steps: int, batch_size: int, learning_rate: float, seed: int
) -> Iterator[float]:
    """Trains the second heads, DS's first and TS's then, and yields the loss of each of 2 ``steps`` steps.

    DS learns the gains of all tools. TS learns, for every type, what DS then says of its best degree.

    Args:
        network: Network that sees traces; its heads are changed.
        memory: What to learn.
        steps: Number of steps of each strategy.
        batch_size: Images in a step, each in a random orientation.
        learning_rate: Largest learning rate of AdamW, which rises and falls in one cycle.
        seed: Seed of the images and of their orientations.
    """
    draw = torch.Generator().manual_seed(seed)

    def trained(strategy: QNetwork, features: torch.Tensor, targets: Callable[..., torch.Tensor]) -> Iterator[float]:
        optimizer = torch.optim.AdamW(strategy.second.parameters(), learning_rate, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps)
        for _ in range(steps):
            rows = torch.randint(len(features), (batch_size,), generator=draw)
            ways = torch.randint(len(TURNS), (batch_size,), generator=draw)
            loss = F.smooth_l1_loss(values(strategy, features, rows, ways), targets(rows, ways))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            yield loss.item()

    def values(strategy: QNetwork, features: torch.Tensor, rows: torch.Tensor, ways: torch.Tensor) -> torch.Tensor:
        last = None if memory.tools is None else memory.tools[rows]
        return strategy.values(features[rows, ways].float(), memory.traces[rows], last)

    def gains(rows: torch.Tensor, ways: torch.Tensor) -> torch.Tensor:
        return network.encode(memory.gains[rows]).flatten(1)

    @torch.no_grad()
    def best_degrees(rows: torch.Tensor, ways: torch.Tensor) -> torch.Tensor:
        of_cells = values(network.ds, memory.degrees, rows, ways).unflatten(1, (network.n_types, network.n_degrees))
        return of_cells.amax(dim=2)

    yield from trained(network.ds, memory.degrees, gains)
    yield from trained(network.ts, memory.types, best_degrees)
