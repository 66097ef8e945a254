"""A table of all paths up to a certain depth on a set of crops: scores, observations, and the values that follow.

Nodes are paths. Node 0 is the distorted crop, and tool t of m (from 0, type by type) leads from node n to node
``n * m + t + 1``: nodes are numbered by length, and within one length in the order of tools.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hirl_env.arrays import Floats
from hirl_env.errors import first_line
from hirl_env.restoration import Rules
from hirl_env.reward import check_price

SPEC = "table.json"

Labels = tuple[str, str, str]


@dataclass(frozen=True)
class TableSpec:
    """What a table contains, as stored in its ``table.json``.

    Attributes:
        crop_size: Side of the crops, pixels.
        count: Number of crops.
        types: Name of each type to the names of its tools, weak to strong.
        costs: GFLOP of each tool for a crop, (types, degrees).
        depth: Number of tools of the longest paths.
        observed: Number of tools of the longest paths whose images are kept.
        measure: Name of the measure of the scores.
        source: Origin: photographs, suite, seed, toolset, precision, and what distinguishes the photographs and tools
            from others of the same names.
        samples: Names of photograph, degradation and level of each crop; empty while the table is unfinished.
    """

    crop_size: int
    count: int
    types: dict[str, list[str]]
    costs: list[list[float]]
    depth: int
    observed: int
    measure: str
    source: dict[str, Any] = field(default_factory=dict)
    samples: list[Labels] = field(default_factory=list)

    @property
    def tools(self) -> int:
        """Number of tools."""
        return sum(map(len, self.types.values()))

    def nodes(self, length: int) -> int:
        """Number of paths up to that length, including the empty one."""
        return sum(self.tools**each for each in range(length + 1))

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of each array, by name."""
        count, side, nodes = self.count, self.crop_size, self.nodes(self.depth)
        return {
            "scores": ((count, nodes), "float64"),
            "psnr": ((count, nodes), "float64"),
            "observations": ((count, self.nodes(self.observed), side, side, 3), "uint8"),
            "images": ((count, 3, side, side), "float32"),
            "references": ((count, 3, side, side), "float32"),
        }

    @property
    def bytes(self) -> int:
        """Size of all arrays together, bytes."""
        return sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in self.layout().values())

    @property
    def gflop(self) -> float:
        """GFLOP that it takes to fill the table."""
        return self.count * (self.nodes(self.depth - 1)) * float(np.sum(self.costs))

    def as_json(self) -> str:
        """The text of ``table.json``."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_spec(folder: Path) -> TableSpec:
    """The specification of the table in a folder.

    Raises:
        ValueError: If there is none.
    """
    try:
        content = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        content["samples"] = [tuple(labels) for labels in content["samples"]]
        return TableSpec(**content)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{folder}: no table that hirl tabulate wrote ({first_line(error)})") from None


@dataclass(frozen=True, eq=False)
class Plan:
    """The optimal values of each node, by backward induction.

    Attributes:
        values: V*, the largest sum of rewards from a node on, float64 (crops, nodes).
        q: Q*, the same with each tool as the next step, float64 (crops, nodes that allow one more step, tools).
    """

    values: Floats
    q: Floats


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A finished table; its arrays are memory-mapped.

    Attributes:
        folder: Folder that it was read from.
        spec: Specification of its contents.
        scores: The measure at each node, float64 (crops, nodes).
        psnr: PSNR in dB at each node, float64 (crops, nodes).
        observations: Images at the nodes kept, uint8 (crops, nodes kept, H, W, 3).
        images: Distorted crops, float32 (crops, 3, H, W), in [0, 1].
        references: Clean crops, float32 (crops, 3, H, W), in [0, 1].
    """

    folder: Path
    spec: TableSpec
    scores: Floats
    psnr: Floats
    observations: npt.NDArray[np.uint8]
    images: npt.NDArray[np.float32]
    references: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return self.spec.count

    # Copies of an environment, and processes that it is sent to, share the files.
    def __deepcopy__(self, memo: dict[int, Any]) -> Table:
        return self

    def __reduce__(self) -> tuple[Callable[[Path], Table], tuple[Path]]:
        return open_table, (self.folder.absolute(),)

    @property
    def tool_costs(self) -> Floats:
        """GFLOP of each tool for a crop, float64 (tools,)."""
        return np.ravel(self.spec.costs)

    @cached_property
    def costs(self) -> Floats:
        """GFLOP of each path, float64 (nodes,)."""
        by_length = [np.zeros(1)]
        for _ in range(self.spec.depth):
            by_length.append(np.add.outer(by_length[-1], self.tool_costs).ravel())
        return np.concatenate(by_length)

    # All nodes of all crops in a row, as ordinary arrays, of which single entries are read fastest.

    @cached_property
    def flat_scores(self) -> Floats:
        """The scores, float64 (crops * nodes,)."""
        return np.asarray(self.scores).reshape(-1)

    @cached_property
    def flat_psnr(self) -> Floats:
        """The PSNR in dB, float64 (crops * nodes,)."""
        return np.asarray(self.psnr).reshape(-1)

    @cached_property
    def flat_observations(self) -> npt.NDArray[np.uint8]:
        """The observations, uint8 (crops * nodes kept, H, W, 3)."""
        return np.asarray(self.observations).reshape(-1, *self.observations.shape[2:])

    def node(self, path: Sequence[int]) -> int:
        """The number of the node that a path leads to; tools are numbered from 0, type by type."""
        node = 0
        for tool in path:
            node = node * self.spec.tools + tool + 1
        return node

    def of_length(self, length: int) -> slice:
        """The nodes whose paths have that length."""
        return slice(self.spec.nodes(length - 1), self.spec.nodes(length))

    def plan(self, rules: Rules | None = None, price: float = 0.0) -> Plan:
        """V* and Q* of an environment over the table.

        Args:
            rules: Rules that end its episodes, in at most ``depth`` steps. Default: ``depth`` steps, and STOP.
            price: Price of a GFLOP, in units of the measure.

        Raises:
            ValueError: If episodes may be longer than the table is deep or end by how images look, or the price is
                negative.
        """
        rules = Rules(self.spec.depth, stop_action=True) if rules is None else rules
        check_price(price)
        if rules.stop == "no_change":
            raise ValueError(f"{self.folder}: a table has no images to see changes in; use another stop")
        steps = self.checked_steps(rules.max_steps, self.spec.depth)
        worth = self.scores[:, : self.spec.nodes(steps)] - price * self.costs[: self.spec.nodes(steps)]
        values, q = np.zeros_like(worth), np.zeros((len(self), self.spec.nodes(steps - 1), self.spec.tools))
        for length in reversed(range(steps)):
            here, there = self.of_length(length), self.of_length(length + 1)
            shape = (len(self), here.stop - here.start, self.spec.tools)
            gains = worth[:, there].reshape(shape) - worth[:, here, None]
            over = np.zeros(shape, dtype=np.bool_)
            if rules.stop == "no_gain":
                over = gains <= 0
                gains = np.where(over, 0.0, gains)
            elif rules.stop == "below_start":
                over = (self.scores[:, there] < self.scores[:, :1]).reshape(shape)
            q[:, here] = gains + np.where(over, 0.0, values[:, there].reshape(shape))
            values[:, here] = q[:, here].max(axis=2)
            if rules.stop_action:
                values[:, here] = np.maximum(values[:, here], 0.0)
        return Plan(values, q)

    def checked_steps(self, max_steps: int | None, most: int) -> int:
        """The given bound on steps; raises ValueError if it is not in 1 to ``most``."""
        if max_steps is None or not 1 <= max_steps <= most:
            keeps = "is" if most == self.spec.depth else "keeps observations"
            remedy = "--depth" if most == self.spec.depth else "--observed"
            raise ValueError(
                f"{self.folder}: max_steps must be 1 to {most}, got {max_steps}: the table {keeps} {most} deep; make a "
                f"deeper one with hirl tabulate {remedy}"
            )
        return max_steps


def open_table(folder: str | Path) -> Table:
    """The table in a folder that `hirl tabulate` wrote.

    Raises:
        ValueError: If there is none, it is unfinished, or its arrays do not match its specification.
    """
    folder = Path(folder)
    spec = read_spec(folder)
    if not spec.samples:
        raise ValueError(f"{folder}: the table is unfinished; the same hirl tabulate command goes on with it")
    arrays = {}
    for name, (shape, kind) in spec.layout().items():
        try:
            array = np.load(folder / f"{name}.npy", mmap_mode="r")
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder}: {name}.npy is missing or damaged ({error}); tabulate again") from None
        if (array.shape, array.dtype) != (shape, np.dtype(kind)):
            raise ValueError(f"{folder}: {name}.npy is {array.dtype} {array.shape}, not {kind} {shape}; tabulate again")
        arrays[name] = array
    return Table(folder, spec, **arrays)
