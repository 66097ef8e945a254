"""Searches that see the reference, the yardsticks for agents, which do not.

Each starts from a `Restoration`, steps branches of it on whole batches, and returns one `Found` per path length or
budget. Every application of a tool to an image is charged as a trial. But for `cyclic_best_first`, which keeps what it
has made, memory does not grow with the number of trials: brute force goes depth first and keeps one batch of images per
depth.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from hirl_agents.networks import CellValues
from hirl_agents.rollout import Agent, Found, as_followed, check_length, looking
from hirl_env.data.degradations import Degradation
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Cell, Toolset


@torch.no_grad()
def cyclic_best_first(
    start: Restoration, values: CellValues | Agent, budgets: Sequence[int], max_steps: int | None = None
) -> list[Found]:
    """The value-guided search of the paper's Table 2, which leaves open how more trials than one path has are spent.

    Trial by trial it takes turns over the lengths of paths, and lengthens that one of a length whose score so far plus
    value of the next tool is largest (cyclic best-first search; Kao, Sewell and Jacobson, 2009). Without the turns it
    would go deep where little is left to gain, for the value of a first tool says nothing of what a second adds.

    Like brute force it sees the reference: a node's score is known once it is reached, and the best node is the
    result. Keeps every image it has made: budget x images in memory.

    Args:
        start: N images.
        values: Of the cells, (N, types, degrees) for images (N, 3, H, W), or an agent that looks at single images.
        budgets: Trials an image after which to report, rising.
        max_steps: Longest path; None for that of the agent's training, 7 for a function.

    Returns:
        The best paths after each of the budgets. Doing nothing counts as a path, so no gain is negative.
    """
    if not budgets or min(budgets) < 1 or list(budgets) != sorted(budgets):
        raise ValueError(f"budgets of trials must be positive and rising, got {list(budgets)}")
    agent = as_followed(values)
    max_steps = agent.max_steps if max_steps is None else max_steps
    check_length(max_steps)
    root = start.unbounded()
    count, cells = len(start.images), start.toolset.cells
    best, found = root, []
    # Per image and length of path, what could be tried next: (minus what it promises, the order of entry for ties, the
    # node, the cell).
    frontiers: list[list[list[tuple[float, int, Restoration, Cell]]]]
    frontiers = [[[] for _ in range(max_steps)] for _ in range(count)]
    turns = [itertools.cycle(lengths) for lengths in frontiers]
    entries = itertools.count()

    def enter(nodes: Restoration, rows: npt.NDArray[np.int64]) -> None:
        lengths = np.array([len(path) for path in nodes.paths])
        goes_on = lengths < max_steps
        if not goes_on.any():
            return
        rows, lengths, nodes = rows[goes_on], lengths[goes_on], nodes.select(goes_on)
        worth = looking(agent, nodes)(np.arange(len(rows))).double().cpu().numpy()
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            node = nodes.select(np.array([place]))
            # One for all nodes of an image.
            node.references = None if root.references is None else root.references[row : row + 1]
            node.first_images = root.first_images[row : row + 1]
            for cell in cells:
                promise = float(node.scores[0] + worth[place][cell])
                heapq.heappush(frontiers[row][length], (-promise, next(entries), node, cell))

    enter(root, np.arange(count))
    trials = np.zeros(count, dtype=np.int64)
    for budget in budgets:
        while True:
            rows = np.flatnonzero([trials[row] < budget and any(frontiers[row]) for row in range(count)])
            if not len(rows):
                break
            chosen = [heapq.heappop(next(filter(None, turns[row]))) for row in rows]
            nodes = Restoration.joined([node for _, _, node, _ in chosen])
            nodes.step(np.array([cell for _, _, _, cell in chosen]))
            trials[rows] += 1
            better = np.flatnonzero(nodes.scores > best.scores[rows])
            if len(better):
                best = best.branch()
                best.put(rows[better], nodes.select(better))
            enter(nodes, rows)
        found.append(Found(best, trials.copy()))
    return found


def chain(start: Restoration, cells: Sequence[Cell]) -> Found:
    """The same tools for every image, one after the other."""
    current = start.unbounded()
    for cell in cells:
        current = _applied(current, cell)
    return Found(current, np.full(len(start.images), len(cells)))


def reverse_order(start: Restoration, degradations: Sequence[Degradation]) -> list[Found]:
    """Undoes the known distortions in reverse order, each with its own tool; the paper's first strategy (Fig. 1).

    Args:
        start: N images.
        degradations: What was done to each, settled (see `Degradation.draw`).

    Returns:
        What there is after 1, 2, ... steps; shorter paths stay as they are while longer ones go on. Where there is
        nothing to undo, the start itself.
    """
    paths = [reverse_path(start.toolset, degradation) for degradation in degradations]
    lengths = np.array([len(path) for path in paths])
    current, found = start.unbounded(), []
    if not lengths.any():
        return [Found(current, np.zeros_like(lengths))]
    for length in range(1, max(lengths) + 1):
        current = current.branch()
        rows = np.flatnonzero(lengths >= length)
        current.step(np.array([paths[row][length - 1] for row in rows]), rows)
        found.append(Found(current, np.minimum(lengths, length)))
    return found


def reverse_path(toolset: Toolset, degradation: Degradation) -> list[Cell]:
    """The cells that undo a settled degradation, last distortion first: of its family, the nearest in strength.

    A distortion for which no tool is made is passed over.
    """
    cells = (nearest_cell(toolset, toolset.cells, step) for step in reversed(degradation.steps))
    return [cell for cell in cells if cell is not None]


def nearest_cell(toolset: Toolset, cells: Sequence[Cell], distortion: Degradation) -> Cell | None:
    """Of these cells, the one made for the distortion's family that is nearest in strength; None if none is."""
    strengths = {
        cell: undoes.strength
        for cell in cells
        if (undoes := toolset[cell].undoes) is not None and undoes.family == distortion.family
    }
    return min(strengths, key=lambda cell: abs(strengths[cell] - distortion.strength), default=None)


def greedy(start: Restoration, length: int) -> list[Found]:
    """Takes the tool that gains most, while any gains; the paper's second strategy (Fig. 1).

    Args:
        start: N images.
        length: Longest path.

    Returns:
        What there is after 1, ..., ``length`` steps.
    """
    check_length(length)
    current, found = start.unbounded(), []
    trials = np.zeros(len(start.images), dtype=np.int64)
    rows = np.arange(len(start.images))
    for _ in range(length):
        if len(rows):
            before = current.select(rows)
            best = before
            for cell in start.toolset.cells:
                best = _better(best, _applied(before, cell))
            trials = trials.copy()
            trials[rows] += len(start.toolset.cells)
            current = current.branch()
            current.put(rows, best)
            rows = rows[best.scores > before.scores]
        found.append(Found(current, trials))
    return found


def brute_force(start: Restoration, length: int, progress: bool = False) -> list[Found]:
    """Tries every path; the paper's third strategy (Fig. 1).

    Args:
        start: N images.
        length: Longest path; with m tools it costs m + m^2 + ... + m^length trials an image.
        progress: Shows a progress bar.

    Returns:
        The best paths of at most 1, ..., ``length`` steps. Doing nothing counts as a path, so no gain is negative.
    """
    check_length(length)
    root = start.unbounded()
    cells = start.toolset.cells
    costs = np.cumsum([len(cells) ** depth for depth in range(1, length + 1)])
    best = [root] * length
    with tqdm(
        total=int(costs[-1]), desc="brute force", unit="trial", leave=False, disable=None if progress else True
    ) as bar:

        def expand(node: Restoration, depth: int) -> None:
            for cell in cells:
                child = _applied(node, cell)
                bar.update()
                best[depth] = _better(best[depth], child)
                if depth + 1 < length:
                    expand(child, depth + 1)

        expand(root, 0)
    found = []
    for depth, cost in enumerate(costs):
        if depth:
            best[depth] = _better(best[depth - 1], best[depth])
        found.append(Found(best[depth], np.full(len(start.images), cost)))
    return found


def _applied(node: Restoration, cell: Cell) -> Restoration:
    child = node.branch()
    child.step(np.broadcast_to(cell, (len(node.images), 2)))
    return child


def _better(one: Restoration, other: Restoration) -> Restoration:
    """Row by row the one that scores more; of equals, the first."""
    rows = np.flatnonzero(other.scores > one.scores)
    if not len(rows):
        return one
    merged = one.branch()
    merged.put(rows, other.select(rows))
    return merged
