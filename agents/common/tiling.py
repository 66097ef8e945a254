"""Runs tools over overlapping tiles of a picture, so that memory is bounded whatever its size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from hirl_env.tools.toolset import Toolset

TILE = 512
# Pixels. The U-Nets of the toolset `hirl` have the largest receptive fields: in tiles of 64, their PSNR against the
# result on the whole picture is 56 dB with an overlap of 16, and 80 dB with 48; with 64 the results are equal.
OVERLAP = 64
GRID = 16  # positions of tiles and crops are multiples of it, because networks' strides and JPEG's blocks divide it


class Tiles(nn.Module):
    """Runs a tool over overlapping tiles, so that its memory does not grow with the picture.

    Every tile is extended by ``overlap`` pixels on each side where the picture continues, and its result is cropped.

    Args:
        restore: Function, as `Tool.restore`.
        tile: Side of a tile without its overlap, a multiple of 16.
        overlap: Width of the overlap, pixels, a multiple of 16.

    Raises:
        ValueError: If tile or overlap is not a multiple of 16, or the tile has no pixel.
    """

    def __init__(self, restore: Callable[[torch.Tensor], torch.Tensor], tile: int, overlap: int) -> None:
        super().__init__()
        # Off this grid, the networks' strides would fall on other pixels than in the whole picture.
        if tile < GRID or tile % GRID or overlap < 0 or overlap % GRID:
            raise ValueError(
                f"tile and overlap must be multiples of {GRID}, tile a positive one; got {tile}, {overlap}"
            )
        self.restore, self.tile, self.overlap = restore, tile, overlap

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1], any H and W, to the same shape, not clamped.

        Raises:
            ValueError: If the tool changes the shape of a tile.
        """
        rows, columns = (_spans(length, self.tile, self.overlap) for length in images.shape[-2:])
        if len(rows) == len(columns) == 1:
            return self.restore(images)
        whole = torch.empty_like(images)
        for row, row_around, row_kept in rows:
            for column, column_around, column_kept in columns:
                tile = images[..., row_around, column_around].contiguous(memory_format=torch.channels_last)
                restored = self.restore(tile)
                if restored.shape != tile.shape:
                    raise ValueError(f"a tool turned a tile of {tuple(tile.shape)} into {tuple(restored.shape)}")
                whole[..., row, column] = restored[..., row_kept, column_kept]
        return whole


def _spans(length: int, tile: int, overlap: int) -> list[tuple[slice, slice, slice]]:
    """Slices along one side, per tile: what it fills, what it sees, and which part of its result is kept."""
    spans = []
    start = 0
    while start < length:
        stop = start + tile
        # A tile that sees up to the border is the last.
        stop = length if stop + overlap >= length else stop
        first, last = max(0, start - overlap), min(length, stop + overlap)
        spans.append((slice(start, stop), slice(first, last), slice(start - first, stop - first)))
        start = stop
    return spans


def tiles_in(height: int, width: int, tile: int = TILE, overlap: int = OVERLAP) -> int:
    """Number of tiles that a tool runs on for a picture of that size; arguments as in `Tiles`."""
    return len(_spans(height, tile, overlap)) * len(_spans(width, tile, overlap))


def tiled(toolset: Toolset, tile: int = TILE, overlap: int = OVERLAP) -> Toolset:
    """The toolset with every tool run over tiles; pictures that fit into one tile are not cut.

    Args:
        toolset: Toolset of any kind.
        tile: Side of a tile, as in `Tiles`.
        overlap: Width of the overlap, as in `Tiles`.

    Raises:
        ValueError: If they are not multiples of 16.
    """
    return toolset.mapped(lambda tool: replace(tool, restore=Tiles(tool.restore, tile, overlap)))
