import pytest
from torch import nn

from hirl_env.tools.cost import gflop_per_megapixel
from hirl_env.tools.registry import toolsets
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset


def test_a_convolution_costs_two_operations_a_weight_and_pixel():
    assert gflop_per_megapixel(nn.Conv2d(3, 3, 5, padding=2, bias=False)) == pytest.approx(2 * 3 * 3 * 25 * 1e-3)


def test_ffdnet_costs_what_its_layers_do_at_half_the_size():
    weights = 9 * (13 * 72 + 10 * 72 * 72 + 72 * 12)
    costs = toolsets.resolve("paper").costs
    assert costs.shape == (3, 3)
    assert costs[0, 0] == pytest.approx(2 * weights / 4 * 1e-3)
    assert costs[0, 0] == costs[0, 2], "one network"


def test_the_papers_tools_are_light():
    """All nine together at most 6 GFLOP for a crop of 64x64, the largest at most 2."""
    costs = toolsets.resolve("paper").costs * 64 * 64 / 1e6
    assert costs.sum() < 6
    assert costs.max() < 2


def test_a_network_for_other_sizes_is_counted_on_one_that_it_takes():
    wide = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.AvgPool2d(128), nn.Upsample(scale_factor=128))
    assert gflop_per_megapixel(wide) == pytest.approx(2 * 9 * 1e-3)


def test_a_tool_for_no_small_image_is_named():
    toolset = Toolset({"odd": [Tool("huge", nn.AvgPool2d(1000))]})
    with pytest.raises(ValueError, match="tool 'huge': its cost is counted on small images, and it can run on none"):
        toolset.count_costs()
