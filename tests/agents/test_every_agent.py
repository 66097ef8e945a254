"""What every agent that is registered can do: a new one is tested by its line in the registry."""

import numpy as np
import pytest
import torch

from hirl_agents.agent import begin_episodes
from hirl_agents.loading import load_agent, tools_of
from hirl_agents.registry import agents
from hirl_agents.rollout import rollout
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets


def open_with_its_toolset(name):
    """The agent, and the first registered toolset that it chooses among."""
    for toolset in map(toolsets.resolve, toolsets.names()):
        try:
            agent = load_agent(name, toolset)
        except ValueError:
            continue
        return agent, tools_of(agent, toolset)
    return pytest.fail(f"no registered toolset is that of {name}")


@pytest.mark.parametrize("name", agents.names())
def test_it_values_tools_restores_and_repeats_itself(name):
    agent, toolset = open_with_its_toolset(name)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    start = Restoration(toolset, measures.resolve("psnr"))
    start.begin(images, images)
    with torch.no_grad():
        values = begin_episodes(agent, start.branch())(np.arange(2))
    stops = values.shape[1] - toolset.n_types  # one more type, of a single value, for those that stop by an action
    assert stops in (0, 1)
    assert values.shape == (2, toolset.n_types + stops, toolset.n_degrees)
    assert values[:, : toolset.n_types].isfinite().all()
    assert values[:, toolset.n_types :, 0].isfinite().all()
    once, again = (rollout(start, agent, max_steps=2) for _ in range(2))
    assert once.state.paths == again.state.paths
    assert torch.equal(once.state.images, again.state.images)
    assert torch.equal(start.state.images, images), "what it began with stays"
    assert (once.state.lengths <= min(2, agent.max_steps)).all()
