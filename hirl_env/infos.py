"""Infos: what environments return beside observations and rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hirl_env.arrays import Indices
from hirl_env.data.samples import Sample
from hirl_env.restoration import Outcome, Restoration

STRINGS = ("photograph", "degradation", "level")


class Infos:
    """Infos of the same keys, dtypes and shapes at every reset and every step: libraries stack them.

    Args:
        restoration: The episodes that they are about.
        path_length: Steps that paths have room for; None leaves paths out, which have no bound then.
        psnr: Whether they have the PSNR.
        tool_gains: Whether they have what each tool would have gained.
        strings: Whether they have names of tools, photographs and degradations.
    """

    def __init__(
        self, restoration: Restoration, path_length: int | None, psnr: bool, tool_gains: bool, strings: bool
    ) -> None:
        self.restoration, self.path_length = restoration, path_length
        self.psnr, self.tool_gains, self.strings = psnr, tool_gains, strings
        self._names = np.empty((0, len(STRINGS)), dtype=object)
        self._gains = np.zeros((0, restoration.toolset.n_types, restoration.toolset.n_degrees))

    def begin(self, samples: Sequence[Sample], rows: Indices) -> None:
        """Takes note of what episodes begin with, one sample for each of these rows."""
        count = len(self.restoration.state)
        if len(self._names) != count:
            self._names = np.empty((count, len(STRINGS)), dtype=object)
            self._gains = np.zeros((count, *self._gains.shape[1:]))
        self._gains[rows] = 0.0
        if self.strings:
            self._names[rows] = [sample.labels for sample in samples]

    def step(self, outcome: Outcome, rows: Indices) -> None:
        """Takes note of what a step did to these rows."""
        if outcome.tool_gains is not None:
            self._gains[rows] = outcome.tool_gains

    def of(self, rows: Indices) -> dict[str, npt.NDArray[Any]]:
        """The infos of n rows, in new memory.

        Returns:
            ``score``: the reward's measure, float64 (n,).
            ``psnr``: PSNR in dB, float64 (n,); not a number for a given picture without a reference.
            ``cost``: GFLOP that the tools on the path took, float64 (n,).
            ``path``: (type, degree) pairs that were applied, int64 (n, path_length, 2), after the end of a path -1.
            ``tool_gains``: gains of all tools in the last step, less their price, float64 (n, types, degrees); 0 at a
                reset.
            ``tool``, ``photograph``, ``degradation``, ``level``: names, that of the tool used last; ``""`` for none.
        """
        state = self.restoration.state
        infos: dict[str, npt.NDArray[Any]] = {"score": state.scores[rows], "cost": state.costs[rows]}
        if self.psnr:
            infos["psnr"] = np.full(len(rows), np.nan) if state.psnr is None else state.psnr[rows]
        if self.path_length is not None:
            infos["path"] = np.full((len(rows), self.path_length, 2), -1)
            infos["path"][:, : state.path.shape[1]] = state.path[rows]
        if self.tool_gains:
            infos["tool_gains"] = self._gains[rows]
        if self.strings:
            tools = ["", *(self.restoration.toolset[cell].name for cell in self.restoration.toolset.cells)]
            infos["tool"] = np.array(tools, dtype=object)[self.restoration.last_tools[rows]]
            infos |= dict(zip(STRINGS, self._names[rows].T, strict=True))
        return infos
