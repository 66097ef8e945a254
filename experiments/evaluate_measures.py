"""`hirl evaluate-measures`: whether blind measures agree with those that see the reference, and cannot be gamed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr
from tqdm import tqdm

from experiments.evaluation import blind_measure
from experiments.output import at_least_one, print_table, write_json
from experiments.starts import begin, starts_of
from hirl_env.data.degradations import BLUR_SIZES, JPEG_QUALITIES, LEVELS, NOISE_SIGMAS
from hirl_env.data.photographs import Photographs, open_photographs
from hirl_env.quality import Measure, as_measure
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Cell, Precision, Toolset, toolsets

FAMILIES = {
    "noise": tuple(f"noise-{sigma}" for sigma in NOISE_SIGMAS),
    "jpeg": tuple(f"jpeg-{quality}" for quality in JPEG_QUALITIES),
    "blur": tuple(f"blur-{size}" for size in BLUR_SIZES),
    **{level: (level,) for level in LEVELS},
}
BATCH = 32  # pictures scored at once
PATH = 3  # random tools after each of the levels; every step counts
GAMES: dict[str, Cell] = {"Sharpen": (2, 0), "FFDNet 35": (0, 2)}
REPEATS = 5
QUIET: dict[str, Any] = {"leave": False, "disable": None}  # a progress bar in terminals, gone at the end


@dataclass(frozen=True)
class Pictures:
    """Versions of the same crops.

    Attributes:
        distorted: A restoration per degradation, of all crops in the same order.
        tried: By level, what a random path makes of it, step by step.
    """

    distorted: dict[str, Restoration]
    tried: dict[str, list[Restoration]]

    def groups(self) -> dict[str, list[Restoration]]:
        """What correlations are reported on."""
        groups = {name: [self.distorted[part] for part in parts] for name, parts in FAMILIES.items()}
        groups["random tools"] = [step for steps in self.tried.values() for step in steps]
        groups["levels and random tools"] = [self.distorted[level] for level in LEVELS] + groups["random tools"]
        return groups


def evaluate_measures(
    images: str,
    measures: tuple[str, ...] = ("hirl-biqa",),
    against: tuple[str, ...] = ("fsim", "vsi", "ssim"),
    crop: int = 64,
    per_image: int = 1,
    seed: int = 0,
    precision: Precision = "float32",
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Compare blind measures with those that see the reference, on distorted and on restored pictures.

    Prints Spearman's rank correlation per distortion, on what random tools make of the three levels, and on both; and
    in how many cases a measure orders a picture as it should (clean, mild, moderate, severe), and is not gamed: a tool
    applied five times to a clean picture must lower its score.

    Args:
        images: Clean photographs: a folder, or a name (photos, cbsd68, ...).
        measures: The blind measures.
        against: Those that see the reference.
        crop: Side of the crops in pixels.
        per_image: Crops of each photograph.
        seed: Of crops, noise and tools.
        precision: In which the tools run.
        device: Where to compute: cpu, cuda, mps.
        json: Also write settings and rows to this file.
    """
    settings = {key: value for key, value in locals().items() if key != "json"}
    at_least_one(per_image=per_image)
    if seed < 0:
        raise ValueError(f"--seed must be at least 0, got {seed}")
    if not measures or not against:
        raise ValueError("--measures and --against need at least one each")
    blind = [blind_measure(name, "--measures") for name in measures]
    seeing = [as_measure(name) for name in against]
    toolset = toolsets.resolve("hirl").on(device)
    photographs = open_photographs(images)
    pictures = _pictures(photographs, toolset, crop, per_image, seed, precision)
    groups = pictures.groups()
    truths = {measure.name: _of_groups(measure, groups) for measure in seeing}
    correlations, cases = [], []
    for measure in blind:
        scores = _of_groups(measure, groups)
        for group in groups:
            row: dict[str, Any] = {"pictures": group, "measure": measure.name}
            for name, truth in truths.items():
                row[name] = float(spearmanr(scores[group], truth[group]).statistic)
            correlations.append(row)
        cases.append({"measure": measure.name, **_cases(measure, pictures, toolset, precision)})
    title = f"{photographs.name}, {len(photographs) * per_image} crops of {crop}x{crop}"
    print_table(f"{title}: Spearman's rank correlation", correlations, dict.fromkeys(against, 3))
    print_table(f"{title}: percent of cases", cases, dict.fromkeys(list(cases[0])[1:], 1))
    if json is not None:
        write_json(json, settings, [*correlations, *cases])


def _pictures(
    photographs: Photographs, toolset: Toolset, crop: int, per_image: int, seed: int, precision: Precision
) -> Pictures:
    distorted = {}
    for name in tqdm([part for parts in FAMILIES.values() for part in parts], desc="distorting", **QUIET):
        starts = list(starts_of(photographs, name, crop, per_image, seed))
        distorted[name] = begin(starts, toolset, precision)
    rng = np.random.default_rng(seed)
    cells = np.array(toolset.cells)
    tried: dict[str, list[Restoration]] = {}
    for level in LEVELS:
        current = distorted[level]
        for _ in range(PATH):
            current = _stepped(current, cells[rng.integers(len(cells), size=len(current.images))])
            tried.setdefault(level, []).append(current)
    return Pictures(distorted, tried)


def _stepped(before: Restoration, actions: npt.NDArray[np.int64]) -> Restoration:
    after = before.branch()
    for rows in np.array_split(np.arange(len(actions)), -(-len(actions) // BATCH)):
        after.step(actions[rows], rows)
    return after


def _scores(measure: Measure, images: torch.Tensor, references: torch.Tensor | None) -> npt.NDArray[np.float64]:
    """Of many images, some at a time, as 8-bit pictures."""
    rounded = (images * 255).round() / 255
    parts = []
    for rows in torch.arange(len(images)).split(BATCH):
        parts.append(measure.score(rounded[rows], None if references is None else references[rows]).double().cpu())
    return torch.cat(parts).numpy()


def _of_groups(measure: Measure, groups: dict[str, list[Restoration]]) -> dict[str, npt.NDArray[np.float64]]:
    known: dict[int, npt.NDArray[np.float64]] = {}
    for restoration in tqdm(
        {id(one): one for parts in groups.values() for one in parts}.values(), desc=measure.name, **QUIET
    ):
        references = restoration.references if measure.needs_reference else None
        known[id(restoration)] = _scores(measure, restoration.images, references)
    return {name: np.concatenate([known[id(one)] for one in parts]) for name, parts in groups.items()}


def _cases(measure: Measure, pictures: Pictures, toolset: Toolset, precision: Precision) -> dict[str, float]:
    """Percent of the crops that are ordered as they should be, and of those whose score a game lowers."""
    first = pictures.distorted[LEVELS[0]]
    assert first.references is not None
    clean = _scores(measure, first.references, None)
    levels = [_scores(measure, pictures.distorted[level].images, None) for level in LEVELS]
    right = (np.diff([clean, *levels], axis=0) < 0).all(axis=0)
    cases = {"in order": 100 * float(right.mean())}
    for name, cell in GAMES.items():
        gamed = Restoration(toolset, first.measure, precision=precision)
        gamed.begin(first.references, first.references)
        for _ in range(REPEATS):
            gamed = _stepped(gamed, np.broadcast_to(np.array(cell), (len(clean), 2)))
        cases[f"{name} x {REPEATS} lowers"] = 100 * float((_scores(measure, gamed.images, None) < clean).mean())
    return cases
