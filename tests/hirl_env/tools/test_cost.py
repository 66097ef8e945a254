import pytest
from torch import nn

from hirl_env.tools.cost import gflop_per_megapixel
from hirl_env.tools.known import toolsets


def test_a_convolution_costs_two_operations_a_weight_and_pixel():
    assert gflop_per_megapixel(nn.Conv2d(3, 3, 5, padding=2, bias=False)) == pytest.approx(2 * 3 * 3 * 25 * 1e-3)


def test_ffdnet_costs_what_its_layers_do_at_half_the_size():
    weights = 9 * (13 * 96 + 10 * 96 * 96 + 96 * 12)
    costs = toolsets.resolve("paper").costs
    assert costs.shape == (3, 3)
    assert costs[0, 0] == pytest.approx(2 * weights / 4 * 1e-3)
    assert costs[0, 0] == costs[0, 2], "one network"
