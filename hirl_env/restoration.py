"""A batch of images under restoration: the one stepping loop of environments, searches and the restorer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import torch

from hirl_env.quality import Measure, psnr
from hirl_env.tools.toolset import Cell, Precision, Toolset, check_precision

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Stop = Literal["no_gain", "below_start"]


@dataclass(frozen=True)
class Outcome:
    """What a step did to the rows that took it.

    Attributes:
        gains: Change of the measure, float64 (n,): the reward.
        terminated: Whether the episode has come to its end, (n,).
        truncated: Whether it was cut off at ``max_steps``, (n,).
        tool_gains: Where all tools were tried, what each would have gained, float64 (n, types, degrees); else None.
    """

    gains: Floats
    terminated: Flags
    truncated: Flags
    tool_gains: Floats | None = None

    def info(self, place: int) -> dict[str, Any]:
        """What an environment tells of the step in the info of one of the rows: ``gains``, where all were tried."""
        return {} if self.tool_gains is None else {"gains": self.tool_gains[place]}


class Restoration:
    """N images, what has been done to them, and how well they score.

    Tensors are replaced and never written to, so `branch` is cheap: searches keep one restoration per depth.

    Args:
        toolset: What the actions choose from.
        measure: What gains are gains of.
        max_steps: Steps after which an episode is truncated; None for no bound.
        stop: ``no_gain`` ends an episode at the first step that gains nothing, and takes that step back;
            ``below_start`` ends it where an image scores less than at the beginning (RL-Restore's rule in training).
        stop_action: Adds one type after the toolset's own, which ends the episode and changes nothing.
        precision: In which the tools run.

    Raises:
        ValueError: If an argument is not one of the above.

    Attributes:
        images: (N, 3, H, W), float32, on the toolset's device; in [0, 1], but for what tools leave that do not clamp.
        first_images: What they were at the beginning.
        references: The same shape, or None.
        scores: What the measure says of the images now, float64 (N,).
        first_scores: What it said of them at the beginning.
        psnr: In dB, float64 (N,), or None without references.
        paths: The cells applied so far, per image.
        steps: Steps taken, (N,).
        ended: Which episodes are over, (N,).
    """

    images: torch.Tensor
    first_images: torch.Tensor
    references: torch.Tensor | None
    scores: Floats
    first_scores: Floats
    psnr: Floats | None

    def __init__(
        self,
        toolset: Toolset,
        measure: Measure,
        max_steps: int | None = None,
        stop: Stop | None = None,
        stop_action: bool = False,
        precision: Precision = "float32",
    ) -> None:
        if max_steps is not None and not (isinstance(max_steps, int | np.integer) and max_steps >= 1):
            raise ValueError(f"max_steps must be at least 1, or None for no bound; got {max_steps!r}")
        if stop not in (None, *get_args(Stop)):
            raise ValueError(f"stop must be None, 'no_gain' or 'below_start'; got {stop!r}")
        check_precision(precision)
        self.toolset, self.measure = toolset, measure
        self.max_steps, self.stop, self.stop_action, self.precision = max_steps, stop, stop_action, precision
        self.paths: list[tuple[Cell, ...]] = []
        self.steps: Indices = np.zeros(0, dtype=np.int64)
        self.ended: Flags = np.zeros(0, dtype=np.bool_)

    def begin(self, images: torch.Tensor, references: torch.Tensor | None) -> None:
        """Starts anew with a batch of images and their references, if there are any.

        Args:
            images: float32 (N, 3, H, W) in [0, 1], N at least 1.
            references: The same, or None.

        Raises:
            ValueError: If one of the two is something else, or the measure refuses them; what there was stays.
        """
        _check_images("images", images)
        if references is not None:
            _check_images("references", references)
            if references.shape != images.shape:
                raise ValueError(
                    f"images {tuple(images.shape)} and references {tuple(references.shape)} differ in shape; give "
                    "each image the reference of its size"
                )
        images = images.to(self.toolset.device)
        references = None if references is None else references.to(self.toolset.device)
        # Scoring may refuse; then the episode before stays as it was.
        self.scores, self.psnr = self._score(images, references)
        self.images, self.references = images, references
        self.first_images, self.first_scores = images, self.scores
        count = len(images)
        self.paths = [()] * count
        self.steps = np.zeros(count, dtype=np.int64)
        self.ended = np.zeros(count, dtype=np.bool_)

    def put(self, rows: Indices, other: Restoration) -> None:
        """Replaces some rows by those of another restoration, in its order.

        Raises:
            ValueError: If one of the two has references and the other has none.
        """
        _check_one_kind([self, other])
        self.images = _replaced(self.images, rows, other.images)
        self.first_images = _replaced(self.first_images, rows, other.first_images)
        if self.references is not None and other.references is not None:
            self.references = _replaced(self.references, rows, other.references)
        if self.psnr is not None and other.psnr is not None:
            self.psnr = _assigned(self.psnr, rows, other.psnr)
        self.scores = _assigned(self.scores, rows, other.scores)
        self.first_scores = _assigned(self.first_scores, rows, other.first_scores)
        self.steps = _assigned(self.steps, rows, other.steps)
        self.ended = _assigned(self.ended, rows, other.ended)
        self.paths = list(self.paths)
        for row, path in zip(rows, other.paths, strict=True):
            self.paths[row] = path

    def branch(self) -> Restoration:
        """An independent continuation from here; shares memory until either of the two moves."""
        return copy.copy(self)

    def unbounded(self) -> Restoration:
        """A branch that no rule of an episode ends."""
        branch = self.branch()
        branch.max_steps, branch.stop = None, None
        branch.ended = np.zeros_like(self.ended)
        return branch

    def select(self, rows: Indices | Flags) -> Restoration:
        """A restoration of some of the images, as they are now."""
        chosen = copy.copy(self)
        rows = np.arange(len(self.images))[rows]
        chosen.images = self.images[rows]
        chosen.references = None if self.references is None else self.references[rows]
        chosen.first_images, chosen.first_scores = self.first_images[rows], self.first_scores[rows]
        chosen.scores, chosen.psnr = self.scores[rows], None if self.psnr is None else self.psnr[rows]
        chosen.paths = [self.paths[row] for row in rows]
        chosen.steps, chosen.ended = self.steps[rows], self.ended[rows]
        return chosen

    @staticmethod
    def joined(parts: Sequence[Restoration]) -> Restoration:
        """Restorations of images of one size as one, row after row; rules and tools are those of the first.

        Raises:
            ValueError: If some of them have references and others have none.
        """
        _check_one_kind(parts)
        whole = copy.copy(parts[0])
        whole.images = torch.cat([part.images for part in parts])
        whole.first_images = torch.cat([part.first_images for part in parts])
        references = [part.references for part in parts if part.references is not None]
        whole.references = torch.cat(references) if references else None
        decibels = [part.psnr for part in parts if part.psnr is not None]
        whole.psnr = np.concatenate(decibels) if decibels else None
        whole.scores = np.concatenate([part.scores for part in parts])
        whole.first_scores = np.concatenate([part.first_scores for part in parts])
        whole.paths = [path for part in parts for path in part.paths]
        whole.steps = np.concatenate([part.steps for part in parts])
        whole.ended = np.concatenate([part.ended for part in parts])
        return whole

    def step(self, actions: npt.ArrayLike, rows: Indices | None = None, try_all: bool = False) -> Outcome:
        """Applies one tool to each of the images, each distinct tool once.

        Args:
            actions: Integers (n, 2): a (type, degree) for each row.
            rows: Which images take a step, (n,), distinct; default: all.
            try_all: Runs the other tools, too, and says what each would have gained.

        Raises:
            RuntimeError: Before `begin`, or where an episode is over.
            ValueError: If actions have another shape or type, or name no cell.
        """
        if not self.paths:
            raise RuntimeError("step before reset: there is no image yet; call reset first")
        all_rows = np.arange(len(self.images))
        rows = all_rows if rows is None else rows
        everyone = np.array_equal(rows, all_rows)
        actions = self._checked(actions, len(rows))
        over = rows[self.ended[rows]]
        if len(over):
            raise RuntimeError(
                f"step after the end of the episode (of image {', '.join(map(str, over))}); call reset first"
            )

        stopping = actions[:, 0] == self.toolset.n_types
        before = self.images if everyone else self.images[rows]
        references = self.references if everyone or self.references is None else self.references[rows]
        after = before
        tool_gains = np.empty((len(rows), self.toolset.n_types, self.toolset.n_degrees)) if try_all else None
        for cell in self.toolset.cells:
            chosen = np.flatnonzero((actions == cell).all(axis=1))
            if tool_gains is not None:
                restored = self.toolset.apply(before, cell, self.precision)
                tool_gains[:, cell[0], cell[1]] = self._measured(restored, references) - self.scores[rows]
                restored = restored[chosen]
            elif len(chosen):
                mine = before if len(chosen) == len(rows) else before[chosen]
                restored = self.toolset.apply(mine, cell, self.precision)
            if len(chosen):
                after = restored if len(chosen) == len(rows) else _replaced(after, chosen, restored)
        scores, decibels = self._score(after, references)

        gains = np.where(stopping, 0.0, scores - self.scores[rows])
        terminated = stopping.copy()
        undone = np.zeros(len(rows), dtype=np.bool_)
        if self.stop == "no_gain":
            undone = ~stopping & (gains <= 0)
            terminated |= undone
            gains[undone] = 0.0
        elif self.stop == "below_start":
            terminated |= scores < self.first_scores[rows]
        kept = np.flatnonzero(~(undone | stopping))
        if everyone and len(kept) == len(rows):
            self.images, self.scores, self.psnr = after, scores, decibels
        else:
            self.images = _replaced(self.images, rows[kept], after[kept])
            self.scores = _assigned(self.scores, rows[kept], scores[kept])
            if self.psnr is not None and decibels is not None:
                self.psnr = _assigned(self.psnr, rows[kept], decibels[kept])
        self.paths = list(self.paths)
        for row, action in zip(rows[kept], actions[kept], strict=True):
            self.paths[row] = (*self.paths[row], (int(action[0]), int(action[1])))
        self.steps = self.steps.copy()
        self.steps[rows] += 1
        truncated = ~terminated & (self.steps[rows] >= (self.max_steps or np.inf))
        self.ended = self.ended.copy()
        self.ended[rows] = terminated | truncated
        return Outcome(gains, terminated, truncated, tool_gains)

    @property
    def gains(self) -> Floats:
        """How much each image has gained since the beginning: the sum of its rewards."""
        return self.scores - self.first_scores

    @property
    def last_tools(self) -> Indices:
        """The number of the tool used last on each image, from 1, type by type; 0 where none was; int64 (N,)."""
        degrees = self.toolset.n_degrees
        return np.array([1 + path[-1][0] * degrees + path[-1][1] if path else 0 for path in self.paths], dtype=np.int64)

    def tool_names(self, row: int) -> tuple[str, ...]:
        """The names of the tools on the path of an image."""
        return tuple(self.toolset[cell].name for cell in self.paths[row])

    def _checked(self, actions: npt.ArrayLike, count: int) -> Indices:
        array = np.asarray(actions)
        if array.shape != (count, 2) or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"actions must be integers of shape ({count}, 2), a (type, degree) for each image; "
                f"got {array.dtype} of shape {array.shape}"
            )
        bounds = np.array([self.toolset.n_types + self.stop_action, self.toolset.n_degrees])
        wrong = np.flatnonzero(((array < 0) | (array >= bounds)).any(axis=1))
        if len(wrong):
            raise ValueError(
                f"action {tuple(array[wrong[0]].tolist())} is out of range: type must be in 0..{bounds[0] - 1} "
                f"and degree in 0..{bounds[1] - 1}"
            )
        return array.astype(np.int64)

    def _measured(self, images: torch.Tensor, references: torch.Tensor | None) -> Floats:
        scores: Floats = self.measure.score(images, references).cpu().double().numpy()
        return scores

    def _score(self, images: torch.Tensor, references: torch.Tensor | None) -> tuple[Floats, Floats | None]:
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


def _check_one_kind(parts: Sequence[Restoration]) -> None:
    if len({part.references is None for part in parts}) > 1:
        raise ValueError("images with and without a reference cannot be restored side by side; use one kind at a time")


def _replaced(images: torch.Tensor, rows: Sequence[int] | Indices, new: torch.Tensor) -> torch.Tensor:
    copied = images.clone()
    copied[torch.as_tensor(rows, device=images.device)] = new
    return copied


Array = TypeVar("Array", bound=npt.NDArray[Any])


def _assigned(values: Array, rows: Indices, new: Array) -> Array:
    copied = values.copy()
    copied[rows] = new
    return copied
