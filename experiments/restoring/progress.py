"""The progress of a run, also within a large picture, and without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import torch
from torch import nn
from tqdm import tqdm

from hirl_agents.common.tiling import tiles_in
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset

EVERY = 15  # seconds between two lines if there is no terminal


class Progress:
    """Shows progress, tile by tile.

    Args:
        pictures: Number of pictures to restore.
        clock: Function that returns a time in seconds.
    """

    def __init__(self, pictures: int, clock: Callable[[], float] = monotonic) -> None:
        self._bar = tqdm(total=pictures, unit="picture", disable=None)
        self._clock, self._last = clock, clock()
        self._name, self._tiles, self._count = "", 1, 0

    def begin(self, name: str, height: int, width: int) -> None:
        """Begins a picture, or a page of one."""
        self._name, self._tiles, self._count = name, tiles_in(height, width), 0
        self._tell(f"{name}: looking")

    def tile(self, tool: str) -> None:
        """Counts a tile that a tool runs on: of a picture or, before the first, of the image for counting costs."""
        if not self._name:
            return
        step, tile = divmod(self._count, self._tiles)
        self._count += 1
        self._tell(f"{self._name}: step {step + 1}, {tool}, tile {tile + 1} of {self._tiles}")

    def end(self) -> None:
        """Ends a picture."""
        self._bar.update()

    def close(self) -> None:
        """Ends the display."""
        self._bar.close()

    def _tell(self, text: str) -> None:
        if not self._bar.disable:
            self._bar.set_postfix_str(text)
        elif self._clock() - self._last >= EVERY:
            print(f"hirl: {text}", file=sys.stderr, flush=True)
            self._last = self._clock()


class ProgressTool(nn.Module):
    """A tool that reports when it begins."""

    def __init__(self, tool: Tool, begin: Callable[[str], None]) -> None:
        super().__init__()
        self.restore, self.name, self.begin = tool.restore, tool.name, begin

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Restores images, as the tool's ``restore`` does."""
        self.begin(self.name)
        return self.restore(images)


def with_progress(toolset: Toolset, begin: Callable[[str], None]) -> Toolset:
    """The toolset, with every tool calling ``begin`` with its name when it runs."""
    return toolset.mapped(lambda tool: replace(tool, restore=ProgressTool(tool, begin)))
