import numpy as np
import pytest
import torch

from hirl_agents.agent import QAgent
from hirl_agents.calibration import lowered, stopping_margins
from hirl_agents.networks import FlatQ, TwoLevelQ
from hirl_agents.rollout import rollout
from hirl_env import Restoration, measures


@pytest.fixture
def start(toy_toolset) -> Restoration:
    """Pictures that need brightening by 3, 4 and 5 of 255."""
    restoration = Restoration(toy_toolset, measures.resolve("psnr"))
    images = torch.tensor([97.0, 96.0, 95.0]).view(3, 1, 1, 1).expand(3, 3, 12, 12) / 255
    restoration.begin(images, torch.full_like(images, 100 / 255))
    return restoration


def brighten(bias: float):
    """Values +1 step by step at what is still missing, in units of 255, and ``bias`` too high."""

    def values(images: torch.Tensor) -> torch.Tensor:
        missing = 100 - images[:, 0, 0, 0] * 255 + bias
        return torch.stack([missing, missing - 9, missing - 9, missing - 9], dim=1).unflatten(1, (2, 2))

    return values


@pytest.mark.parametrize("bias", [0.01, 0.6, 1.7])
def test_the_margin_makes_up_for_values_that_are_too_high(start, bias):
    late = rollout(start, brighten(bias), 7)
    assert late.trials.tolist() != [3, 4, 5]
    margins = stopping_margins([start], brighten(bias), 7, per_tool=False)
    margin = margins[0]
    assert (margins == margin).all()
    assert bias - 1e-3 <= margin < bias + 1
    in_time = rollout(start, lambda images: brighten(bias)(images) - margin - 1e-6, 7)
    assert in_time.trials.tolist() == [3, 4, 5]


def test_no_margin_where_none_is_needed(start):
    assert (stopping_margins([start], brighten(-0.01), 7, per_tool=False) == 0).all()


def test_values_that_are_too_low_are_raised(start):
    margin = stopping_margins([start], brighten(-1.5), 7, per_tool=False)[0]
    assert -1.5 <= margin < -0.5
    assert rollout(start, lambda images: brighten(-1.5)(images) - margin - 1e-6, 7).trials.tolist() == [3, 4, 5]


def test_each_tool_has_a_margin_of_its_own(start):
    def values(images: torch.Tensor) -> torch.Tensor:
        """Four too low before the first tool, half too high after it."""
        first = images[:, 3, 0, 0] == 0
        bias = torch.where(first, -4.0, 0.5)[:, None, None]
        return brighten(0)(images[:, :3]) + bias

    agent = QAgent(values, sees_tool=True)
    assert rollout(start, agent, 7).trials.tolist() != [3, 4, 5]
    margins = stopping_margins([start], agent, 7, per_tool=True)
    assert margins[0] < -1
    assert 0.5 - 1e-3 <= margins[1] < 1.5

    def in_time(images: torch.Tensor) -> torch.Tensor:
        tools = (images[:, 3, 0, 0] * 255).round().long()
        return values(images) - torch.as_tensor(margins)[tools].float()[:, None, None] - 1e-6

    assert rollout(start, QAgent(in_time, sees_tool=True), 7).trials.tolist() == [3, 4, 5]


@pytest.mark.parametrize("network", [TwoLevelQ(3, 2, width=8), FlatQ(2, 2, width=8)])
def test_lowered_networks_choose_alike(network):
    images = torch.rand(3, 3, 32, 32)
    network = network.eval()
    with torch.no_grad():
        assert torch.allclose(lowered(network, np.full(7, 0.25))(images), network(images) - 0.25, atol=1e-6)


def test_networks_that_see_the_tool_are_lowered_by_its_margin():
    network = TwoLevelQ(2, 2, width=8, sees_tool=True).eval()
    images, margins = torch.rand(5, 4, 32, 32), np.array([0.0, 0.25, -0.5, 1.0, 0.125])
    images[:, 3] = torch.arange(5)[:, None, None] / 255
    with torch.no_grad():
        by = torch.as_tensor(margins).float()[:, None, None]
        assert torch.allclose(lowered(network, margins)(images), network(images) - by, atol=1e-6)


def test_lowered_networks_that_squash_take_the_margin_for_nothing():
    network = TwoLevelQ(3, 2, width=8, squash=True).eval()
    torch.nn.init.normal_(network.ts[-1].weight)
    images = torch.rand(8, 3, 32, 32)
    with torch.no_grad():
        values = network(images).flatten(1)
        lower = lowered(network, np.full(7, 0.25))(images).flatten(1)
        assert torch.equal(lower.argmax(dim=1), values.argmax(dim=1))
        assert torch.equal(lower > 0, values > 0.25)
        assert (lower > 0).any() and (lower < 0).any()
