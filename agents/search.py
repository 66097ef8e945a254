"""What is done to an image, step by step: by an agent's values, or by searches that see the reference.

Searches are the yardsticks for agents, which see no reference. Each starts from a `Restoration`, steps branches of it
on whole batches, and returns one `Found` per path length or budget. Every application of a tool to an image is charged
as a trial. But for `best_first`, which keeps what it has made, memory does not grow with the number of trials: brute
force goes depth first and keeps one batch of images per depth.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from hirl_env.data.degradations import Degradation
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Cell, Toolset

if TYPE_CHECKING:  # searches need no agent, and none of what agents are made of
    from agents.networks import CellValues, SeesTool

Stopping = Literal["value", "reference", "quality", "steps"]


@runtime_checkable
class Remembering(Protocol):
    """An agent whose values depend on the steps before, and not on the images alone."""

    def begin(self, restoration: Restoration) -> Callable[[npt.NDArray[np.int64]], torch.Tensor]:
        """Begins episodes; what it returns maps the rows that are to take a step to their cell values."""
        ...


@dataclass(frozen=True)
class Found:
    """The best that a search found with paths of at most a given length.

    Attributes:
        restoration: Its ``images``, ``paths`` and ``gains`` are what was found, for the whole batch.
        trials: Applications of a tool that it took, per image, int64 (N,).
    """

    restoration: Restoration
    trials: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Followed(Found):
    """What an agent made of a batch.

    Attributes:
        values: Per image, the value of the best cell before each step that was looked at; the last belongs to the step
            that was not taken where ``why`` is ``value``.
        why: Per image, why it stopped: ``value``, ``reference``, ``quality``, ``stop`` (the agent said so) or
            ``steps``.
    """

    values: list[list[float]]
    why: list[str]


def looking(
    values: CellValues | Remembering, restoration: Restoration
) -> Callable[[npt.NDArray[np.int64]], torch.Tensor]:
    """What an agent says of images that are being restored.

    Args:
        values: As of `follow`.
        restoration: N images, which will be stepped.

    Returns:
        A function of rows: their cell values, (n, types, degrees) or with one type more, as the images are by then. It
        raises ValueError where the values do not fit the toolset, or are not finite.
    """
    toolset = restoration.toolset
    if isinstance(values, Remembering):
        look = values.begin(restoration)
    else:
        look = lambda rows: values(restoration.images[rows])  # noqa: E731

    def checked(rows: npt.NDArray[np.int64]) -> torch.Tensor:
        cells = look(rows).float()
        if cells.shape not in {(len(rows), toolset.n_types + more, toolset.n_degrees) for more in (0, 1)}:
            raise ValueError(
                f"the agent must return values (N, {toolset.n_types}, {toolset.n_degrees}), one for each tool of the "
                f"toolset; got {tuple(cells.shape)}"
            )
        if cells.isnan().any() or cells.isposinf().any():
            raise ValueError("the agent returned a value that is not finite")
        return cells

    return checked


@torch.no_grad()
def follow(
    start: Restoration,
    values: CellValues | Remembering,
    max_steps: int,
    stop: Stopping = "value",
    on_step: Callable[[Restoration], None] | None = None,
) -> Followed:
    """Takes the cell of the largest value, step after step.

    Args:
        start: N images.
        values: Of the cells, (N, types, degrees) for images (N, 3, H, W); with STOP as one more type where
            the agent has one. Or an agent that remembers, whose episodes begin here.
        max_steps: Longest path.
        stop: Where to stop before that: ``value``: when no cell is worth more than zero (needs no reference);
            ``reference`` or ``quality``: when a step does not raise the measure of ``start``, and is then taken back
            (the paper's "until there is no reward", and, with a blind measure, its inference); ``steps``: never.
        on_step: Called after each step.

    Raises:
        ValueError: If the values do not fit the toolset, or are not finite.
    """
    _check_length(max_steps)
    current = start.branch()
    current.max_steps, current.stop = None, "no_gain" if stop in ("reference", "quality") else None
    current.ended = np.zeros_like(start.ended)
    count = len(start.images)
    seen: list[list[float]] = [[] for _ in range(count)]
    why = ["steps"] * count
    trials = np.zeros(count, dtype=np.int64)
    rows = np.arange(count)
    look = looking(values, current)
    for _ in range(max_steps):
        cells = look(rows)
        current.stop_action = cells.shape[1] == start.toolset.n_types + 1
        best, index = (part.cpu().numpy() for part in cells.flatten(1).max(dim=1))
        for row, value in zip(rows, best, strict=True):
            seen[row].append(float(value))
        worth = best > 0 if stop == "value" else np.ones(len(rows), dtype=np.bool_)
        for row in rows[~worth]:
            why[row] = "value"
        rows, actions = rows[worth], np.stack(np.divmod(index[worth], cells.shape[2]), axis=1)
        if not len(rows):
            break
        outcome = current.step(actions, rows)
        said = actions[:, 0] == start.toolset.n_types
        trials[rows[~said]] += 1
        for row, itself in zip(rows[outcome.terminated], said[outcome.terminated], strict=True):
            why[row] = "stop" if itself else stop
        if on_step is not None:
            on_step(current)
        rows = rows[~outcome.terminated]
        if not len(rows):
            break
    return Followed(current, trials, seen, why)


@torch.no_grad()
def best_first(
    start: Restoration, values: CellValues | SeesTool, budgets: Sequence[int], max_steps: int = 7
) -> list[Found]:
    """Spends trials where score so far plus value is largest; the value-guided search of the paper's Table 2.

    Like brute force it sees the reference: a node's score is known once it is reached, and the best node is the
    result. Keeps every image it has made: budget x images in memory.

    Args:
        start: N images.
        values: Of the cells, (N, types, degrees) for images (N, 3, H, W).
        budgets: Trials an image after which to report, rising.
        max_steps: Longest path.

    Returns:
        The best paths after each of the budgets. Doing nothing counts as a path, so no gain is negative.
    """
    if not budgets or min(budgets) < 1 or list(budgets) != sorted(budgets):
        raise ValueError(f"budgets of trials must be positive and rising, got {list(budgets)}")
    _check_length(max_steps)
    root = _unbounded(start)
    count, cells = len(start.images), start.toolset.cells
    best, found = root, []
    # Per image, what could be tried next: (minus what it promises, the order of entry for ties, the node, the cell).
    frontiers: list[list[tuple[float, int, Restoration, Cell]]] = [[] for _ in range(count)]
    entered = 0

    def enter(nodes: Restoration, rows: npt.NDArray[np.int64]) -> None:
        nonlocal entered
        worth = looking(values, nodes)(np.arange(len(rows))).double().cpu().numpy()
        for place, row in enumerate(rows):
            node = nodes.select(np.array([place]))
            node.references = None if root.references is None else root.references[row : row + 1]  # one for all
            if len(node.paths[0]) < max_steps:
                for cell in cells:
                    promise = node.scores[0] + worth[place][cell]
                    heapq.heappush(frontiers[row], (-float(promise), entered, node, cell))
                    entered += 1

    enter(root, np.arange(count))
    trials = np.zeros(count, dtype=np.int64)
    for budget in budgets:
        while True:
            rows = np.flatnonzero([trials[row] < budget and bool(frontiers[row]) for row in range(count)])
            if not len(rows):
                break
            chosen = [heapq.heappop(frontiers[row]) for row in rows]
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
    current = _unbounded(start)
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
