"""Runs restoration methods on distorted images and counts what they gain, cost and take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict

import numpy as np
from tqdm import tqdm

from hirl_agents.agent import QAgent
from hirl_agents.common.tiling import tiled
from hirl_agents.networks import NETWORKS
from hirl_agents.pixel_rl import STEPS, PixelRL, load_pixel_rl, restore
from hirl_agents.restorer import SHIPPED_AGENTS, load_agent
from hirl_agents.rl_restore import RLRestoreAgent, load_rl_restore
from hirl_agents.rollout import rollout
from hirl_agents.search import SearchResult, brute_force, chain, cyclic_best_first, greedy, reverse_order
from hirl_env.data.degradations import Degradation, InOrder
from hirl_env.data.samples import Sample
from hirl_env.quality import Measure, as_measure, psnr, ssim
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Cell, Precision, Toolset
from hirl_env.weights import read_metadata
from hirl_experiments.evaluation.sampling import PIXELS, batches, begin


@dataclass(frozen=True)
class Row:
    """One method on one level: means over images, except for the time, which is that of all of them.

    Attributes:
        level: The degradation's name.
        method: The method's name; ``single`` and ``brute-force`` with a suffix are its parts.
        psnr: dB.
        ssim: 0 to 1.
        gain: PSNR over the distorted image, dB.
        trials: Applications of a tool per image. PixelRL has no tools: its five steps are shown, in each of which every
            pixel applies one of nine filters.
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


class Measured(TypedDict):
    """What a method made of a batch, image by image: the photographs' names, and what `Row` says of each."""

    images: list[str]
    psnr: list[float]
    ssim: list[float]
    gain: list[float]
    trials: list[int]
    seconds: float


# By level, number of the batch, and method: what the rows of the method are made of, by their names.
Finished = MutableMapping[tuple[str, int, str], dict[str, Measured]]


@dataclass(frozen=True)
class Options:
    """What methods leave open.

    Attributes:
        chain: Cells of the method ``chain``.
        depth: Longest path of greedy and brute force.
        max_steps: Longest path of an agent, and of the search that it guides; None for that of its training.
        budgets: Trials after which the value-guided search reports.
        hirl: Who chooses in the methods ``hirl``, ``hirl-stops`` and ``hirl-search``.
        flat_dqn: Who chooses in the method ``flat-dqn``.
        measure: Of the method ``hirl-stops``, blind.
        pixel_rl: Of the method ``pixel-rl``.
        rl_restore: Of the method ``rl-restore``.
        rl_restore_tools: What it chooses among.
    """

    chain: tuple[Cell, ...] = ()
    depth: int = 3
    max_steps: int | None = None
    budgets: tuple[int, ...] = (9, 90)
    hirl: QAgent | None = None
    flat_dqn: QAgent | None = None
    measure: Measure | None = None
    pixel_rl: PixelRL | None = None
    rl_restore: RLRestoreAgent | None = None
    rl_restore_tools: Toolset | None = None


# What a method found, by the names of its rows; each dictionary comes of one run.
Method = Callable[[Restoration, Sequence[Degradation], Options], Iterator[dict[str, SearchResult]]]


def _distorted(
    start: Restoration, applied: Sequence[Degradation], options: Options
) -> Iterator[dict[str, SearchResult]]:
    yield {"distorted": SearchResult(start.state, np.zeros(len(start.state), dtype=np.int64))}


def _single(start: Restoration, applied: Sequence[Degradation], options: Options) -> Iterator[dict[str, SearchResult]]:
    for cell in start.toolset.cells:
        yield {f"single {start.toolset[cell].name}": chain(start, [cell])}


def _chain(start: Restoration, applied: Sequence[Degradation], options: Options) -> Iterator[dict[str, SearchResult]]:
    yield {f"chain {' > '.join(start.toolset[cell].name for cell in options.chain)}": chain(start, options.chain)}


def _reverse(start: Restoration, applied: Sequence[Degradation], options: Options) -> Iterator[dict[str, SearchResult]]:
    yield {"reverse": reverse_order(start, applied)[-1]}


def _greedy(start: Restoration, applied: Sequence[Degradation], options: Options) -> Iterator[dict[str, SearchResult]]:
    yield {"greedy": greedy(start, options.depth)[-1]}


def _brute_force(
    start: Restoration, applied: Sequence[Degradation], options: Options
) -> Iterator[dict[str, SearchResult]]:
    *shorter, longest = brute_force(start, options.depth, progress=True)
    yield {f"brute-force-{length}": found for length, found in enumerate(shorter, 1)} | {"brute-force": longest}


def _hirl(start: Restoration, applied: Sequence[Degradation], options: Options) -> Iterator[dict[str, SearchResult]]:
    assert options.hirl is not None
    yield {"hirl": rollout(start, options.hirl, options.max_steps)}
    yield {"hirl reference stop": rollout(start, options.hirl, options.max_steps, "reference")}


def _hirl_stops(
    start: Restoration, applied: Sequence[Degradation], options: Options
) -> Iterator[dict[str, SearchResult]]:
    assert options.measure is not None and options.hirl is not None
    blind = Restoration(start.toolset, options.measure, precision=start.precision)
    blind.begin(start.state.images, start.state.references)
    yield {"hirl quality stop": rollout(blind, options.hirl, options.max_steps, "quality")}
    yield {"hirl no stop": rollout(start, options.hirl, options.max_steps, "steps")}


def _flat_dqn(
    start: Restoration, applied: Sequence[Degradation], options: Options
) -> Iterator[dict[str, SearchResult]]:
    assert options.flat_dqn is not None
    yield {"flat-dqn": rollout(start, options.flat_dqn, options.max_steps)}


def _hirl_search(
    start: Restoration, applied: Sequence[Degradation], options: Options
) -> Iterator[dict[str, SearchResult]]:
    assert options.hirl is not None
    found = cyclic_best_first(start, options.hirl, options.budgets, options.max_steps)
    yield {f"hirl-search-{budget}": one for budget, one in zip(options.budgets, found, strict=True)}


def _pixel_rl(
    start: Restoration, applied: Sequence[Degradation], options: Options
) -> Iterator[dict[str, SearchResult]]:
    assert options.pixel_rl is not None
    restored = start.branch()
    restored.begin(restore(options.pixel_rl, start.state.images, start.precision), start.state.references)
    state = replace(restored.state, first_images=start.state.images, first_scores=start.state.scores)
    yield {"pixel-rl": SearchResult(state, np.full(len(state), STEPS))}


def _rl_restore(
    start: Restoration, applied: Sequence[Degradation], options: Options
) -> Iterator[dict[str, SearchResult]]:
    agent, tools = options.rl_restore, options.rl_restore_tools
    assert agent is not None and tools is not None
    own = Restoration(tools, start.measure, precision=start.precision)
    own.begin(start.state.images, start.state.references)
    length = min(options.max_steps or agent.max_steps, agent.max_steps)
    yield {"rl-restore": rollout(own, agent, length, "steps")}
    yield {"rl-restore reference stop": rollout(own, agent, length, "reference")}


METHODS: dict[str, Method] = {
    "distorted": _distorted,
    "single": _single,
    "chain": _chain,
    "reverse": _reverse,
    "greedy": _greedy,
    "brute-force": _brute_force,
    "hirl": _hirl,
    "hirl-stops": _hirl_stops,
    "flat-dqn": _flat_dqn,
    "hirl-search": _hirl_search,
    "pixel-rl": _pixel_rl,
    "rl-restore": _rl_restore,
}


def blind_measure(name: str, option: str) -> Measure:
    """A measure that needs no reference.

    Args:
        name: Of the measure, or a sum of several.
        option: Where the user named it.

    Raises:
        ValueError: If it is unknown, or needs a reference.
    """
    measure = as_measure(name)
    if measure.needs_reference:
        raise ValueError(f"{option}: {measure.name} needs a reference; name a blind measure, such as hirl-biqa")
    return measure


def load_agents(
    methods: Sequence[str], toolset: Toolset, agent: str = "hirl-paper", flat_dqn: Path | None = None
) -> dict[str, Any]:
    """The agents that methods ask, as arguments of `Options`; of a large picture they look at crops.

    Args:
        methods: Keys of `METHODS`.
        toolset: That the agents were trained with.
        agent: Of `Options.hirl`: a shipped one's name, or a file.
        flat_dqn: File of the flat DQN; None for the shipped one.

    Raises:
        ValueError: If an agent that is asked is missing, or was made for another toolset.
    """
    agents = {}
    if not {"hirl", "hirl-stops", "hirl-search"}.isdisjoint(methods):
        _check_kind(agent, "two-level", "--agent: not HIRL's")
        agents["hirl"] = load_agent(agent, toolset)
    if "flat-dqn" in methods:
        _check_kind(flat_dqn or "flat-dqn", "flat", "--flat-dqn: not those of a flat DQN")
        agents["flat_dqn"] = load_agent(flat_dqn or "flat-dqn", toolset)
    return agents


def _check_kind(agent: str | Path, kind: str, otherwise: str) -> None:
    """Raises ValueError where weights are of the other kind: rows of tables would go by the wrong name."""
    path = SHIPPED_AGENTS.get(str(agent), Path(agent))
    if path.is_file() and read_metadata(path).get("network") in NETWORKS.keys() - {kind}:
        raise ValueError(f"weights {path}: {otherwise}")


def load_peers(
    methods: Sequence[str], toolset: Toolset, pixel_rl: Path | None = None, rl_restore: Path | None = None
) -> dict[str, Any]:
    """The peers that methods ask, as arguments of `Options`.

    Args:
        methods: Keys of `METHODS`.
        toolset: For a peer that has no tools of its own; the peers go on its device, and their tools over tiles.
        pixel_rl: File of the method ``pixel-rl``; None for the shipped one.
        rl_restore: File of the method ``rl-restore``.

    Raises:
        ValueError: If a peer that is asked is missing, or does not go with the toolset.
    """
    peers: dict[str, Any] = {}
    if "pixel-rl" in methods:
        peers["pixel_rl"] = load_pixel_rl(pixel_rl).to(toolset.device)
    if "rl-restore" in methods:
        if rl_restore is None:
            raise ValueError(
                "the method rl-restore needs --rl-restore: an .npz file, or one of hirl train --preset rl-restore"
            )
        agent = load_rl_restore(rl_restore).to(toolset.device)
        tools = agent.toolset(toolset)  # says now where the two do not go together
        peers["rl_restore"] = agent
        peers["rl_restore_tools"] = tools if agent.tools is None else tiled(tools)
    return peers


def evaluate_level(
    starts: Iterable[Sample],
    count: int,
    level: str,
    methods: Sequence[str],
    options: Options,
    toolset: Toolset,
    precision: Precision,
    on_found: Callable[[list[Sample], dict[str, SearchResult]], None] | None = None,
    finished: Finished | None = None,
    pixels: int = PIXELS,
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
        on_found: Called with each batch and what every method made of it that had not finished it before.
        finished: What need not be run again; each method's results on a batch are added as soon as they are there.
        pixels: Of a batch (see `batches`).

    Returns:
        A row per method, in the order of ``methods``.
    """
    finished = {} if finished is None else finished
    results: dict[str, list[Measured]] = {}
    with tqdm(total=count, desc=level, unit="image", leave=False, disable=None) as bar:
        for number, batch in enumerate(batches(starts, pixels)):
            start = begin(batch, toolset, precision)
            everything: dict[str, SearchResult] = {}
            for method in methods:
                if (level, number, method) not in finished:
                    found, measured = _run(method, batch, start, options)
                    finished[level, number, method] = measured
                    if on_found is not None:
                        everything |= found
                for name, one in finished[level, number, method].items():
                    results.setdefault(name, []).append(one)
            if on_found is not None:
                on_found(batch, everything)
            bar.update(len(batch))
    return [_row(level, name, parts) for name, parts in results.items()]


def _run(
    method: str, batch: Sequence[Sample], start: Restoration, options: Options
) -> tuple[dict[str, SearchResult], dict[str, Measured]]:
    """What a method makes of a batch, and how that measures."""
    applied = [one.degradation or InOrder(()) for one in batch]
    everything: dict[str, SearchResult] = {}
    measured: dict[str, Measured] = {}
    began = time.perf_counter()
    for found in METHODS[method](start, applied, options):
        seconds = time.perf_counter() - began
        most = max(int(result.trials.sum()) for result in found.values())
        for name, result in found.items():
            # The shorter paths of a search would have taken their share of its trials.
            share = int(result.trials.sum()) / most if most else 1.0
            measured[name] = _measured(batch, start, result, seconds * share)
        everything |= found
        began = time.perf_counter()
    return everything, measured


def _measured(batch: Sequence[Sample], start: Restoration, found: SearchResult, seconds: float) -> Measured:
    # Tools need not clamp; a picture does.
    restored, references = found.state.images.clamp(0, 1), found.state.references
    decibels = psnr(restored, references)
    return {
        "images": [one.name for one in batch],
        "psnr": decibels.tolist(),
        "ssim": ssim(restored, references).tolist(),
        "gain": (decibels - psnr(start.state.images, start.state.references)).tolist(),
        "trials": found.trials.tolist(),
        "seconds": seconds,
    }


def _row(level: str, method: str, parts: Sequence[Measured]) -> Row:
    means = {key: fmean(value for part in parts for value in part[key]) for key in ("psnr", "ssim", "gain", "trials")}
    seconds, images = sum(part["seconds"] for part in parts), sum(len(part["images"]) for part in parts)
    return Row(level, method, **means, seconds=seconds, images=images)


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as plain dictionaries."""
    return [asdict(row) for row in rows]
