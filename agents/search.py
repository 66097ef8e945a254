"""Searches that see the reference, as yardsticks for agents, which do not.

Each starts from a `Restoration`, which it does not change, steps whole batches, and returns a `SearchResult`, or one
per path length or budget; `best_chain` returns the path that is best for all images. The best result has the highest
score by the restoration's measure, less its price on cost. Every application of a tool to an image is charged as a
trial. Except in `cyclic_best_first`, which keeps every image it makes, memory does not grow with the number of trials:
brute force goes depth first and keeps one batch of images per depth.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from hirl_agents.agent import Agent, as_agent, begin_episodes, check_length
from hirl_agents.networks import CellValues
from hirl_env.data.degradations import Degradation
from hirl_env.restoration import UNBOUNDED, Restoration, State
from hirl_env.tools.toolset import Cell, Toolset


@dataclass(frozen=True)
class SearchResult:
    """The best result of a search on a batch, with paths of at most a given length.

    Attributes:
        state: The whole batch after the best paths.
        trials: Number of trials that the search took for each image, int64 (N,).
    """

    state: State
    trials: npt.NDArray[np.int64]


@torch.no_grad()
def cyclic_best_first(
    start: Restoration, values: CellValues | Agent, budgets: Sequence[int], max_steps: int | None = None
) -> list[SearchResult]:
    """The value-guided search of the paper's Table 2. The paper does not say how it goes beyond a single path.

    With each trial it moves on to the next path length, in cyclic order. Among the paths of that length it extends the
    one whose score so far plus value of the next tool is largest (cyclic best-first search; Kao, Sewell and Jacobson,
    2009). Without the cycle it would go deep where little is left to gain, because the value of a first tool says
    nothing about what a second adds.

    Like brute force it sees the reference: a node's score is known once it is reached, and the best node is the
    result. It keeps every image it has made: budget x images in memory.

    Args:
        start: Restoration of N images.
        values: Function from images (N, 3, H, W) to cell values (N, types, degrees), or an agent without memory.
        budgets: Trials per image after which to report, rising.
        max_steps: Longest path; None for that of the agent's training, or 7 for a function.

    Returns:
        The best paths after each of the budgets. Doing nothing counts as a path, so no gain is negative.
    """
    if not budgets or min(budgets) < 1 or list(budgets) != sorted(budgets):
        raise ValueError(f"budgets of trials must be positive and rising, got {list(budgets)}")
    agent = as_agent(values)
    max_steps = agent.max_steps if max_steps is None else max_steps
    check_length(max_steps)
    root = start.with_rules(UNBOUNDED)
    frontier = _Frontier(root, agent, max_steps)
    frontier.enter(root.state, np.arange(len(root.state)))
    best, results = root.state, []
    trials = np.zeros(len(best), dtype=np.int64)
    for budget in budgets:
        while len(rows := np.flatnonzero((trials < budget) & frontier.nonempty())):
            nodes, cells = frontier.pop(rows)
            grown = root.with_state(nodes)
            grown.step(cells)
            trials[rows] += 1
            better = np.flatnonzero(root.worth(grown.state) > root.worth(best)[rows])
            if len(better):
                best = best.replace(rows[better], grown.state[better])
            frontier.enter(grown.state, rows)
        results.append(SearchResult(best, trials.copy()))
    return results


class _Frontier:
    """The candidates that a best-first search could try next, for every image and every path length.

    Args:
        root: Restoration of the images.
        agent: Agent whose values predict what a next tool gains.
        max_steps: Longest path.
    """

    def __init__(self, root: Restoration, agent: Agent, max_steps: int) -> None:
        self.root, self.agent, self.max_steps = root, agent, max_steps
        # Each entry: minus its predicted score, the order of entry to break ties, the node, the next tool.
        self.heaps: list[list[list[tuple[float, int, State, Cell]]]]
        self.heaps = [[[] for _ in range(max_steps)] for _ in range(len(root.state))]
        self.turns = [itertools.cycle(lengths) for lengths in self.heaps]
        self.entries = itertools.count()

    def nonempty(self) -> npt.NDArray[np.bool_]:
        """Whether there is something left to try, for each image, (N,)."""
        return np.array([any(lengths) for lengths in self.heaps])

    def enter(self, nodes: State, rows: npt.NDArray[np.int64]) -> None:
        """Adds every continuation of the nodes; each node belongs to one of these rows."""
        goes_on = nodes.lengths < self.max_steps
        if not goes_on.any():
            return
        rows, nodes = rows[goes_on], nodes[goes_on]
        values = begin_episodes(self.agent, self.root.with_state(nodes))(np.arange(len(rows))).double().cpu().numpy()
        for index, (row, length) in enumerate(zip(rows, nodes.lengths, strict=True)):
            node = self._slim(nodes[np.array([index])], row)
            for cell in self.root.toolset.cells:
                promise = float(self.root.worth(node)[0] + values[index][cell])
                heapq.heappush(self.heaps[row][length], (-promise, next(self.entries), node, cell))

    def pop(self, rows: npt.NDArray[np.int64]) -> tuple[State, npt.NDArray[np.int64]]:
        """The most promising node of each of these rows, at the length whose turn it is, and its next tool."""
        chosen = [heapq.heappop(next(filter(None, self.turns[row]))) for row in rows]
        return State.join([node for _, _, node, _ in chosen]), np.array([cell for *_, cell in chosen])

    def _slim(self, node: State, row: int) -> State:
        """The node with its reference and first image as views of the root's memory."""
        root = self.root.state
        references = None if root.references is None else root.references[row : row + 1]
        return replace(node, references=references, first_images=root.first_images[row : row + 1])


def chain(start: Restoration, cells: Sequence[Cell]) -> SearchResult:
    """Applies the same path to every image."""
    current = start.with_rules(UNBOUNDED)
    for cell in cells:
        _apply(current, cell)
    return SearchResult(current.state, np.full(len(current.state), len(cells)))


def best_chain(starts: Iterable[Restoration], length: int, most: float = np.inf) -> tuple[tuple[Cell, ...], float]:
    """The path that gains most on average when every image takes it; the empty path counts.

    Args:
        starts: Batches of images, with the measure to maximise.
        length: Longest path; with m tools it costs m + m^2 + ... + m^length trials per image.
        most: Cap on the scores.

    Returns:
        The path and its mean gain.
    """
    check_length(length)
    gains: dict[tuple[Cell, ...], float] = {(): 0.0}
    count = 0
    for start in starts:
        count += len(start.state)
        root, before = start.with_rules(UNBOUNDED), start.worth(start.state, most)
        paths: list[tuple[tuple[Cell, ...], State]] = [((), root.state)]
        while paths:
            path, node = paths.pop()
            for cell in root.toolset.cells:
                child, longer = _applied(root, node, cell), (*path, cell)
                gained = root.worth(child, most) - before
                gains[longer] = gains.get(longer, 0.0) + float(gained.sum())
                if len(longer) < length:
                    paths.append((longer, child))
    best = max(gains, key=lambda path: gains[path])
    return best, gains[best] / max(count, 1)


def reverse_order(start: Restoration, degradations: Sequence[Degradation]) -> list[SearchResult]:
    """Undoes the known distortions in reverse order, each with its own tool; the paper's first strategy (Fig. 1).

    Args:
        start: Restoration of N images.
        degradations: Degradation of each image, settled (see `Degradation.draw`).

    Returns:
        The results after 1, 2, ... steps; images with shorter paths stay unchanged while longer ones continue. The
        start itself if there is nothing to undo.
    """
    paths = [reverse_path(start.toolset, degradation) for degradation in degradations]
    lengths = np.array([len(path) for path in paths])
    current, results = start.with_rules(UNBOUNDED), []
    if not lengths.any():
        return [SearchResult(current.state, np.zeros_like(lengths))]
    for length in range(1, max(lengths) + 1):
        rows = np.flatnonzero(lengths >= length)
        current.step(np.array([paths[row][length - 1] for row in rows]), rows)
        results.append(SearchResult(current.state, np.minimum(lengths, length)))
    return results


def reverse_path(toolset: Toolset, degradation: Degradation) -> list[Cell]:
    """The cells that undo a settled degradation, last distortion first: for each, the nearest in strength.

    A distortion for whose family there is no tool is skipped.
    """
    cells = (nearest_cell(toolset, toolset.cells, step) for step in reversed(degradation.steps))
    return [cell for cell in cells if cell is not None]


def nearest_cell(toolset: Toolset, cells: Sequence[Cell], distortion: Degradation) -> Cell | None:
    """The cell, among those for the distortion's family, that is nearest in strength; None if there is no such cell."""
    strengths = {
        cell: undoes.strength
        for cell in cells
        if (undoes := toolset[cell].undoes) is not None and undoes.family == distortion.family
    }
    return min(strengths, key=lambda cell: abs(strengths[cell] - distortion.strength), default=None)


def greedy(start: Restoration, length: int) -> list[SearchResult]:
    """Takes the tool that gains most, as long as one gains; the paper's second strategy (Fig. 1).

    Args:
        start: Restoration of N images.
        length: Longest path.

    Returns:
        The results after 1, ..., ``length`` steps.
    """
    check_length(length)
    root = start.with_rules(UNBOUNDED)
    state, results = root.state, []
    trials = np.zeros(len(state), dtype=np.int64)
    rows = np.arange(len(state))
    for _ in range(length):
        if len(rows):
            before = best = state[rows]
            for cell in root.toolset.cells:
                best = _better(root, best, _applied(root, before, cell))
            trials = trials.copy()
            trials[rows] += len(root.toolset.cells)
            state = state.replace(rows, best)
            rows = rows[root.worth(best) > root.worth(before)]
        results.append(SearchResult(state, trials))
    return results


def brute_force(start: Restoration, length: int, progress: bool = False) -> list[SearchResult]:
    """Tries every path; the paper's third strategy (Fig. 1).

    Args:
        start: Restoration of N images.
        length: Longest path; with m tools it costs m + m^2 + ... + m^length trials per image.
        progress: Whether to show a progress bar.

    Returns:
        The best paths of at most 1, ..., ``length`` steps. Doing nothing counts as a path, so no gain is negative.
    """
    check_length(length)
    root = start.with_rules(UNBOUNDED)
    cells = root.toolset.cells
    costs = np.cumsum([len(cells) ** depth for depth in range(1, length + 1)])
    best = [root.state] * length
    with tqdm(
        total=int(costs[-1]), desc="brute force", unit="trial", leave=False, disable=None if progress else True
    ) as bar:

        def expand(node: State, depth: int) -> None:
            for cell in cells:
                child = _applied(root, node, cell)
                bar.update()
                best[depth] = _better(root, best[depth], child)
                if depth + 1 < length:
                    expand(child, depth + 1)

        expand(root.state, 0)
    for depth in range(1, length):
        best[depth] = _better(root, best[depth - 1], best[depth])
    return [SearchResult(state, np.full(len(state), cost)) for state, cost in zip(best, costs, strict=True)]


def _apply(restoration: Restoration, cell: Cell) -> None:
    restoration.step(np.broadcast_to(cell, (len(restoration.state), 2)))


def _applied(root: Restoration, node: State, cell: Cell) -> State:
    child = root.with_state(node)
    _apply(child, cell)
    return child.state


def _better(root: Restoration, one: State, other: State) -> State:
    """The better of two states, row by row; the first if they are equal."""
    rows = np.flatnonzero(root.worth(other) > root.worth(one))
    return one.replace(rows, other[rows]) if len(rows) else one
