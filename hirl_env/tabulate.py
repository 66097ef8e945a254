"""Makes a table: runs all paths up to a certain depth on every crop, once."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hirl_env.data.images import to_pixels
from hirl_env.data.samples import Sample, stacked
from hirl_env.files import atomic_write_text
from hirl_env.restoration import UNBOUNDED, Restoration, State
from hirl_env.table import SPEC, Labels, Table, TableSpec, open_table, read_spec

PIXELS = 32 * 64 * 64  # in all images of a batch, which are restored side by side
FINISHED = "finished"  # array of an unfinished table: the nodes whose whole subtree is there, bool (crops, nodes)
Arrays = dict[str, npt.NDArray[Any]]


def spec_of(
    restoration: Restoration, count: int, crop_size: int, depth: int, observed: int, source: Mapping[str, Any]
) -> TableSpec:
    """The specification of a table to make.

    Args:
        restoration: Restoration whose toolset and measure are the table's.
        count: Number of crops.
        crop_size: Side of the crops, pixels.
        depth: Number of tools of the longest paths.
        observed: Number of tools of the longest paths whose images are kept.
        source: Origin of the crops and precision of the tools, as JSON values.

    Raises:
        ValueError: If a number is out of range.
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
    return TableSpec(crop_size, count, names, costs, depth, observed, restoration.measure.name, dict(source))


def tabulate(samples: Iterable[Sample], restoration: Restoration, spec: TableSpec, folder: Path) -> Table:
    """Fills a table, or resumes an interrupted one where it stopped.

    Memory holds one batch of images for each step of a path.

    Args:
        samples: The crops, with references; the same each time, in the same order.
        restoration: Restoration whose toolset, measure and precision are used.
        spec: Specification, as from `spec_of`.
        folder: Folder of the table.

    Raises:
        ValueError: If another table is there, the number of crops differs from the specification's, or crops have no
            reference.
        OSError: If the table does not fit on the disk.
    """
    if (folder / SPEC).exists():
        there = read_spec(folder)
        if changed := _differences(there, spec):
            others = ", ".join(changed)
            raise ValueError(f"{folder} holds another table already, of other {others}; choose another, or remove it")
        if there.samples:
            return open_table(folder)
    arrays = _opened(spec, folder)
    labels: list[Labels] = []
    samples, size = iter(samples), max(1, PIXELS // spec.crop_size**2)
    runs = spec.nodes(spec.depth) - 1
    with tqdm(total=spec.count * runs, desc="tabulate", unit="run", disable=None, smoothing=0.05) as bar:
        while batch := list(itertools.islice(samples, size)):
            rows = slice(len(labels), len(labels) + len(batch))
            labels += [sample.labels for sample in batch]
            if len(labels) > spec.count:
                break
            if not arrays[FINISHED][rows, 0].all():
                _Filler(_begun(batch, restoration, arrays, rows), spec, arrays, rows, bar.update).fill()
            else:
                bar.update(len(batch) * runs)
    if len(labels) != spec.count:
        raise ValueError(f"there are other than {spec.count} crops; were photographs added or removed?")
    atomic_write_text(folder / SPEC, replace(spec, samples=labels).as_json())
    del arrays  # Windows removes no file that is mapped
    (folder / f"{FINISHED}.npy").unlink()
    return open_table(folder)


def _differences(there: TableSpec, spec: TableSpec) -> list[str]:
    """Names of the attributes in which two specifications differ."""
    before, now = (vars(one) | one.source for one in (there, spec))
    apart = ("source", "samples")  # source is compared by its parts; only finished tables have samples
    return [name for name in dict.fromkeys([*now, *before]) if name not in apart and before.get(name) != now.get(name)]


def _opened(spec: TableSpec, folder: Path) -> Arrays:
    """The arrays on disk, created if missing: those of the table, and which nodes are finished."""
    layout = spec.layout() | {FINISHED: ((spec.count, spec.nodes(spec.depth - 1)), "bool")}
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / SPEC).exists():
        free = shutil.disk_usage(folder).free
        if spec.bytes > free:
            raise OSError(
                f"{folder}: the table takes {spec.bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; take fewer "
                "crops, a smaller --depth or --observed, or another place"
            )
        for name, (shape, kind) in layout.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape).flush()
        atomic_write_text(folder / SPEC, spec.as_json())
    return {name: np.lib.format.open_memmap(folder / f"{name}.npy", "r+") for name in layout}


class _Filler:
    """Runs the paths of a table on a batch of crops, depth first, except those that are finished.

    Args:
        root: Restoration of the batch before its first step.
        spec: Specification of the table.
        arrays: Arrays of the table, as from `_opened`.
        rows: Rows of the batch in the arrays.
        on_run: Function called with the number of runs of a tool on a crop that were done or skipped.
    """

    def __init__(
        self, root: Restoration, spec: TableSpec, arrays: Arrays, rows: slice, on_run: Callable[[int], object]
    ) -> None:
        self.root, self.spec, self.arrays, self.rows, self.on_run = root, spec, arrays, rows, on_run

    def fill(self) -> None:
        """Runs every path."""
        self._keep(self.root.state, 0)
        self._expand(self.root.state, 0, self.spec.depth)

    def _expand(self, state: State, node: int, left: int) -> None:
        """Runs all paths on from a node, with at most ``left`` more steps."""
        count = len(state)
        for child, cell in enumerate(self.root.toolset.cells, node * self.spec.tools + 1):
            if left > 1 and self.arrays[FINISHED][self.rows, child].all():
                self.on_run(count * self.spec.nodes(left - 1))
                continue
            after = self.root.with_state(state)
            after.step(np.broadcast_to(cell, (count, 2)))
            self.on_run(count)
            self._keep(after.state, child)
            if left > 1:
                self._expand(after.state, child, left - 1)
        self._finish(node)

    def _keep(self, state: State, node: int) -> None:
        """Writes the scores and the observations of a node."""
        self.arrays["scores"][self.rows, node], self.arrays["psnr"][self.rows, node] = state.scores, state.psnr
        if node < self.spec.nodes(self.spec.observed):
            self.arrays["observations"][self.rows, node] = to_pixels(state.images)

    def _finish(self, node: int) -> None:
        """Marks a node as finished: its whole subtree is there."""
        for name, array in self.arrays.items():
            if name != FINISHED:
                array.flush()  # type: ignore[attr-defined]
        # Last, so that whatever is marked as finished is on the disk.
        self.arrays[FINISHED][self.rows, node] = True
        self.arrays[FINISHED].flush()  # type: ignore[attr-defined]


def _begun(batch: list[Sample], restoration: Restoration, arrays: Arrays, rows: slice) -> Restoration:
    """A restoration of a batch of crops; also writes the crops into their rows of the arrays."""
    images, references = stacked(batch)
    if references is None:
        raise ValueError("a table needs crops with references")
    root = restoration.with_rules(UNBOUNDED)
    root.begin(images, references)
    arrays["images"][rows], arrays["references"][rows] = images.numpy(), references.numpy()
    return root
