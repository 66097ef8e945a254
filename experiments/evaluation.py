"""Runs restoration methods on distorted images and counts what they gain, cost and take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Sequence as Many
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from agents.networks import CellValues
from agents.restorer import load_agent
from agents.search import Found, best_first, brute_force, follow, greedy, reverse_order, single
from hirl_env.data.degradations import Degradation, Sequence, degradations
from hirl_env.data.episodes import Episodes, Start
from hirl_env.data.photographs import Photographs
from hirl_env.quality import measures, psnr, ssim
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Precision, Toolset

BATCH = 32  # images restored side by side


@dataclass(frozen=True)
class Row:
    """One method on one level: means over images, except for the time, which is that of all of them.

    Attributes:
        level: The degradation's name.
        method: The method's name; ``single`` and ``brute-force`` with a suffix are its parts.
        psnr: dB.
        ssim: 0 to 1.
        gain: PSNR over the distorted image, dB.
        trials: Applications of a tool per image.
        seconds: Wall clock for all images.
        images: How many there were.
    """

    level: str
    method: str
    psnr: float
    ssim: float
    gain: float
    trials: float
    seconds: float
    images: int


@dataclass(frozen=True)
class Options:
    """What methods leave open.

    Attributes:
        depth: Longest path of greedy and brute force.
        max_steps: Longest path of an agent.
        budgets: Trials after which the value-guided search reports.
        agents: Cell values by the names of methods.
    """

    depth: int = 3
    max_steps: int = 7
    budgets: tuple[int, ...] = (9, 90)
    agents: Mapping[str, CellValues] = field(default_factory=dict)


# What a method found, by the names of its rows; each dictionary comes of one run.
Method = Callable[[Restoration, Many[Degradation], Options], Iterator[dict[str, Found]]]


def _distorted(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    yield {"distorted": Found(start, np.zeros(len(start.images), dtype=np.int64))}


def _single(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    for cell in start.toolset.cells:
        yield {f"single {start.toolset[cell].name}": single(start, cell)}


def _reverse(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    yield {"reverse": reverse_order(start, applied)[-1]}


def _greedy(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    yield {"greedy": greedy(start, options.depth)[-1]}


def _brute_force(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    *shorter, longest = brute_force(start, options.depth, progress=True)
    yield {f"brute-force-{length}": found for length, found in enumerate(shorter, 1)} | {"brute-force": longest}


def _hirl(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    yield {"hirl": follow(start, options.agents["hirl"], options.max_steps)}
    yield {"hirl reference stop": follow(start, options.agents["hirl"], options.max_steps, "reference")}


def _flat_dqn(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    yield {"flat-dqn": follow(start, options.agents["flat-dqn"], options.max_steps)}


def _hirl_search(start: Restoration, applied: Many[Degradation], options: Options) -> Iterator[dict[str, Found]]:
    found = best_first(start, options.agents["hirl-search"], options.budgets, options.max_steps)
    yield {f"hirl-search-{budget}": one for budget, one in zip(options.budgets, found, strict=True)}


METHODS: dict[str, Method] = {
    "distorted": _distorted,
    "single": _single,
    "reverse": _reverse,
    "greedy": _greedy,
    "brute-force": _brute_force,
    "hirl": _hirl,
    "flat-dqn": _flat_dqn,
    "hirl-search": _hirl_search,
}


def load_agents(
    methods: Many[str], toolset: Toolset, agent: str = "hirl", flat_dqn: Path | None = None
) -> dict[str, CellValues]:
    """The agents that methods ask.

    Args:
        methods: Keys of `METHODS`.
        toolset: That the agents were trained with.
        agent: Of the methods ``hirl`` and ``hirl-search``: a shipped one's name, or a file.
        flat_dqn: File of the method ``flat-dqn``.

    Raises:
        ValueError: If an agent that is asked is missing, or was made for another toolset.
    """
    agents = {method: load_agent(agent, toolset) for method in ("hirl", "hirl-search") if method in methods}
    if "flat-dqn" in methods:
        if flat_dqn is None:
            raise ValueError("the method flat-dqn needs --flat-dqn: a file that hirl train --algo flat-dqn wrote")
        agents["flat-dqn"] = load_agent(flat_dqn, toolset)
    return agents


def starts_of(photographs: Photographs, level: str, crop: int | None, per_image: int, seed: int) -> Iterator[Start]:
    """Distorted crops of every photograph, one after the other; the crops are the same at every level.

    Args:
        photographs: Pictures with references.
        level: A degradation's name.
        crop: Side of the crops; None for whole pictures.
        per_image: Crops of each picture.
        seed: Of crops and degradations.

    Raises:
        ValueError: If a photograph has no reference, or comes distorted already.
    """
    episodes = Episodes(photographs, degradations.resolve(level), crop)
    for number, photograph in enumerate(photographs):
        if photograph.reference is None:
            raise ValueError(f"{photographs.name}: {photograph.name} has no reference to measure against")
        if photograph.distorted is not None:
            raise ValueError(f"{photographs.name}: {photograph.name} comes distorted; give clean photographs")
        for part in range(per_image):
            yield episodes.start(photograph, np.random.default_rng((seed, number, part)))


def batches(starts: Iterable[Start]) -> Iterator[list[Start]]:
    """Starts side by side, as many as are restored at once, all of one size."""
    pending: dict[torch.Size, list[Start]] = {}
    for start in starts:
        batch = pending.setdefault(start.distorted.shape, [])
        batch.append(start)
        # Whole photographs are large; a few crops' worth of pixels at a time bounds memory.
        if len(batch) * start.distorted[0].numel() >= BATCH * 64 * 64:
            yield pending.pop(start.distorted.shape)
    yield from pending.values()


def begin(batch: Many[Start], toolset: Toolset, precision: Precision) -> Restoration:
    """A restoration of a batch of starts, measured in PSNR."""
    restoration = Restoration(toolset, measures.resolve("psnr"), precision=precision)
    references = torch.stack([start.reference for start in batch if start.reference is not None])
    restoration.begin(torch.stack([start.distorted for start in batch]), references)
    return restoration


def evaluate_level(
    starts: Iterable[Start],
    count: int,
    level: str,
    methods: Many[str],
    options: Options,
    toolset: Toolset,
    precision: Precision,
    on_found: Callable[[list[Start], dict[str, Found]], None] | None = None,
) -> list[Row]:
    """Runs methods on the starts of one level.

    Args:
        starts: Distorted images with references.
        count: How many there are, for the progress bar.
        level: Its name, for the rows.
        methods: Keys of `METHODS`.
        options: What they leave open.
        toolset: The tools.
        precision: In which they run.
        on_found: Called with each batch and what every method made of it.

    Returns:
        A row per method, in the order of ``methods``.
    """
    totals: dict[str, dict[str, float]] = {}
    with tqdm(total=count, desc=level, unit="image", leave=False, disable=None) as bar:
        for batch in batches(starts):
            start = begin(batch, toolset, precision)
            applied = [one.degradation or Sequence(()) for one in batch]
            everything: dict[str, Found] = {}
            for method in methods:
                began = time.perf_counter()
                for found in METHODS[method](start, applied, options):
                    seconds = time.perf_counter() - began
                    most = max(int(result.trials.sum()) for result in found.values())
                    for name, result in found.items():
                        # The shorter paths of a search would have taken their share of its trials.
                        share = int(result.trials.sum()) / most if most else 1.0
                        _add(totals.setdefault(name, {}), result, seconds * share)
                    everything |= found
                    began = time.perf_counter()
            if on_found is not None:
                on_found(batch, everything)
            bar.update(len(batch))
    return [_row(level, name, sums) for name, sums in totals.items()]


def _add(sums: dict[str, float], found: Found, seconds: float) -> None:
    restored = found.restoration
    values = {
        "psnr": psnr(restored.images, restored.references).sum().item(),
        "ssim": ssim(restored.images, restored.references).double().sum().item(),
        "gain": float(restored.gains.sum()),
        "trials": float(found.trials.sum()),
        "seconds": seconds,
        "images": len(restored.images),
    }
    for key, value in values.items():
        sums[key] = sums.get(key, 0.0) + value


def _row(level: str, method: str, sums: dict[str, float]) -> Row:
    means = {key: sums[key] / sums["images"] for key in ("psnr", "ssim", "gain", "trials")}
    return Row(level, method, **means, seconds=sums["seconds"], images=int(sums["images"]))


def as_json(rows: Many[Row]) -> list[dict[str, Any]]:
    """Rows as plain dictionaries."""
    return [asdict(row) for row in rows]
