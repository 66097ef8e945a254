"""Agents from their names and files, for images of any size."""

from __future__ import annotations

import copy
import os
from functools import partial
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from torch import nn

from hirl_agents.agent import Agent, QAgent, q_agent
from hirl_agents.common.crops import cell_values, network_values
from hirl_agents.common.saving import SafelySaved, saved_algorithm
from hirl_agents.common.tiling import GRID, TILE, tiled
from hirl_agents.networks import CellValues, FlatQ, TwoLevelQ
from hirl_agents.policies import load_policy, policy_agent
from hirl_agents.registry import agents
from hirl_agents.rl_restore.agent import RLRestoreAgent
from hirl_env.config import CROP_SIZE
from hirl_env.tools.toolset import Toolset


def load_agent(
    agent: str | Path | CellValues | Agent | BaseAlgorithm,
    toolset: Toolset,
    view: int | None = None,
    trust: bool = False,
) -> Agent:
    """An agent from its name, its file, or from itself, on the toolset's device; for images of any size.

    Args:
        agent: A registered name, a file, a model or a policy with Stable-Baselines3's interface, a Q-network, a
            function from images to cell values, or an agent, which is taken as it is. Files are what `hirl train`
            wrote, RL-Restore's weights as its authors have them (.npz), and what Stable-Baselines3 saved (.zip).
        toolset: Tools that it chooses among.
        view: Side of the crops by which it sees an image, as of `Restorer`.
        trust: Whether a .zip file may be loaded, which runs code that it holds.

    Raises:
        ValueError: If there is no such agent, it may not be loaded, or it was made for another toolset.
    """
    source = _opened(agent, trust) if isinstance(agent, str | os.PathLike) else agent
    max_steps = source.max_steps if isinstance(source, SafelySaved) else None
    if isinstance(source, BaseAlgorithm):
        source = source.policy
    own = source.observation_space.shape if isinstance(source, BasePolicy) else None
    side = view or max(GRID, own[-1] if own else getattr(source, "view", CROP_SIZE))

    def viewed(values: CellValues) -> CellValues:
        return partial(cell_values, values, crop=side)

    if isinstance(source, nn.Module) and not isinstance(source, Agent):
        # A copy, so that restoring leaves a network in training as it is.
        source = copy.deepcopy(source).to(toolset.device).eval()
    if isinstance(source, BasePolicy):
        return policy_agent(source, toolset, viewed, max_steps)
    if isinstance(source, Agent):
        return source.to(toolset.device) if isinstance(source, RLRestoreAgent) and source is not agent else source
    if not callable(source):
        raise ValueError(f"an agent must be a name, a file, or a function of images; got {agent!r}")
    check_tools(source, toolset)
    if isinstance(source, TwoLevelQ | FlatQ):
        return q_agent(source, lambda network: partial(network_values, network, crop=side))
    return QAgent(viewed(source))


def check_tools(agent: object, toolset: Toolset) -> None:
    """Raises ValueError where an agent says that it was trained with other tools.

    Args:
        agent: A Q-network, or an object that has its ``n_types`` and ``n_degrees``; any other fits.
        toolset: Tools that it is to choose among.
    """
    types, degrees = getattr(agent, "n_types", None), getattr(agent, "n_degrees", None)
    if types is not None and not _fits(toolset, types, degrees):
        raise ValueError(
            f"the agent chooses among {types} types x {degrees} degrees, and the toolset has "
            f"{toolset.n_types} x {toolset.n_degrees}; choose the toolset that the agent was trained with"
        )
    if isinstance(agent, TwoLevelQ | FlatQ) and agent.tools not in ("", toolset.signature):
        raise ValueError(
            f"the agent was trained with other tools than the toolset has ({agent.tools}); choose the toolset that it "
            "was trained with"
        )


def tools_of(agent: Agent, toolset: Toolset, tile: int = TILE) -> Toolset:
    """The tools that an agent chooses among, over tiles: its own, if it has some as RL-Restore's may, or else these.

    Args:
        agent: An agent.
        toolset: Tools over tiles, for an agent that has none of its own.
        tile: Side of the tiles that its own run on.

    Raises:
        ValueError: If the agent was trained with more or fewer tools.
    """
    if not isinstance(agent, RLRestoreAgent):
        return toolset
    own = agent.toolset(toolset)
    return toolset if own is toolset else tiled(own, tile)


def _opened(agent: str | os.PathLike[str], trust: bool) -> CellValues | Agent | BaseAlgorithm | BasePolicy:
    """What a name or a file stands for, on the CPU."""
    if Path(agent).suffix != ".zip" or saved_algorithm(Path(agent)) is not None:
        opened: CellValues | Agent | SafelySaved = agents.resolve(os.fspath(agent))
        return opened
    if not Path(agent).is_file():
        raise ValueError(f"{agent}: No such file")
    if not trust:
        raise ValueError(
            f"{agent}: loading a file of Stable-Baselines3 runs code that it holds; --trust, or trust=True, does so"
        )
    return load_policy(Path(agent))


def _fits(toolset: Toolset, *sizes: int | None) -> bool:
    """Whether cell values of these types x degrees are of this toolset, with STOP or without."""
    return sizes in {(toolset.n_types + more, toolset.n_degrees) for more in (0, 1)}
