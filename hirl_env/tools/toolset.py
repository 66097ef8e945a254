"""The grid of tools, types x degrees, that an environment's actions choose from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hirl_env.checks import fingerprint
from hirl_env.devices import Precision, available_device, check_precision
from hirl_env.tools.cost import gflop_per_megapixel
from hirl_env.tools.tool import Tool

Cell = tuple[int, int]


class Toolset:
    """Tools in a grid: a row of degrees, from weak to strong, for each type.

    Args:
        types: Name of each type to its tools; every type has the same number of degrees.
        device: Device that the tools' networks are on.

    Raises:
        ValueError: If there are no tools, or the rows differ in length.
    """

    def __init__(self, types: Mapping[str, Sequence[Tool]], device: str | torch.device = "cpu") -> None:
        lengths = {name: len(tools) for name, tools in types.items()}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            raise ValueError(f"a toolset needs types with equally many degrees, at least one; got {lengths}")
        self.types = tuple(types)
        self.device = torch.device(device)
        self._grid = tuple(tuple(tools) for tools in types.values())

    @property
    def n_types(self) -> int:
        """The number of types."""
        return len(self._grid)

    @property
    def n_degrees(self) -> int:
        """The number of degrees of every type."""
        return len(self._grid[0])

    @property
    def cells(self) -> list[Cell]:
        """Every (type, degree), type by type."""
        return [(kind, degree) for kind in range(self.n_types) for degree in range(self.n_degrees)]

    @property
    def signature(self) -> str:
        """Its types and the names of their tools, by which an agent's file knows what it was trained with."""
        rows = (", ".join(tool.name for tool in row) for row in self._grid)
        return "; ".join(f"{kind}: {row}" for kind, row in zip(self.types, rows, strict=True))

    @cached_property
    def costs(self) -> npt.NDArray[np.float64]:
        """The cost of each tool, GFLOP for a million pixels, float64 (types, degrees); counted when first asked for.

        Raises:
            ValueError: If a tool runs on no small image.
        """
        return np.array([[self._cost(tool) for tool in row] for row in self._grid])

    def _cost(self, tool: Tool) -> float:
        try:
            return gflop_per_megapixel(tool.restore, self.device)
        except ValueError as error:
            raise ValueError(f"tool {tool.name!r}: {error}") from None

    def count_costs(self) -> None:
        """Counts `costs` now, before somebody counts what is computed while they are asked for."""
        self.costs  # noqa: B018

    def name_of(self, cell: Cell) -> str:
        """The name of a cell, TYPE-DEGREE, as in ``deblur-2``."""
        kind, degree = cell
        return f"{self.types[kind]}-{degree}"

    def cell(self, name: str) -> Cell:
        """The cell of a name, as of `name_of`.

        Raises:
            ValueError: If there is none of that name.
        """
        named = {self.name_of(cell): cell for cell in self.cells}
        if name not in named:
            raise ValueError(f"unknown tool {name!r}; known are: {', '.join(named)}")
        return named[name]

    def __getitem__(self, cell: Cell) -> Tool:
        kind, degree = cell
        return self._grid[kind][degree]

    def with_type(self, name: str, tools: Sequence[Tool]) -> Toolset:
        """A toolset with one more type.

        Raises:
            ValueError: If there is a type of that name, or the tools are not as many as the degrees.
        """
        if name in self.types:
            raise ValueError(f"the toolset has a type {name!r} already; choose another name")
        return Toolset({**dict(zip(self.types, self._grid, strict=True)), name: tools}, self.device)

    def mapped(self, change: Callable[[Tool], Tool]) -> Toolset:
        """The toolset with every tool replaced by what a function makes of it."""
        rows = [[change(tool) for tool in row] for row in self._grid]
        return Toolset(dict(zip(self.types, rows, strict=True)), self.device)

    def to(self, device: str | torch.device) -> Toolset:
        """This toolset where its networks are on ``device`` already, else a copy there.

        Raises:
            ValueError: If there is no such device.
        """
        device = available_device(device)
        if device == self.device:
            return self
        # One deep copy of the whole grid, so that cells that share a network go on sharing it.
        modules = copy.deepcopy([[tool.restore for tool in row] for row in self._grid])
        rows = [
            [replace(tool, restore=_moved(restore, device)) for tool, restore in zip(row, restores, strict=True)]
            for row, restores in zip(self._grid, modules, strict=True)
        ]
        return type(self)(dict(zip(self.types, rows, strict=True)), device)

    @torch.no_grad()
    def apply(self, images: torch.Tensor, cell: Cell, precision: Precision = "float32") -> torch.Tensor:
        """Runs the tool of a cell.

        Args:
            images: Images (N, 3, H, W), float32 in [0, 1], on the toolset's device.
            cell: Cell (type, degree).
            precision: Precision of the convolutions; ``bf16`` runs them in bfloat16.

        Returns:
            A tensor (N, 3, H, W), float32, clamped to [0, 1] unless the tool says otherwise.

        Raises:
            ValueError: If the precision is unknown, or a tool changes the shape, writes into its input, or returns no
                tensor or what is not finite.
        """
        check_precision(precision)
        tool = self[cell]
        # Channels last is the layout in which CPUs and tensor cores convolve fastest.
        inputs = images.contiguous(memory_format=torch.channels_last)
        before = fingerprint(inputs)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            restored = tool.restore(inputs)
        if fingerprint(inputs) != before:
            raise ValueError(f"tool {tool.name!r} writes into the images it is given; it must return new ones")
        if not isinstance(restored, torch.Tensor):
            raise ValueError(f"tool {tool.name!r} returned {type(restored).__name__}; it must return a tensor")
        if restored.shape != images.shape:
            raise ValueError(
                f"tool {tool.name!r} turned images of shape {tuple(images.shape)} into {tuple(restored.shape)}"
            )
        if not restored.isfinite().all():
            raise ValueError(f"tool {tool.name!r} returned values that are not finite")
        return restored.float().clamp(0, 1) if tool.clamp else restored.float()


def _moved(
    restore: Callable[[torch.Tensor], torch.Tensor], device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    return restore.to(device) if isinstance(restore, nn.Module) else restore


class ShippedToolset(Toolset):
    """A toolset whose networks nobody trains: one copy on each device serves the whole process.

    Copies of what has it, such as environments that a tree search copies, have the same one.
    """

    def __init__(self, types: Mapping[str, Sequence[Tool]], device: str | torch.device = "cpu") -> None:
        super().__init__(types, device)
        self._copies: dict[torch.device, ShippedToolset] = {self.device: self}  # the same for all copies

    def __deepcopy__(self, memo: dict[int, Any]) -> ShippedToolset:
        return self

    def to(self, device: str | torch.device) -> ShippedToolset:
        """This toolset where its networks are on ``device`` already, else the one copy there."""
        device = available_device(device)
        if device not in self._copies:
            copied = cast(ShippedToolset, super().to(device))
            copied._copies = self._copies
            self._copies.setdefault(device, copied)
        return self._copies[device]
