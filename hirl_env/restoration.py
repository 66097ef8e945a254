"""A batch of images under restoration: the stepping loop that environments, searches and the restorer share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch

from hirl_env.arrays import Flags, Floats, Indices
from hirl_env.checks import is_count
from hirl_env.devices import Precision, check_precision
from hirl_env.quality import Measure, look_alike, psnr
from hirl_env.reward import check_price
from hirl_env.tools.toolset import Cell, Toolset

Stop = Literal["no_gain", "no_change", "below_start"]
Array = TypeVar("Array", torch.Tensor, npt.NDArray[Any])


@dataclass(frozen=True)
class Rules:
    """What ends an episode.

    Attributes:
        max_steps: Steps after which an episode is truncated; None for no bound.
        time_limit: Steps after which it is truncated even where it terminates in the last of them, as by a TimeLimit;
            None for no bound. At least ``max_steps``.
        stop: Rule that ends episodes early: ``no_gain`` ends an episode at the first step that gains nothing, and takes
            that step back; ``no_change`` does so at the first step of all, if the image looks as before after it
            (`hirl_env.quality.look_alike`); ``below_start`` ends an episode when an image scores less than at the
            beginning (RL-Restore's rule in training); None does none of these.
        stop_action: Whether there is one more type after the toolset's own, STOP, which ends the episode and changes
            nothing.

    Raises:
        ValueError: If an attribute is not one of the above.
    """

    max_steps: int | None = None
    stop: Stop | None = None
    stop_action: bool = False
    time_limit: int | None = None

    def __post_init__(self) -> None:
        if self.max_steps is not None and not is_count(self.max_steps):
            raise ValueError(f"max_steps must be at least 1, or None for no bound; got {self.max_steps!r}")
        if self.time_limit is not None and not (is_count(self.time_limit) and self.time_limit >= (self.max_steps or 1)):
            raise ValueError(f"time_limit must be at least max_steps, or None for no bound; got {self.time_limit!r}")
        if self.stop not in (None, *get_args(Stop)):
            raise ValueError(f"stop must be None, 'no_gain', 'no_change' or 'below_start'; got {self.stop!r}")


UNBOUNDED = Rules()  # nothing ends an episode


@dataclass(frozen=True, eq=False)
class State:
    """N images, what has been done to them, and how well they score: one row per image in every array.

    Arrays are replaced and never written to, so states can share them.

    Attributes:
        images: The current images, float32 (N, 3, H, W), in [0, 1] except after tools that do not clamp.
        first_images: The images at the start of their episodes, of the same shape.
        references: The clean originals, of the same shape; None where there are none.
        scores: The measure of the current images, float64 (N,).
        first_scores: The measure of the first images, float64 (N,).
        psnr: PSNR of the current images in dB, float64 (N,); None without references.
        costs: GFLOP that the tools on the path took, float64 (N,).
        path: The (type, degree) pairs applied, int64 (N, length, 2), padded with -1.
        steps: The number of steps taken, int64 (N,), including STOP and steps taken back.
        ended: Whether the episode is over, (N,).
    """

    images: torch.Tensor
    first_images: torch.Tensor
    references: torch.Tensor | None
    scores: Floats
    first_scores: Floats
    psnr: Floats | None
    costs: Floats
    path: Indices
    steps: Indices
    ended: Flags

    @classmethod
    def first(
        cls, images: torch.Tensor, references: torch.Tensor | None, scores: Floats, decibels: Floats | None
    ) -> State:
        """The state in which episodes begin.

        Args:
            images: Distorted images, float32 (N, 3, H, W).
            references: Clean originals of the same shape, or None.
            scores: The measure of the images, float64 (N,).
            decibels: PSNR of the images in dB, float64 (N,), or None.
        """
        count = len(images)
        path, steps, ended = np.full((count, 1, 2), -1, np.int64), np.zeros(count, np.int64), np.zeros(count, np.bool_)
        return cls(images, images, references, scores, scores, decibels, np.zeros(count), path, steps, ended)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Indices | Flags | slice) -> State:
        """The state of some images, in the order of ``rows``."""
        numbers = np.arange(len(self))
        rows = numbers[rows]
        if np.array_equal(rows, numbers):
            return self
        return _fieldwise(lambda values: values[rows], [self])

    def replace(self, rows: Indices, other: State) -> State:
        """The state with some rows replaced by the rows of another state, in that state's order.

        Raises:
            ValueError: If only one of the two has references.
        """
        return _fieldwise(lambda values, new: _assigned(values, rows, new), _aligned([self, other]))

    @staticmethod
    def join(parts: Sequence[State]) -> State:
        """Several states of images of the same size concatenated into one.

        Raises:
            ValueError: If some of them have references and others have none.
        """
        return _fieldwise(_concatenated, _aligned(parts))

    @property
    def gains(self) -> Floats:
        """How much each image has gained in the measure since the beginning, float64 (N,)."""
        return self.scores - self.first_scores

    @property
    def lengths(self) -> Indices:
        """The length of each path, int64 (N,)."""
        return (self.path[:, :, 0] >= 0).sum(axis=1)

    @property
    def paths(self) -> list[tuple[Cell, ...]]:
        """The path of each image as (type, degree) pairs."""
        return [tuple((kind, degree) for kind, degree in path if kind >= 0) for path in self.path.tolist()]


@dataclass(frozen=True)
class Outcome:
    """What a step did to the n images that took it.

    Attributes:
        gains: Change of the measure less the price of the tool, float64 (n,): the reward.
        terminated: Whether the episode has terminated, (n,).
        truncated: Whether it was cut off at ``max_steps``, (n,).
        tool_gains: Gains of all tools, less their prices, float64 (n, types, degrees); None unless all were tried.
    """

    gains: Floats
    terminated: Flags
    truncated: Flags
    tool_gains: Floats | None = None


class Restoration:
    """Steps N images with the tools that actions choose.

    Args:
        toolset: Tools that the actions choose from.
        measure: The measure whose gain is the reward.
        rules: Rules that end an episode.
        precision: Precision of the tools.
        price: Price of a GFLOP, in units of the measure.

    Raises:
        ValueError: If the precision is unknown, or the price negative.

    Attributes:
        state: The images and what was done to them, on the toolset's device; empty before `begin`.
    """

    def __init__(
        self,
        toolset: Toolset,
        measure: Measure,
        rules: Rules = UNBOUNDED,
        precision: Precision = "float32",
        price: float = 0.0,
    ) -> None:
        check_precision(precision)
        check_price(price)
        self.toolset, self.measure, self.rules, self.precision = toolset, measure, rules, precision
        self.price = price
        self.state = State.first(torch.zeros(0, 3, 0, 0), None, np.zeros(0), None)

    def begin(self, images: torch.Tensor, references: torch.Tensor | None, rows: Indices | None = None) -> None:
        """Starts episodes.

        Args:
            images: Distorted images, float32 (n, 3, H, W) in [0, 1], n at least 1.
            references: Clean originals of the same shape, or None.
            rows: The rows whose episodes are replaced, (n,), distinct; None for a new batch.

        Raises:
            ValueError: If an argument is something else, the measure refuses it, or it does not fit the other rows; the
                state is unchanged then.
        """
        _check_images("images", images)
        if references is not None:
            _check_images("references", references)
            if references.shape != images.shape:
                raise ValueError(
                    f"images {tuple(images.shape)} and references {tuple(references.shape)} differ in shape; give "
                    "each image the reference of its size"
                )
        references = None if references is None else references.to(self.toolset.device)
        self._begin(images.to(self.toolset.device), references, rows)

    def _begin(self, images: torch.Tensor, references: torch.Tensor | None, rows: Indices | None) -> None:
        if rows is not None and images.shape[1:] != self.state.images.shape[1:]:
            raise ValueError(
                f"images {tuple(images.shape)} do not fit the other rows, {tuple(self.state.images.shape)}; begin a "
                "new batch with images of another size"
            )
        fresh = State.first(images, references, *self._score(images, references))
        self.state = fresh if rows is None else self.state.replace(rows, fresh)

    def branch(self) -> Restoration:
        """An independent continuation from the current state; shares its arrays until either of the two steps."""
        return copy.copy(self)

    def with_state(self, state: State) -> Restoration:
        """A branch with another state."""
        branch = self.branch()
        branch.state = state
        return branch

    def with_rules(self, rules: Rules) -> Restoration:
        """A branch with other rules, in which no episode has ended yet."""
        branch = self.with_state(replace(self.state, ended=np.zeros_like(self.state.ended)))
        branch.rules = rules
        return branch

    def with_price(self, price: float) -> Restoration:
        """A branch in which a GFLOP has another price, in units of the measure."""
        check_price(price)
        branch = self.branch()
        branch.price = price
        return branch

    def worth(self, state: State, most: float = np.inf) -> Floats:
        """The measure of images less the price of their cost, float64 (N,): rewards are the differences of this.

        Args:
            state: State of N images.
            most: Cap on the scores.
        """
        return np.minimum(state.scores, most) - self.price * state.costs

    def step(self, actions: npt.ArrayLike, rows: Indices | None = None, try_all: bool = False) -> Outcome:
        """Applies one tool to each of the images; each distinct tool runs once.

        Args:
            actions: A (type, degree) pair for each row, integers (n, 2).
            rows: The images that take a step, (n,), distinct; None for all.
            try_all: Whether all tools run, so that the outcome says what each would have gained.

        Returns:
            What the step did, row by row.

        Raises:
            RuntimeError: If called before `begin`, or an episode is over.
            ValueError: If actions have another shape or type, or name no tool.
        """
        rows = np.arange(len(self.state)) if rows is None else rows
        self._check_running(rows)
        actions = self._checked(actions, len(rows))
        before = self.state[rows]
        images, tool_gains = self._try_all(before, actions) if try_all else (self._apply(before, actions), None)
        scores, decibels = self._score(images, before.references)
        costs, path = before.costs + self._costs(before.images, actions), _lengthened(before.path, actions)
        after = replace(before, images=images, scores=scores, psnr=decibels, costs=costs, path=path)

        gains = self.worth(after) - self.worth(before)
        stopped = actions[:, 0] == self.toolset.n_types
        terminated, undone = self._judge(before, after, gains, stopped)
        steps = before.steps + 1
        truncated = ~terminated & (steps >= (self.rules.max_steps or np.inf))
        truncated |= steps >= (self.rules.time_limit or np.inf)
        gains = np.where(undone, 0.0, gains)

        kept = np.flatnonzero(~undone)
        after = before.replace(kept, after[kept])
        after = replace(after, steps=steps, ended=terminated | truncated)
        self.state = self.state.replace(rows, after)
        return Outcome(gains, terminated, truncated, tool_gains)

    @property
    def tool_costs(self) -> Floats:
        """GFLOP that each tool takes for an image of this size, float64 (types, degrees)."""
        return self.toolset.costs * self._megapixels(self.state.images)

    @property
    def last_tools(self) -> Indices:
        """The number of the tool used last on each image, from 1, type by type; 0 for no tool yet; int64 (N,)."""
        lengths = self.state.lengths
        kinds, degrees = self.state.path[np.arange(len(lengths)), lengths - 1].T
        return np.where(lengths > 0, 1 + kinds * self.toolset.n_degrees + degrees, 0)

    def tool_names(self, row: int) -> tuple[str, ...]:
        """The names of the tools on the path of an image."""
        return tuple(self.toolset[kind, degree].name for kind, degree in self.state.path[row].tolist() if kind >= 0)

    def _check_running(self, rows: Indices) -> None:
        if not len(self.state):
            raise RuntimeError("step before reset: there is no image yet; call reset first")
        over = rows[self.state.ended[rows]]
        if len(over):
            raise RuntimeError(
                f"step after the end of the episode (of image {', '.join(map(str, over))}); call reset first"
            )

    def _checked(self, actions: npt.ArrayLike, count: int) -> Indices:
        array = np.asarray(actions)
        if array.shape[:1] != (count,):
            raise ValueError(f"there must be as many actions as images, {count}; got an array of shape {array.shape}")
        if array.shape[1:] != (2,) or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"an action is two integers, (type, degree); got {array.dtype} of shape {array.shape[1:]}")
        bounds = np.array([self.toolset.n_types + self.rules.stop_action, self.toolset.n_degrees])
        wrong = np.flatnonzero(((array < 0) | (array >= bounds)).any(axis=1))
        if len(wrong):
            raise ValueError(
                f"action {tuple(array[wrong[0]].tolist())} is out of range: type must be in 0..{bounds[0] - 1} "
                f"and degree in 0..{bounds[1] - 1}"
            )
        return array.astype(np.int64)

    def _apply(self, before: State, actions: Indices) -> torch.Tensor:
        """The images after their tools; STOP leaves them unchanged."""
        images = before.images
        for cell in self.toolset.cells:
            rows = np.flatnonzero((actions == cell).all(axis=1))
            if len(rows) == len(before):
                return self.toolset.apply(images, cell, self.precision)
            if len(rows):
                images = images.clone() if images is before.images else images
                images[rows] = self.toolset.apply(before.images[rows], cell, self.precision)
        return images

    def _try_all(self, before: State, actions: Indices) -> tuple[torch.Tensor, Floats]:
        """The images after their tools, and what each tool would have gained, (n, types, degrees)."""
        images = before.images.clone()
        tool_gains = np.empty((len(before), self.toolset.n_types, self.toolset.n_degrees))
        for cell in self.toolset.cells:
            restored = self.toolset.apply(before.images, cell, self.precision)
            gained = self._measured(restored, before.references) - before.scores
            tool_gains[:, cell[0], cell[1]] = gained - self.price * self._costs(before.images, np.array([cell]))
            rows = np.flatnonzero((actions == cell).all(axis=1))
            images[rows] = restored[rows]
        return images, tool_gains

    def _costs(self, images: torch.Tensor, actions: Indices) -> Floats:
        """GFLOP that the tools of actions (n, 2) take for images of this size, (n,); STOP takes none."""
        with_stop = np.pad(self.toolset.costs, ((0, 1), (0, 0)))
        return with_stop[actions[:, 0], actions[:, 1]] * self._megapixels(images)

    def _megapixels(self, images: torch.Tensor) -> float:
        return images.shape[-2] * images.shape[-1] / 1e6

    def _judge(self, before: State, after: State, gains: Floats, stopped: Flags) -> tuple[Flags, Flags]:
        """Which episodes terminate, and which images stay as they were before the step."""
        if self.rules.stop == "no_gain":
            return stopped | (gains <= 0), stopped | (gains <= 0)
        if self.rules.stop == "no_change":
            stopped = stopped | ((before.lengths == 0) & look_alike(before.images, after.images).cpu().numpy())
        if self.rules.stop == "below_start":
            return stopped | (after.scores < after.first_scores), stopped
        return stopped, stopped

    def _measured(self, images: torch.Tensor, references: torch.Tensor | None) -> Floats:
        scores: Floats = self.measure.score(images, references).cpu().double().numpy()
        return scores

    def _score(self, images: torch.Tensor, references: torch.Tensor | None) -> tuple[Floats, Floats | None]:
        """The measure and the PSNR in dB of images, (n,) each."""
        scores = self._measured(images, references)
        if references is None:
            return scores, None
        return scores, scores if self.measure.function is psnr else psnr(images, references).cpu().numpy()


def _check_images(name: str, images: torch.Tensor) -> None:
    if images.dtype != torch.float32 or images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        raise ValueError(
            f"{name} must be float32 of shape (N, 3, H, W), at least one; got {images.dtype} of shape "
            f"{tuple(images.shape)}"
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{name} must lie in 0 to 1, got {low:g} to {high:g}")


def _aligned(states: Sequence[State]) -> list[State]:
    """The states with their paths padded to the same length.

    Raises:
        ValueError: If some of them have references and others have none.
    """
    if len({state.references is None for state in states}) > 1:
        raise ValueError("images with and without a reference cannot be restored side by side; use one kind at a time")
    longest = max(state.path.shape[1] for state in states)
    return [replace(state, path=_with_room(state.path, longest)) for state in states]


def _with_room(path: Indices, length: int) -> Indices:
    return np.pad(path, ((0, 0), (0, length - path.shape[1]), (0, 0)), constant_values=-1)


def _lengthened(path: Indices, actions: Indices) -> Indices:
    """Paths (n, length, 2), each with one more (type, degree) appended."""
    lengths = (path[:, :, 0] >= 0).sum(axis=1)
    path = _with_room(path, max(path.shape[1], lengths.max(initial=0) + 1))
    path[np.arange(len(path)), lengths] = actions
    return path


def _fieldwise(combine: Callable[..., Any], states: Sequence[State]) -> State:
    """The state whose fields are ``combine`` applied to those of the given states; None stays None."""
    columns = {field.name: [getattr(state, field.name) for state in states] for field in fields(State)}
    combined: dict[str, Any] = {n: None if values[0] is None else combine(*values) for n, values in columns.items()}
    return State(**combined)


def _concatenated(*values: Array) -> Array:
    return torch.cat(values) if isinstance(values[0], torch.Tensor) else np.concatenate(values)


def _assigned(values: Array, rows: Indices, new: Array) -> Array:
    """The values with some rows replaced; the new ones themselves if they replace every row."""
    if np.array_equal(rows, np.arange(len(values))):
        return new
    copied = values.clone() if isinstance(values, torch.Tensor) else values.copy()
    copied[rows] = new
    return copied
