import pytest
from torch import nn

from hirl_env.tools.cost import gflop_per_megapixel
from hirl_env.tools.registry import toolsets


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
