"""Tests whether blind measures agree with those that see the reference, and cannot be gamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr
from tqdm import tqdm

from hirl_agents.search import chain
from hirl_env.arrays import Flags, Floats
from hirl_env.data.degradations import (
    BLUR_SIZES,
    JPEG_QUALITIES,
    LEVELS,
    NOISE_SIGMAS,
    ChromaNoise,
    Degradation,
    GaussianBlur,
    InOrder,
    JpegCompression,
)
from hirl_env.data.images import eight_bits
from hirl_env.data.photographs import Photographs
from hirl_env.data.samples import Sample
from hirl_env.devices import Precision
from hirl_env.quality import Measure
from hirl_env.restoration import State
from hirl_env.tools.toolset import Cell, Toolset
from hirl_experiments.evaluation.sampling import batches, begin, evaluation_samples

# The three settings at which the paper trains and tests the tools of each type (section 3.1).
SETTINGS = {
    "noise": tuple(f"noise-{sigma}" for sigma in NOISE_SIGMAS),
    "jpeg": tuple(f"jpeg-{quality}" for quality in JPEG_QUALITIES),
    "blur": tuple(f"blur-{size}" for size in BLUR_SIZES),
}
FAMILIES = {**SETTINGS, **{level: (level,) for level in LEVELS}}
PATH = 3  # random tools after each of the levels; the image after every step is used
TRIED = ("random tools", "levels and random tools")  # groups in addition to the distortions
IN_ORDER = "in order"
REPEATS = 5
GAMES: dict[str, Cell] = {f"Sharpen x {REPEATS} lowers": (2, 0), f"FFDNet 35 x {REPEATS} lowers": (0, 2)}
# Two degradations by case, of which the second is worse.
WORSE: dict[str, tuple[Degradation, Degradation]] = {
    "blur 4 below 3": (GaussianBlur.of_sigma(3), GaussianBlur.of_sigma(4)),
    "chroma noise lowers JPEG 75": (JpegCompression(75), InOrder((ChromaNoise(25), JpegCompression(75)))),
}
DEGRADATIONS: tuple[str | Degradation, ...] = (
    *(name for names in FAMILIES.values() for name in names),
    *(degradation for pair in WORSE.values() for degradation in pair),
)
CASES = (IN_ORDER, *GAMES, *WORSE)

Number = TypeVar("Number", np.float64, np.bool_)


@dataclass(frozen=True)
class Pictures:
    """Versions of the same pictures, side by side.

    Attributes:
        distorted: Pictures of each degradation.
        tried: Pictures after each step of a random path, by level.
        gamed: Clean pictures after each attempt to game a measure, by attempt.
    """

    distorted: dict[str | Degradation, State]
    tried: dict[str, list[State]]
    gamed: dict[str, State]

    def groups(self) -> dict[str, list[State]]:
        """The groups of pictures that correlations are reported on."""
        groups = {name: [self.distorted[part] for part in parts] for name, parts in FAMILIES.items()}
        tried = [step for steps in self.tried.values() for step in steps]
        return groups | dict(zip(TRIED, (tried, [self.distorted[level] for level in LEVELS] + tried), strict=True))


@dataclass(frozen=True)
class Agreement:
    """The scores of measures on pictures, and whether they order versions of them correctly.

    Attributes:
        scores: Scores of the pictures of a group, float64, by the names of the measure and the group.
        ordered: Whether each picture is ordered correctly, by the names of the measure and the case.
    """

    scores: dict[tuple[str, str], Floats]
    ordered: dict[tuple[str, str], Flags]

    @property
    def count(self) -> int:
        """Number of pictures of each degradation."""
        return len(next(scores for (_, group), scores in self.scores.items() if group == LEVELS[0]))

    def correlations(self, measure: Measure, seeing: Sequence[Measure], group: str) -> dict[str, Any]:
        """A row of the first table: correlations of a measure with those that see the reference, on one group."""
        row: dict[str, Any] = {"pictures": group, "measure": measure.name}
        for truth in seeing:
            scores = self.scores[measure.name, group], self.scores[truth.name, group]
            row[truth.name] = float(spearmanr(*scores).statistic)
        return row

    def rates(self, measure: Measure) -> dict[str, Any]:
        """A row of the second table: the percentage of cases in which a measure orders pictures correctly."""
        rates = {case: 100 * float(self.ordered[measure.name, case].mean()) for case in CASES}
        return {"measure": measure.name, **rates}


def measure_agreement(
    photographs: Photographs,
    crop: int | None,
    per_image: int,
    seed: int,
    toolset: Toolset,
    precision: Precision,
    blind: Sequence[Measure],
    seeing: Sequence[Measure],
) -> Agreement:
    """Scores versions of pictures by measures of both kinds.

    Args:
        photographs: Clean photographs.
        crop: Side of the crops in pixels; None for whole photographs.
        per_image: Number of crops of each photograph.
        seed: Seed of crops, noise and tools.
        toolset: Tools that are applied to the pictures.
        precision: Precision of the tools' convolutions.
        blind: Blind measures.
        seeing: Measures that see the reference.
    """
    rng = np.random.default_rng(seed)
    # The same pictures for every degradation, in the same batches.
    side_by_side = zip(
        *(batches(evaluation_samples(photographs, one, crop, per_image, seed)) for one in DEGRADATIONS), strict=True
    )
    scores: list[dict[tuple[str, str], Floats]] = []
    ordered: list[dict[tuple[str, str], Flags]] = []
    with tqdm(total=len(photographs) * per_image, unit="picture", leave=False, disable=None) as bar:
        for samples in side_by_side:
            pictures = _pictures(dict(zip(DEGRADATIONS, samples, strict=True)), toolset, precision, rng)
            scores.append(_scores_of_groups([*blind, *seeing], pictures))
            ordered.append(_ordered(blind, pictures))
            bar.update(len(samples[0]))
    return Agreement(_joined(scores), _joined(ordered))


def _joined(parts: Sequence[dict[tuple[str, str], npt.NDArray[Number]]]) -> dict[tuple[str, str], npt.NDArray[Number]]:
    """The arrays of all batches, one after the other."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _pictures(
    samples: dict[str | Degradation, list[Sample]], toolset: Toolset, precision: Precision, rng: np.random.Generator
) -> Pictures:
    """All versions of some pictures, from their samples by degradation."""
    begun = {name: begin(batch, toolset, precision) for name, batch in samples.items()}
    cells = np.array(toolset.cells)
    tried: dict[str, list[State]] = {}
    for level in LEVELS:
        current = begun[level].branch()
        for _ in range(PATH):
            current.step(cells[rng.integers(len(cells), size=len(current.state))])
            tried.setdefault(level, []).append(current.state)
    clean = begun[LEVELS[0]].branch()
    originals = clean.state.references
    assert originals is not None
    clean.begin(originals, originals)
    gamed = {name: chain(clean, [cell] * REPEATS).state for name, cell in GAMES.items()}
    return Pictures({name: each.state for name, each in begun.items()}, tried, gamed)


def _scores(measure: Measure, images: torch.Tensor, references: torch.Tensor | None) -> Floats:
    """Scores of images as 8-bit pictures, float64 (N,)."""
    return measure.score(eight_bits(images), references if measure.needs_reference else None).double().cpu().numpy()


def _scores_of_groups(measures: Sequence[Measure], pictures: Pictures) -> dict[tuple[str, str], Floats]:
    """Scores of the pictures of each group, by the names of measures and groups."""
    scores = {}
    for measure in measures:
        known: dict[int, Floats] = {}
        for group, parts in pictures.groups().items():
            for one in parts:
                if id(one) not in known:
                    known[id(one)] = _scores(measure, one.images, one.references)
            scores[measure.name, group] = np.concatenate([known[id(one)] for one in parts])
    return scores


def _ordered(measures: Sequence[Measure], pictures: Pictures) -> dict[tuple[str, str], Flags]:
    """Whether pictures are ordered correctly, or score less when gamed, by the names of measures and cases."""
    ordered: dict[tuple[str, str], Flags] = {}
    originals = pictures.distorted[LEVELS[0]].references
    assert originals is not None
    for measure in measures:
        clean = _scores(measure, originals, None)
        levels = [_scores(measure, pictures.distorted[level].images, None) for level in LEVELS]
        ordered[measure.name, IN_ORDER] = np.all(np.diff([clean, *levels], axis=0) < 0, axis=0)
        for name, gamed in pictures.gamed.items():
            ordered[measure.name, name] = _scores(measure, gamed.images, None) < clean
        for name, pair in WORSE.items():
            better, worse = (_scores(measure, pictures.distorted[each].images, None) for each in pair)
            ordered[measure.name, name] = worse < better
    return ordered
