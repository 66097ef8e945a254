"""What `hirl benchmark` compares: agents, baselines, and the paths that scores are made of."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hirl_agents.agent import Agent, as_agent
from hirl_agents.common.tiling import tiled
from hirl_agents.networks import SUFFIX
from hirl_agents.owan import load_owan
from hirl_agents.registry import agents
from hirl_agents.restorer import load_agent, tools_of
from hirl_agents.rl_restore import load_rl_restore
from hirl_agents.rollout import Stopping, rollout
from hirl_agents.search import SearchResult, chain, greedy
from hirl_env.restoration import Restoration
from hirl_env.tools.cost import gflop_per_megapixel, tool_costs
from hirl_env.tools.toolset import Cell, Toolset
from hirl_experiments.evaluation.methods import AGENT_FILES, method_of, methods

ORACLE_STEPS = 3
FIXED, ORACLE = "fixed", "oracle"


CellPath = tuple[Cell, ...]


@dataclass(frozen=True)
class Entrant:
    """What restores a batch of distorted images.

    Attributes:
        name: Name in tables.
        restore: Maps the start of a restoration to what is made of it.
        cost: Maps the path that an image took to GFLOP for a million pixels.
    """

    name: str
    restore: Callable[[Restoration], SearchResult]
    cost: Callable[[CellPath], float]


def fixed_path(name: str, cells: CellPath, toolset: Toolset) -> Entrant:
    """The same tools for every image."""
    return Entrant(name, lambda start: chain(start, cells), path_cost(toolset))


def oracle(toolset: Toolset) -> Entrant:
    """The tool that gains most in PSNR, while one does, three times at most: it sees the reference."""
    return Entrant(ORACLE, lambda start: greedy(start, ORACLE_STEPS)[-1], path_cost(toolset))


def agent_entrant(name: str, agent: Agent, toolset: Toolset, stop: Stopping = "value") -> Entrant:
    """An agent that stops by itself, with its own tools or those of the benchmark."""

    def restore(start: Restoration) -> SearchResult:
        own = Restoration(toolset, start.measure, precision=start.precision)
        own.begin(start.state.images, start.state.references)
        return rollout(own, agent, None, stop)

    return Entrant(name, restore, path_cost(toolset))


def one_network(name: str, network: nn.Module) -> Entrant:
    """One network for everything."""
    gflop = gflop_per_megapixel(network)

    @torch.no_grad()
    def restore(start: Restoration) -> SearchResult:
        restored = start.branch()
        restored.begin(network(start.state.images).clamp(0, 1), start.state.references)
        state = replace(restored.state, first_images=start.state.images, first_scores=start.state.scores)
        return SearchResult(state, np.ones(len(state), dtype=np.int64))

    return Entrant(name, restore, lambda path: gflop)


def path_cost(toolset: Toolset) -> Callable[[CellPath], float]:
    """The cost of paths with the tools of a toolset, GFLOP for a million pixels."""
    costs = tool_costs(toolset)
    return lambda path: float(sum(costs[cell] for cell in path))


@dataclass(frozen=True)
class Field:
    """What entrants are opened with.

    Attributes:
        toolset: Tools of the benchmark.
        fixed: Path of the suite, TYPE-DEGREE.
        trust: Whether agents may be files of Stable-Baselines3, whose loading runs code that they hold.
    """

    toolset: Toolset
    fixed: tuple[str, ...]
    trust: bool = False

    def cells(self, names: Iterable[str]) -> CellPath:
        """The cells called TYPE-DEGREE."""
        return tuple(self.toolset.cell(name) for name in names)


def _of_method(name: str, field: Field) -> Entrant:
    """What a method of `hirl evaluate` makes of an image; of several rows, the last."""
    run = method_of(name).open(name, field.toolset, field.trust)

    def restore(start: Restoration) -> SearchResult:
        *_, found = (result for rows in run(start, ()) for result in rows.values())
        return found

    return Entrant(name, restore, path_cost(field.toolset))


def _rl_restore(file: str, field: Field) -> Entrant:
    agent = load_rl_restore(Path(file)).to(field.toolset.device)
    return agent_entrant("rl-restore", agent, tiled(agent.toolset(field.toolset)), "steps")


# By name: entrants that need nothing more, and those whose name goes on with a colon.
PLAIN: dict[str, Callable[[Field], Entrant]] = {
    "distorted": lambda field: fixed_path("distorted", (), field.toolset),
    FIXED: lambda field: fixed_path(FIXED, field.cells(field.fixed), field.toolset),
    ORACLE: lambda field: oracle(field.toolset),
}
OF_SOMETHING: dict[str, Callable[[str, Field], Entrant]] = {
    "path": lambda names, field: fixed_path(names, field.cells(names.split(",")), field.toolset),
    "rl-restore": _rl_restore,
    "owan": lambda file, field: one_network("owan", load_owan(file)),
}


def open_entrant(name: str, field: Field) -> Entrant:
    """An entrant from its name.

    Args:
        name: ``distorted`` (nothing is done), ``fixed`` (the suite's path), ``oracle``; ``path:TYPE-DEGREE,...``;
            a registered agent (``hirl``, ``flat-dqn``, ...); a file of an agent; a method as of
            `hirl_experiments.evaluation.methods.method_of`; ``rl-restore:FILE`` or
            ``owan:FILE`` with their authors' weights; or ``module:factory``, a function without arguments that returns
            an agent, or cell values of images.
        field: What it is opened with.

    Raises:
        ValueError: If there is no such entrant.
    """
    kind, _, rest = name.partition(":")
    if name in PLAIN:
        return PLAIN[name](field)
    if kind in OF_SOMETHING and rest:
        return OF_SOMETHING[kind](rest, field)
    if kind in methods.names():
        return _of_method(name, field)
    if name in agents.names() or Path(name).suffix in AGENT_FILES:
        agent = load_agent(name, field.toolset, trust=field.trust)
        return agent_entrant(Path(name).name.removesuffix(SUFFIX), agent, tools_of(agent, field.toolset))
    if rest:
        return agent_entrant(name, as_agent(_made(name, kind, rest)), field.toolset)
    raise ValueError(
        f"unknown entrant {name!r}; known are: {', '.join(PLAIN)}, {', '.join(agents.names())}, a file of an agent, "
        f"a method ({', '.join(methods.names())}), "
        "path:TYPE-DEGREE,..., rl-restore:FILE, owan:FILE, module:factory"
    )


def _made(name: str, module: str, factory: str) -> Agent:
    try:
        made: Agent = getattr(importlib.import_module(module), factory)()
        return made
    except (ImportError, AttributeError) as error:
        raise ValueError(f"entrant {name!r}: {error}; give module:factory of an importable module") from None
