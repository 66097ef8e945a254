"""Agents that are charged for what the tools cost."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from hirl_agents import make_vec_env
from hirl_agents.agent import QAgent, q_agent
from hirl_agents.networks import FlatQ
from hirl_agents.pricing import priced
from hirl_agents.restorer import Restorer
from hirl_env import Restoration, measures

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


def test_under_a_price_only_what_looks_promising_is_looked_at_closely(costly_toolset):
    looked_at = []

    def close(images: torch.Tensor) -> torch.Tensor:
        looked_at.append(len(images))
        return torch.full((len(images), 2, 2), 5.0)

    def unsure(images: torch.Tensor) -> torch.Tensor:
        return (images.mean(dim=(1, 2, 3)) - 0.5)[:, None, None].expand(-1, 2, 2)

    images = torch.stack([torch.full((3, 16, 16), grey) for grey in (0.1, 0.9, 0.2, 0.8)])
    restoration = Restoration(costly_toolset, measures.resolve("psnr"))
    restoration.begin(images, torch.zeros_like(images))
    agent = QAgent(close, preview=QAgent(unsure))
    values = priced(agent, 0.1 / LAYER, preview=True).begin(restoration)(np.arange(4))
    costs = torch.as_tensor(0.1 / LAYER * restoration.tool_costs, dtype=torch.float32)
    assert looked_at == [2]
    assert torch.allclose(values[[1, 3]], 5 - costs.expand(2, 2, 2))
    assert torch.allclose(values[[0, 2]], unsure(images[[0, 2]]) - costs)
    assert priced(agent, 0) is agent
    priced(agent, 0.1 / LAYER).begin(restoration)(np.arange(4))
    assert looked_at == [2, 4], "where tools are chosen in any case, the agent itself chooses them"


def test_the_preview_of_a_q_network_looks_at_an_image_as_it_is():
    network = FlatQ(2, 2, width=8).eval()
    torch.nn.init.normal_(network.q[-1].weight)
    agent, images = q_agent(network), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(agent.preview.values(images), network(images), atol=1e-5)


@pytest.mark.parametrize("price", [-0.1, float("inf"), float("nan")])
def test_other_prices_are_refused(costly_toolset, price):
    with pytest.raises(ValueError, match="the price of a GFLOP must be at least 0 and finite"):
        Restorer(values, costly_toolset, price=price)


def test_probabilities_are_not_priced(pictures, toy_toolset):
    env = make_vec_env(n_envs=1, images=pictures, toolset=toy_toolset, crop_size=36, stop_action=True)
    network = {"features_extractor_kwargs": {"features_dim": 4}}
    model = PPO("CnnPolicy", env, n_steps=2, batch_size=2, policy_kwargs=network)
    Restorer(model, toy_toolset)
    with pytest.raises(ValueError, match=r"a price of 0.1 is subtracted from predicted gains, and this policy has"):
        Restorer(model, toy_toolset, price=0.1)
