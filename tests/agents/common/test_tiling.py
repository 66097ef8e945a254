import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from hirl_agents.common.tiling import OVERLAP, tiled
from hirl_env import toolsets
from hirl_env.data.images import to_tensor
from hirl_env.data.photographs import image_sources
from hirl_env.quality import psnr
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset


@pytest.mark.parametrize("cell", [(0, 1), (1, 2), (2, 0), (2, 1), (2, 2)])
def test_no_seams(cell):
    photograph = next(iter(image_sources.resolve("photos"))).reference
    images = to_tensor(photograph[100:276, 150:342])[None]
    images = (images + torch.randn(images.shape, generator=torch.Generator().manual_seed(0)) * 0.06).clamp(0, 1)
    toolset = toolsets.resolve("hirl")
    whole = toolset.apply(images, cell)
    assert psnr(whole, images) < 45  # the tool does something
    assert psnr(tiled(toolset, 64, OVERLAP).apply(images, cell), whole) > 65


def box(images: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, stride=1)


@given(st.integers(1, 120), st.integers(1, 120), st.sampled_from([(16, 16), (32, 16), (16, 32)]))
def test_a_local_tool_gives_the_same_in_tiles(height, width, sizes):
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height))
    toolset = Toolset({"smooth": [Tool("box", box)]})
    assert torch.allclose(tiled(toolset, *sizes).apply(images, (0, 0)), toolset.apply(images, (0, 0)), atol=1e-6)


def test_tiles_are_bounded_and_on_the_grid():
    rows, columns = torch.meshgrid(torch.arange(300), torch.arange(211), indexing="ij")
    images = torch.stack([rows, columns, rows * 0])[None] / 512
    seen = []

    def note(images):
        seen.append((*(images[0, :2, 0, 0] * 512).int().tolist(), *images.shape[-2:]))
        return images * 1

    restored = tiled(Toolset({"note": [Tool("note", note)]}), 64, 32).apply(images, (0, 0))
    assert torch.equal(restored, images)
    assert len(seen) == 5 * 3
    assert all(top % 16 == 0 and left % 16 == 0 for top, left, _, _ in seen)
    assert max(max(sides) for _, _, *sides in seen) == 64 + 2 * 32


def test_tiling_keeps_what_a_toolset_is(toy_toolset):
    toolset = toolsets.resolve("hirl")
    in_tiles = tiled(toolset)
    assert in_tiles.types == toolset.types
    for cell in toolset.cells:
        assert (in_tiles[cell].name, in_tiles[cell].undoes) == (toolset[cell].name, toolset[cell].undoes)
    assert in_tiles[0, 0].restore.restore.network is in_tiles[0, 2].restore.restore.network
    assert tiled(toy_toolset).apply(torch.zeros(1, 3, 4, 4), (0, 1)).max().item() * 255 == pytest.approx(8)


@pytest.mark.parametrize("sizes", [(0, 16), (40, 16), (64, 10), (64, -16)])
def test_tiles_off_the_grid_are_refused(toy_toolset, sizes):
    with pytest.raises(ValueError, match="multiples of 16"):
        tiled(toy_toolset, *sizes)


def test_a_tool_that_changes_the_shape_of_a_tile_is_refused():
    toolset = tiled(Toolset({"wrong": [Tool("grey", lambda images: images.mean(dim=1, keepdim=True))]}), 16, 16)
    with pytest.raises(ValueError, match="turned a tile of"):
        toolset.apply(torch.zeros(1, 3, 64, 64), (0, 0))
