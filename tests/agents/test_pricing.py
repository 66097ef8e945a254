"""Agents that are charged for what the tools cost."""

import numpy as np
import pytest
import torch

from hirl_agents.restorer import Restorer

LAYER = 2 * 81 * 64 * 64 / 1e9  # GFLOP of a cheap tool for a crop of 64x64
VALUES = ((1.0, 2.0), (2.5, -1.0))


def values(images: torch.Tensor) -> torch.Tensor:
    """The dear tool is worth more by half than the better of the cheap ones."""
    return torch.tensor(VALUES).expand(len(images), 2, 2)


@pytest.mark.parametrize("shape", [(20, 24, 3), (70, 80, 3)])
@pytest.mark.parametrize(
    ("price", "tool", "value"),
    [
        (0, "+8 dearly", 2.5),
        (0.4 / LAYER, "+8 dearly", 2.5 - 0.8),
        (0.6 / LAYER, "+8 cheaply", 2.0 - 0.6),
        (2.1 / LAYER, None, 0),
    ],
)
def test_a_price_makes_cheaper_tools_worth_more_whatever_the_size(costly_toolset, shape, price, tool, value):
    restored = Restorer(values, costly_toolset, max_steps=1, price=price).restore(np.zeros(shape, dtype=np.uint8))
    assert [step.tool for step in restored.steps] == ([tool] if tool else [])
    assert [step.value for step in restored.steps] == (pytest.approx([value], abs=1e-5) if tool else [])


def test_an_agents_own_stop_costs_nothing(costly_toolset):
    def with_stop(images: torch.Tensor) -> torch.Tensor:
        return torch.tensor((*VALUES, (0.5, -torch.inf))).expand(len(images), 3, 2)

    restorer = Restorer(with_stop, costly_toolset, price=1.6 / LAYER)
    assert restorer.restore(np.zeros((16, 16, 3), dtype=np.uint8)).why == "stop"


@pytest.mark.parametrize("price", [-0.1, float("inf"), float("nan")])
def test_other_prices_are_refused(costly_toolset, price):
    with pytest.raises(ValueError, match="the price of a GFLOP must be at least 0 and finite"):
        Restorer(values, costly_toolset, price=price)
