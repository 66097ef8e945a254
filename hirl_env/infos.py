"""Infos: what environments return in addition to observations and rewards."""

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
    """Infos with the same keys, dtypes and shapes at every reset and every step, because libraries stack them.

    Args:
        restoration: Restoration whose episodes they describe.
        path_length: Number of steps in ``path``; None leaves it out, because paths have no bound then.
        psnr: Whether they have the PSNR.
        tool_gains: Whether they have the gain that each tool would have had.
        strings: Whether they have the names of tools, photographs and degradations.
    """

    def __init__(
        self, restoration: Restoration, path_length: int | None, psnr: bool, tool_gains: bool, strings: bool
    ) -> None:
        self.restoration, self.path_length = restoration, path_length
        self.psnr, self.tool_gains, self.strings = psnr, tool_gains, strings
        self._names = np.empty((0, len(STRINGS)), dtype=object)
        self._gains = np.zeros((0, restoration.toolset.n_types, restoration.toolset.n_degrees))

    def begin(self, samples: Sequence[Sample], rows: Indices) -> None:
        """Records the samples that episodes begin with, one for each of these rows."""
        count = len(self.restoration.state)
        if len(self._names) != count:
            self._names = np.empty((count, len(STRINGS)), dtype=object)
            self._gains = np.zeros((count, *self._gains.shape[1:]))
        self._gains[rows] = 0.0
        if self.strings:
            self._names[rows] = [sample.labels for sample in samples]

    def step(self, outcome: Outcome, rows: Indices) -> None:
        """Records what a step did to these rows."""
        if outcome.tool_gains is not None:
            self._gains[rows] = outcome.tool_gains

    def of(self, rows: Indices) -> dict[str, npt.NDArray[Any]]:
        """The infos of n rows, in new memory.

        Returns:
            Arrays by name:

            - ``score``: the reward's measure, float64 (n,).
            - ``psnr``: PSNR in dB, float64 (n,); NaN for a given image without a reference.
            - ``cost``: GFLOP that the tools on the path took, float64 (n,).
            - ``path``: (type, degree) pairs that were applied, int64 (n, path_length, 2), padded with -1.
            - ``tool_gains``: gains of all tools in the last step, less their price, float64 (n, types, degrees); 0 at a
              reset.
            - ``tool``, ``photograph``, ``degradation``, ``level``: names (of the tool used last, ...); ``""`` for none.
        """
        state = self.restoration.state
        infos: dict[str, npt.NDArray[Any]] = {"score": state.scores[rows], "cost": state.costs[rows]}
        if self.psnr:
            infos["psnr"] = np.full(len(rows), np.nan) if state.psnr is None else state.psnr[rows]
        if self.path_length is not None:
            infos["path"] = np.full((len(rows), self.path_length, 2), -1, np.int64)
            infos["path"][:, : state.path.shape[1]] = state.path[rows]
        if self.tool_gains:
            infos["tool_gains"] = self._gains[rows]
        if self.strings:
            tools = ["", *(self.restoration.toolset[cell].name for cell in self.restoration.toolset.cells)]
            infos["tool"] = np.array(tools, dtype=object)[self.restoration.last_tools[rows]]
            infos |= dict(zip(STRINGS, self._names[rows].T, strict=True))
        return infos
