"""`hirl evaluate-measures`: whether blind measures agree with those that see the reference, and cannot be gamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr
from tqdm import tqdm

import hirl_env
from hirl_agents.search import chain
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
from hirl_env.data.photographs import image_sources
from hirl_env.data.samples import Sample
from hirl_env.devices import AnyPrecision, Precision, available_precision
from hirl_env.quality import Measure
from hirl_env.restoration import State
from hirl_env.tools.known import toolsets
from hirl_env.tools.toolset import Cell, Toolset
from hirl_experiments.evaluation.methods import blind_measure
from hirl_experiments.evaluation.sampling import batches, begin, evaluation_samples
from hirl_experiments.io.output import at_least, check_writable, print_table, write_json

FAMILIES = {
    "noise": tuple(f"noise-{sigma}" for sigma in NOISE_SIGMAS),
    "jpeg": tuple(f"jpeg-{quality}" for quality in JPEG_QUALITIES),
    "blur": tuple(f"blur-{size}" for size in BLUR_SIZES),
    **{level: (level,) for level in LEVELS},
}
PATH = 3  # random tools after each of the levels; every step counts
TRIED = ("random tools", "levels and random tools")  # groups beside the distortions
IN_ORDER = "in order"
REPEATS = 5
GAMES: dict[str, Cell] = {f"Sharpen x {REPEATS} lowers": (2, 0), f"FFDNet 35 x {REPEATS} lowers": (0, 2)}
# By case: two degradations, of which the second is worse.
WORSE: dict[str, tuple[Degradation, Degradation]] = {
    "blur 4 below 3": (GaussianBlur.of_sigma(3), GaussianBlur.of_sigma(4)),
    "chroma noise lowers JPEG 75": (JpegCompression(75), InOrder((ChromaNoise(25), JpegCompression(75)))),
}
DEGRADATIONS: tuple[str | Degradation, ...] = (
    *(name for names in FAMILIES.values() for name in names),
    *(degradation for pair in WORSE.values() for degradation in pair),
)

# Scores of pictures, and which of them are ordered as they should be, by the names of a measure and a group or case.
Everything = dict[tuple[str, str], npt.NDArray[Any]]


@dataclass(frozen=True)
class Pictures:
    """Versions of the same pictures, side by side.

    Attributes:
        distorted: Pictures of each degradation.
        tried: Pictures after each step of a random path, by level.
        gamed: Pictures that games make of the clean ones, by game.
    """

    distorted: dict[str | Degradation, State]
    tried: dict[str, list[State]]
    gamed: dict[str, State]

    def groups(self) -> dict[str, list[State]]:
        """What correlations are reported on."""
        groups = {name: [self.distorted[part] for part in parts] for name, parts in FAMILIES.items()}
        tried = [step for steps in self.tried.values() for step in steps]
        return groups | dict(zip(TRIED, (tried, [self.distorted[level] for level in LEVELS] + tried), strict=True))


def evaluate_measures(
    images: str,
    measures: tuple[str, ...] = ("hirl-biqa",),
    against: tuple[str, ...] = ("fsim", "vsi", "ssim"),
    crop: int | None = 64,
    per_image: int = 1,
    seed: int = 0,
    precision: AnyPrecision = "float32",
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Compare blind measures with those that see the reference, on distorted and on restored pictures.

    Prints Spearman's rank correlation per distortion, on what random tools make of the three levels, and on both; and
    in how many cases a measure orders a picture as it should (clean, mild, moderate, severe), and is not gamed: a tool
    applied five times to a clean picture must lower its score, and so must a stronger blur, and noise in the hues.

    Args:
        images: Clean photographs: a folder, or a name (photos, cbsd68, ...).
        measures: Blind measures.
        against: Measures that see the reference.
        crop: Side of the crops in pixels; None for whole photographs.
        per_image: Number of crops of each photograph.
        seed: Seed of crops, noise and tools.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device to compute on: cpu, cuda, mps, or auto.
        json: File to write settings and rows to.
    """
    precision = available_precision(precision, device)
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    at_least(1, per_image=per_image)
    at_least(0, seed=seed)
    if not measures or not against:
        raise ValueError("--measures and --against need at least one each")
    blind = [blind_measure(name, "--measures") for name in measures]
    seeing = [hirl_env.measures.resolve(name) for name in against]
    toolset = toolsets.resolve("paper").on(device)
    photographs = image_sources.resolve(images)
    rng = np.random.default_rng(seed)
    # The same pictures at every degradation, in the same batches.
    side_by_side = zip(
        *(batches(evaluation_samples(photographs, one, crop, per_image, seed)) for one in DEGRADATIONS), strict=True
    )
    found: list[Everything] = []
    with tqdm(total=len(photographs) * per_image, unit="picture", leave=False, disable=None) as bar:
        for samples in side_by_side:
            pictures = _pictures(dict(zip(DEGRADATIONS, samples, strict=True)), toolset, precision, rng)
            found.append(_scores_of_groups([*blind, *seeing], pictures) | _cases(blind, pictures))
            bar.update(len(samples[0]))
    every = {key: np.concatenate([part[key] for part in found]) for key in found[0]}
    correlations = [_correlations(every, measure, seeing, group) for measure in blind for group in (*FAMILIES, *TRIED)]
    cases = [_rates(every, measure) for measure in blind]
    size = "whole" if crop is None else f"{len(every[blind[0].name, LEVELS[0]])} crops of {crop}x{crop}"
    title = f"{photographs.name}, {size}"
    print_table(f"{title}: Spearman's rank correlation", correlations, {truth.name: 3 for truth in seeing})
    print_table(f"{title}: percent of cases", cases, dict.fromkeys((IN_ORDER, *GAMES, *WORSE), 1))
    if json is not None:
        write_json(json, settings, [*correlations, *cases])


def _correlations(every: Everything, measure: Measure, seeing: Sequence[Measure], group: str) -> dict[str, Any]:
    """A row of the first table: how a measure agrees with each that sees the reference, on a group of pictures."""
    row: dict[str, Any] = {"pictures": group, "measure": measure.name}
    for truth in seeing:
        row[truth.name] = float(spearmanr(every[measure.name, group], every[truth.name, group]).statistic)
    return row


def _rates(every: Everything, measure: Measure) -> dict[str, Any]:
    """A row of the second table: in how many cases, percent, a measure orders pictures as it should."""
    rates = {case: 100 * float(every[measure.name, case].mean()) for case in (IN_ORDER, *GAMES, *WORSE)}
    return {"measure": measure.name, **rates}


def _pictures(
    samples: dict[str | Degradation, list[Sample]], toolset: Toolset, precision: Precision, rng: np.random.Generator
) -> Pictures:
    """All versions of some pictures, from these by degradation."""
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


def _scores(measure: Measure, images: torch.Tensor, references: torch.Tensor | None) -> npt.NDArray[np.float64]:
    """Of images as 8-bit pictures."""
    rounded = (images * 255).round() / 255
    return measure.score(rounded, references if measure.needs_reference else None).double().cpu().numpy()


def _scores_of_groups(
    measures: Sequence[Measure], pictures: Pictures
) -> dict[tuple[str, str], npt.NDArray[np.float64]]:
    """By the names of measures and groups."""
    scores = {}
    for measure in measures:
        known: dict[int, npt.NDArray[np.float64]] = {}
        for group, parts in pictures.groups().items():
            for one in parts:
                if id(one) not in known:
                    known[id(one)] = _scores(measure, one.images, one.references)
            scores[measure.name, group] = np.concatenate([known[id(one)] for one in parts])
    return scores


def _cases(measures: Sequence[Measure], pictures: Pictures) -> dict[tuple[str, str], npt.NDArray[Any]]:
    """By the names of measures and cases, which pictures are ordered as they should be, or score less when gamed."""
    cases: dict[tuple[str, str], npt.NDArray[Any]] = {}
    originals = pictures.distorted[LEVELS[0]].references
    assert originals is not None
    for measure in measures:
        clean = _scores(measure, originals, None)
        levels = [_scores(measure, pictures.distorted[level].images, None) for level in LEVELS]
        cases[measure.name, IN_ORDER] = np.all(np.diff([clean, *levels], axis=0) < 0, axis=0)
        for name, gamed in pictures.gamed.items():
            cases[measure.name, name] = _scores(measure, gamed.images, None) < clean
        for name, pair in WORSE.items():
            better, worse = (_scores(measure, pictures.distorted[each].images, None) for each in pair)
            cases[measure.name, name] = worse < better
    return cases
