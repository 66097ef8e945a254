"""Entrants of `hirl benchmark`: agents, baselines, and the paths that scores are computed from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm

from hirl_agents.agent import Agent
from hirl_agents.loading import load_agent, tools_of
from hirl_agents.networks import SUFFIX, CellValues
from hirl_agents.registry import AGENT_OF_TOOLSET, agents
from hirl_agents.search import SearchResult
from hirl_env.data.degradations import Degradation
from hirl_env.plugins import import_here
from hirl_env.registry import takes_nothing
from hirl_env.restoration import Restoration
from hirl_env.reward import check_price
from hirl_env.tools.toolset import Toolset
from hirl_experiments.evaluation.method import Method, Run
from hirl_experiments.evaluation.methods import AGENT_FILES, Chain, Greedy, follow, methods

ORACLE_STEPS = 3
FIXED, ORACLE = "fixed", "oracle"


@dataclass(frozen=True)
class Entrant:
    """A named way to restore a batch of distorted images.

    Attributes:
        name: Name in tables.
        restore: Function from the start of a restoration and the degradation of each image to the result.
        chooses: Whether it weighs the gains of tools against the price of their cost.
        told: Whether it has to be told the degradation of each image.
    """

    name: str
    restore: Callable[[Restoration, Sequence[Degradation]], SearchResult]
    chooses: bool = False
    told: bool = False

    def run(self, start: Restoration, applied: Sequence[Degradation]) -> Iterator[dict[str, SearchResult]]:
        """Restores a batch, as a method's run (see `hirl_experiments.evaluation.methods`)."""
        yield {self.name: self.restore(start, applied)}


def run_entrant(name: str, run: Run, price: float, chooses: bool, told: bool = False) -> Entrant:
    """The entrant of a method under a price of a GFLOP; if the method has several rows, of the last."""

    def restore(start: Restoration, applied: Sequence[Degradation]) -> SearchResult:
        *_, found = (result for rows in run(start.with_price(price), applied) for result in rows.values())
        return found

    return Entrant(name, restore, chooses, told)


def agent_entrant(name: str, agent: Agent, options: EntrantOptions) -> Entrant:
    """The entrant of an agent that stops by itself, with its own tools if it has some."""
    steps = agent.max_steps if options.max_steps is None else min(options.max_steps, agent.max_steps)
    run = follow(agent, tools_of(agent, options.toolset), name, "value", steps)
    return run_entrant(name, run, options.price, chooses=True)


@dataclass(frozen=True)
class EntrantOptions:
    """Options with which entrants are opened.

    Attributes:
        toolset: Tools of the benchmark.
        fixed: Fixed path of the suite with this toolset, TYPE-DEGREE; None if none is known.
        trust: Whether agents may be files of Stable-Baselines3, whose loading runs code that they hold.
        price: Price of a GFLOP, dB, for entrants that choose.
        max_steps: Longest path of agents and the oracle; None for that of an agent's training, and 3 for the oracle.
    """

    toolset: Toolset
    fixed: tuple[str, ...] | None
    trust: bool = False
    price: float = 0.0
    max_steps: int | None = None


def _method_entrant(name: str, method: Method, options: EntrantOptions) -> Entrant:
    run = method.open(name, options.toolset, options.trust)
    return run_entrant(name, run, options.price, method.chooses, method.told)


def _fixed_entrant(path: tuple[str, ...] | None, options: EntrantOptions) -> Entrant:
    """The entrant that takes the same path for every image, which defines the score 0."""
    if path is None:
        raise ValueError(
            f"{FIXED}: no path is known of this suite with this toolset; find one with `hirl fixed-path` on training "
            f"photographs and give it as {FIXED}:TYPE-DEGREE,..., or leave {FIXED} out of --entrants"
        )
    return _method_entrant(FIXED, Chain(path), options)


# Entrants by name: first those whose name is complete, then those whose name continues after a colon.
PLAIN: dict[str, Callable[[EntrantOptions], Entrant]] = {
    FIXED: lambda options: _fixed_entrant(options.fixed, options),
    ORACLE: lambda options: _method_entrant(
        ORACLE, Greedy(min(ORACLE_STEPS, options.max_steps or ORACLE_STEPS)), options
    ),
}
PREFIXES: dict[str, Callable[[str, EntrantOptions], Entrant]] = {
    FIXED: lambda tools, options: _fixed_entrant(tuple(tools.split(",")), options),
    "path": lambda tools, options: _method_entrant(tools, Chain(tuple(tools.split(","))), options),
    "rl-restore": lambda file, options: agent_entrant("rl-restore", load_agent(file, options.toolset), options),
}


def default_entrants(toolset: str) -> tuple[str, ...]:
    """The names of the fixed path, the shipped agent of a toolset if it has one, and the oracle."""
    agent = AGENT_OF_TOOLSET.get(toolset)
    return (FIXED, *(() if agent is None else (agent,)), ORACLE)


def open_entrant(name: str, options: EntrantOptions) -> Entrant:
    """An entrant from its name.

    Args:
        name: Name: ``fixed`` (the suite's path), ``fixed:TYPE-DEGREE,...`` (another path in its place), ``oracle``;
            ``path:TYPE-DEGREE,...``; a registered agent (``hirl``, ``flat-dqn``, ...); a file of an agent, or
            ``FILE:max_steps=3``; a method of `hirl_experiments.evaluation.methods` (such as ``owan:FILE``, with its
            authors' weights); ``rl-restore:FILE``, also with its authors' weights; or ``module:factory``, a function
            without arguments that returns an agent, a model of Stable-Baselines3, or a function from images to cell
            values. ``NAME@PRICE`` is an agent or a search under a price of a GFLOP in dB.
        options: Toolset and options that it is opened with.

    Raises:
        ValueError: If there is no such entrant, or an entrant that does not choose has a price.
    """
    unpriced, price = without_price(name)
    if unpriced != name:
        check_price(price)
        entrant = open_entrant(unpriced, replace(options, price=price))
        if not entrant.chooses:
            raise ValueError(f"entrant {name!r}: {unpriced} chooses no tools, so a price changes nothing; leave it out")
        return replace(entrant, name=f"{entrant.name}@{price:g}")
    kind, _, rest = name.partition(":")
    if name in PLAIN:
        return PLAIN[name](options)
    if kind in PREFIXES and rest:
        return PREFIXES[kind](rest, options)
    if kind in methods.names() or (Path(kind).suffix in AGENT_FILES and "=" in rest):
        return _method_entrant(name if "=" in rest else kind, methods.resolve(name), options)
    if name in agents.names() or Path(name).suffix in AGENT_FILES:
        agent = load_agent(name, options.toolset, trust=options.trust)
        return agent_entrant(Path(name).name.removesuffix(SUFFIX), agent, options)
    if rest:
        return agent_entrant(name, load_agent(_from_factory(name, kind, rest), options.toolset), options)
    raise ValueError(
        f"unknown entrant {name!r}; known are: {', '.join(PLAIN)}, {', '.join(agents.names())}, a file of an agent, "
        f"a method ({', '.join(methods.names())}), path:TYPE-DEGREE,..., {FIXED}:TYPE-DEGREE,..., "
        "rl-restore:FILE, module:factory, and any that chooses with @PRICE"
    )


def without_price(name: str) -> tuple[str, float]:
    """The name of an entrant without the price at its end, and the price in dB per GFLOP; 0 if it has none."""
    entrant, _, price = name.rpartition("@")
    try:
        return (entrant, float(price)) if entrant else (name, 0.0)
    except ValueError:
        return name, 0.0


def open_entrants(names: Sequence[str], options: EntrantOptions) -> list[Entrant]:
    """Entrants from their names, as `open_entrant` takes them.

    If two would have the same name in tables, the folder of their file is put before it: ``a/best``.

    Raises:
        ValueError: If there is no such entrant, or two would have the same name even so.
    """
    opened = {name: open_entrant(name, options) for name in names}
    # Without prices, because one entrant at two prices needs no folder to tell it apart.
    bare = {name: (without_price(name)[0], without_price(entrant.name)[0]) for name, entrant in opened.items()}
    shared = Counter(called for _, called in set(bare.values()))
    named: dict[str, str] = {}
    entrants = []
    for name, entrant in opened.items():
        file, called = bare[name]
        own = _with_folder(file, entrant.name) if shared[called] > 1 else entrant.name
        if named.setdefault(own, name) != name:
            raise ValueError(f"{named[own]} and {name} would both be called {own!r}: rename a file, or name one")
        entrants.append(replace(entrant, name=own))
    return entrants


def _with_folder(name: str, called: str) -> str:
    """The name of an entrant, with that of its file's folder before it if it has a file."""
    kind, _, rest = name.partition(":")
    folder = Path(rest or kind).parent.name
    return f"{folder}/{called}" if folder else called


def expanded(names: Sequence[str], toolset: Toolset) -> list[str]:
    """Names of entrants, each once, with the names of all tools in place of ``single``."""
    tools = [f"path:{toolset.name_of(cell)}" for cell in toolset.cells]
    return list(dict.fromkeys(chain.from_iterable(tools if name == "single" else [name] for name in names)))


def _from_factory(name: str, module: str, factory: str) -> CellValues | Agent | BaseAlgorithm:
    try:
        make = getattr(import_here(module), factory)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"entrant {name!r}: {error}; give module:factory of an importable module") from None
    if not takes_nothing(make):
        raise ValueError(f"entrant {name!r}: a factory is called without arguments, and {factory} is no such function")
    made: CellValues | Agent | BaseAlgorithm = make()
    if isinstance(made, str | os.PathLike):
        raise ValueError(f"entrant {name!r}: a factory returns an agent, not the name of one; it returned {made!r}")
    return made
