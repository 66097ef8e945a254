"""Searches that see the reference: the yardsticks for agents, which do not.

Each starts from a `Restoration`, steps branches of it on whole batches, and returns one `Found` per path length. Every
application of a tool to an image is charged as a trial. Memory does not grow with the number of trials: brute force
goes depth first and keeps one batch of images per depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hirl_env.data.degradations import Degradation
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Cell, Toolset


@dataclass(frozen=True)
class Found:
    """The best that a search found with paths of at most a given length.

    Attributes:
        restoration: Its ``images``, ``paths`` and ``gains`` are what was found, for the whole batch.
        trials: Applications of a tool that it took, per image, int64 (N,).
    """

    restoration: Restoration
    trials: npt.NDArray[np.int64]


def single(start: Restoration, cell: Cell) -> Found:
    """One tool, once."""
    return Found(_applied(_unbounded(start), cell), np.ones(len(start.images), dtype=np.int64))


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
    current, found = _unbounded(start), []
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
    path = []
    for step in reversed(degradation.steps):
        strengths = {
            cell: undoes.strength
            for cell in toolset.cells
            if (undoes := toolset[cell].undoes) is not None and undoes.family == step.family
        }
        if strengths:
            path.append(min(strengths, key=lambda cell: abs(strengths[cell] - step.strength)))
    return path


def greedy(start: Restoration, length: int) -> list[Found]:
    """Takes the tool that gains most, while any gains; the paper's second strategy (Fig. 1).

    Args:
        start: N images.
        length: Longest path.

    Returns:
        What there is after 1, ..., ``length`` steps.
    """
    _check_length(length)
    current, found = _unbounded(start), []
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
    _check_length(length)
    root = _unbounded(start)
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


def _check_length(length: int) -> None:
    if length < 1:
        raise ValueError(f"the length of a path must be at least 1, got {length}")


def _unbounded(start: Restoration) -> Restoration:
    """A branch that no rule of an episode ends."""
    branch = start.branch()
    branch.max_steps, branch.stop = None, None
    branch.ended = np.zeros_like(start.ended)
    return branch


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
