"""Methods to restore distorted images: searches, agents, and whatever else is registered.

To add one, subclass `Method` as a frozen dataclass, and register it in `methods`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hirl_agents.agent import Agent
from hirl_agents.loading import load_agent, tools_of
from hirl_agents.pixel_rl import STEPS, load_pixel_rl, restore
from hirl_agents.pricing import priced
from hirl_agents.registry import agents
from hirl_agents.rollout import Stopping, rollout
from hirl_agents.search import SearchResult, brute_force, chain, cyclic_best_first, greedy, reverse_order
from hirl_env.data.degradations import Degradation
from hirl_env.quality import Measure
from hirl_env.registry import Registry
from hirl_env.restoration import Restoration
from hirl_env.tools.cost import gflop_per_megapixel
from hirl_env.tools.toolset import Cell, Toolset
from hirl_experiments.command_line.checks import blind_measure
from hirl_experiments.command_line.options import replaced
from hirl_experiments.evaluation.method import Method, Run
from hirl_experiments.evaluation.network_methods import Ffdnet, Owan, network_result

AGENT_FILES = (".safetensors", ".npz", ".zip")


@dataclass(frozen=True)
class Distorted(Method):
    """The distorted images, unchanged."""

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Returns a run that changes nothing."""
        return lambda start, _: iter([{name: SearchResult(start.state, np.zeros(len(start.state), dtype=np.int64))}])


@dataclass(frozen=True)
class Single(Method):
    """Every tool alone, a row for each."""

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Returns a run that applies each tool once."""
        called = Counter(toolset[cell].name for cell in toolset.cells)

        def title(cell: Cell) -> str:
            tool = toolset[cell].name
            return f"{name} {tool}" if called[tool] == 1 else f"{name} {tool} ({toolset.name_of(cell)})"

        return lambda start, _: ({title(cell): chain(start, [cell])} for cell in toolset.cells)


@dataclass(frozen=True)
class Chain(Method):
    """The same path for every image.

    Args:
        tools: Tools as TYPE-DEGREE.
    """

    tools: tuple[str, ...] = ("deblur-2", "dejpeg-0")

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Returns a run that applies them in turn."""
        cells = tuple(toolset.cell(tool) for tool in self.tools)
        return lambda start, _: iter([{name: chain(start, cells)}])


@dataclass(frozen=True)
class Reverse(Method):
    """The tools that undo the degradations, last one first; it knows the degradations."""

    told: ClassVar[bool] = True

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Returns a run that applies them."""
        return lambda start, applied: iter([{name: reverse_order(start, applied)[-1]}])


@dataclass(frozen=True)
class Greedy(Method):
    """The tool that gains most, as long as one gains; it sees the reference.

    Args:
        depth: Longest path.
    """

    chooses: ClassVar[bool] = True
    depth: int = 3

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Returns the search."""
        _check_positive(name, depth=self.depth)
        return lambda start, _: iter([{name: greedy(start, self.depth)[-1]}])


@dataclass(frozen=True)
class BruteForce(Method):
    """The best of all paths; it sees the reference. A row for each length; the longest has no number.

    Args:
        depth: Longest path.
    """

    chooses: ClassVar[bool] = True
    depth: int = 3

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Returns the search."""
        _check_positive(name, depth=self.depth)

        def run(start: Restoration, applied: Sequence[Degradation]) -> Iterator[dict[str, SearchResult]]:
            *shorter, longest = brute_force(start, self.depth, progress=True)
            yield {f"{name}-{length}": found for length, found in enumerate(shorter, 1)} | {name: longest}

        return run


@dataclass(frozen=True)
class Follow(Method):
    """The rollout of an agent.

    Args:
        agent: Agent: a registered name, or a file.
        stop: Rule by which it stops: value, when no tool is predicted to gain or, if it has STOP, by that action, and
            at a first step that changes nothing visible; reference or quality, at the first step that does not raise
            the PSNR or the measure; steps, never.
        max_steps: Longest path. Default: that of its training.
        measure: Blind measure for the stop quality.
    """

    chooses: ClassVar[bool] = True
    agent: str = "hirl"
    stop: Stopping = "value"
    max_steps: int | None = None
    measure: str = "hirl-biqa"

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Loads the agent, with its own tools if it has some, and returns its rollout."""
        _check_positive(name, max_steps=self.max_steps)
        judge = blind_measure(self.measure, name) if self.stop == "quality" else None
        agent = load_agent(self.agent, toolset, trust=trust)
        return follow(agent, tools_of(agent, toolset), name, self.stop, self.max_steps, judge)


def follow(
    agent: Agent, toolset: Toolset, name: str, stop: Stopping, max_steps: int | None, judge: Measure | None = None
) -> Run:
    """The rollout of an agent on a batch, charged the batch's price.

    Args:
        agent: An agent.
        toolset: Tools that it chooses among.
        name: Name of the row.
        stop: The stopping rule, as in `rollout`.
        max_steps: Longest path; None for that of its training.
        judge: Measure of the stopping rule; None for that of the batch.
    """
    toolset.count_costs()

    def run(start: Restoration, applied: Sequence[Degradation]) -> Iterator[dict[str, SearchResult]]:
        own = Restoration(toolset, judge or start.measure, precision=start.precision, price=start.price)
        own.begin(start.state.images, start.state.references)
        charged = priced(agent, start.price, preview=stop == "value")
        yield {name: rollout(own, charged, max_steps, stop)}

    return run


@dataclass(frozen=True)
class Search(Method):
    """A search that is guided by an agent's values; it sees the reference. A row for each budget.

    Args:
        agent: Agent: a registered name, or a file.
        budgets: Trials per image that it may spend, rising.
        max_steps: Longest path. Default: that of the agent's training.
    """

    chooses: ClassVar[bool] = True
    agent: str = "hirl"
    budgets: tuple[int, ...] = (9, 90)
    max_steps: int | None = None

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Loads the agent, and returns the search."""
        _check_positive(name, max_steps=self.max_steps)
        if not self.budgets or self.budgets[0] < 1 or list(self.budgets) != sorted(set(self.budgets)):
            given = " ".join(map(str, self.budgets)) or "none"
            raise ValueError(f"method {name}: budgets must be positive and rising, got {given}")
        agent = load_agent(self.agent, toolset, trust=trust)

        def run(start: Restoration, applied: Sequence[Degradation]) -> Iterator[dict[str, SearchResult]]:
            found = cyclic_best_first(start, priced(agent, start.price), self.budgets, self.max_steps)
            yield {f"{name}-{budget}": one for budget, one in zip(self.budgets, found, strict=True)}

        return run


@dataclass(frozen=True)
class PixelWise(Method):
    """PixelRL: in each of five steps, shown as trials, every pixel chooses among nine filters.

    Args:
        weights: File that hirl train-pixel-rl wrote. Default: the shipped one.
    """

    weights: str | None = None

    def open(self, name: str, toolset: Toolset, trust: bool = False) -> Run:
        """Loads the network, and returns what it does."""
        network = load_pixel_rl(None if self.weights is None else Path(self.weights)).to(toolset.device)
        gflop = gflop_per_megapixel(partial(restore, network), toolset.device)

        def run(start: Restoration, applied: Sequence[Degradation]) -> Iterator[dict[str, SearchResult]]:
            images = restore(network, start.state.images, start.precision)
            yield {name: network_result(start, images, gflop, STEPS)}

        return run


def _shorthand(text: Any) -> Method | None:
    """A method from ``NAME:OPTION=VALUE,OPTION=VALUE``, or the `Follow` of an agent's name or file.

    Several values of one option are joined by ``+``: ``search:agent=hirl,budgets=9+90``. If only the first option is
    given, its name may be left out: ``owan:FILE``.
    """
    if not isinstance(text, str):
        return None
    name, _, rest = text.partition(":")
    if name in methods.names():
        method = methods.resolve(name)
        if rest and "=" not in rest and fields(method):
            rest = f"{fields(method)[0].name}={rest}"
    elif Path(text).suffix in AGENT_FILES:
        return Follow(text)  # the whole text, because a path may contain a colon
    elif name in agents.names() or Path(name).suffix in AGENT_FILES:
        method = Follow(name)
    else:
        return None
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        option, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"method {text}: write options as {name}:OPTION=VALUE,OPTION=VALUE")
        several = isinstance(getattr(method, option.replace("-", "_"), None), tuple)
        options[option] = value.split("+") if several else value
    try:
        return replaced(method, options)
    except ValueError as error:
        raise ValueError(f"method {text}: {error}") from None


methods: Registry[Method] = Registry("method", Method, _shorthand, "agents' names and files")  # type: ignore[type-abstract]
methods.register("distorted", Distorted)
methods.register("single", Single)
methods.register("chain", Chain)
methods.register("reverse", Reverse)
methods.register("greedy", Greedy)
methods.register("brute-force", BruteForce)
methods.register("search", Search)
methods.register("pixel-rl", PixelWise)
methods.register("owan", Owan)
methods.register("ffdnet", Ffdnet)


def open_methods(names: Sequence[str], toolset: Toolset, trust: bool = False) -> dict[str, Run]:
    """Opened methods by their short-hands; a method that is named twice is there once.

    Raises:
        ValueError: If a method is unknown, or cannot be opened.
    """
    return {name: methods.resolve(name).open(name, toolset, trust) for name in names}


def _check_positive(method: str, **options: int | None) -> None:
    for option, value in options.items():
        if value is not None and value < 1:
            raise ValueError(f"method {method}: {option} must be at least 1, got {value}")
