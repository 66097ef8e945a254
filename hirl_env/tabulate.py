"""Makes a table: runs all paths of up to a certain depth on every crop, once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from hirl_env.data.images import to_pixels
from hirl_env.data.samples import Sample, stacked
from hirl_env.files import atomic_write_text
from hirl_env.restoration import Restoration, State
from hirl_env.table import FACTS, Facts, Labels, Table, open_table, read_facts

PIXELS = 32 * 64 * 64  # of the crops whose paths are run side by side
Arrays = dict[str, npt.NDArray[Any]]


def facts_of(
    restoration: Restoration, count: int, crop_size: int, depth: int, observed: int, source: Mapping[str, Any]
) -> Facts:
    """What a table would be of.

    Args:
        restoration: Restoration whose toolset and measure are the table's.
        count: Number of crops.
        crop_size: Side of the crops, pixels.
        depth: Number of tools of the longest paths.
        observed: Number of tools of the longest paths whose images are kept.
        source: Origin of the crops and precision of the tools, as JSON has it.

    Raises:
        ValueError: If numbers are out of range.
    """
    if depth < 1 or not 0 <= observed <= depth:
        raise ValueError(f"a table needs a depth of at least 1 and observed of 0 to {depth}; got {depth}, {observed}")
    if count < 1:
        raise ValueError("a table needs at least one crop")
    toolset = restoration.toolset
    names: dict[str, list[str]] = {name: [] for name in toolset.types}
    for kind, degree in toolset.cells:
        names[toolset.types[kind]].append(toolset[kind, degree].name)
    costs = (toolset.costs * crop_size**2 / 1e6).tolist()
    return Facts(crop_size, count, names, costs, depth, observed, restoration.measure.name, dict(source))


def tabulate(samples: Iterable[Sample], restoration: Restoration, facts: Facts, place: Path) -> Table:
    """Fills a table, or goes on with one that was interrupted, batch by batch of crops.

    Memory holds one batch of images for each step of a path.

    Args:
        samples: The crops, with references; the same each time, in the same order.
        restoration: Restoration whose toolset, measure and precision are used.
        facts: Facts, as of `facts_of`.
        place: Folder of the table.

    Raises:
        ValueError: If another table is there, crops are more or fewer than said, or have no reference.
        OSError: If it does not fit on the disk.
    """
    if (place / FACTS).exists():
        there = read_facts(place)
        if replace(there, samples=[]) != facts:
            raise ValueError(f"{place} holds another table already; choose another folder, or remove it")
        if there.samples:
            return open_table(place)
    arrays = _opened(facts, place)
    labels: list[Labels] = []
    samples, size = iter(samples), max(1, PIXELS // facts.crop_size**2)
    runs = facts.nodes(facts.depth) - 1
    with tqdm(total=facts.count * runs, desc="tabulate", unit="run", disable=None, smoothing=0.05) as bar:
        while batch := list(itertools.islice(samples, size)):
            rows = slice(len(labels), len(labels) + len(batch))
            labels += [sample.labels for sample in batch]
            if len(labels) > facts.count:
                break
            if not arrays["finished"][rows].all():
                _fill(batch, restoration, facts, arrays, rows, bar.update)
            else:
                bar.update(len(batch) * runs)
    if len(labels) != facts.count:
        raise ValueError(f"there are other than {facts.count} crops; were photographs added or removed?")
    atomic_write_text(place / FACTS, replace(facts, samples=labels).as_json())
    return open_table(place)


def _opened(facts: Facts, place: Path) -> Arrays:
    """The arrays on disk, made where they are not there yet."""
    place.mkdir(parents=True, exist_ok=True)
    if not (place / FACTS).exists():
        free = shutil.disk_usage(place).free
        if facts.bytes > free:
            raise OSError(
                f"{place}: the table takes {facts.bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; take fewer "
                "crops, a smaller --depth or --observed, or another place"
            )
        for name, (shape, kind) in facts.layout().items():
            np.lib.format.open_memmap(place / f"{name}.npy", "w+", kind, shape).flush()
        atomic_write_text(place / FACTS, facts.as_json())
    return {name: np.lib.format.open_memmap(place / f"{name}.npy", "r+") for name in facts.layout()}


def _fill(
    batch: list[Sample],
    restoration: Restoration,
    facts: Facts,
    arrays: Arrays,
    rows: slice,
    on_run: Callable[[int], object],
) -> None:
    """Runs all paths on a batch of crops, depth first; says of each run on how many crops it was."""
    images, references = stacked(batch)
    if references is None:
        raise ValueError("a table needs crops with references")
    root = restoration.branch()
    root.begin(images, references)
    scores = {name: np.empty((len(batch), facts.nodes(facts.depth))) for name in ("scores", "psnr")}

    def keep(state: State, node: int) -> None:
        scores["scores"][:, node], scores["psnr"][:, node] = state.scores, state.psnr
        if node < facts.nodes(facts.observed):
            arrays["observations"][rows, node] = to_pixels(state.images)

    def expand(state: State, node: int, length: int) -> None:
        keep(state, node)
        for tool, cell in enumerate(root.toolset.cells if length < facts.depth else ()):
            child = root.at(state)
            child.step(np.broadcast_to(cell, (len(batch), 2)))
            on_run(len(batch))
            expand(child.state, node * facts.tools + tool + 1, length + 1)

    expand(root.state, 0, 0)
    for name, values in (*scores.items(), ("images", images), ("references", references)):
        arrays[name][rows] = values.numpy() if isinstance(values, torch.Tensor) else values
    for name, array in arrays.items():
        if name != "finished":
            array.flush()  # type: ignore[attr-defined]
    # Last, so that what is marked as finished is on the disk.
    arrays["finished"][rows] = True
    arrays["finished"].flush()  # type: ignore[attr-defined]
