import numpy as np
import pytest
import torch
from torch import nn

from hirl_agents.networks import TwoLevelQ, save_q
from hirl_agents.restorer import Restorer
from hirl_agents.rl_restore import RLRestoreAgent, load_rl_restore, save_rl_restore
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_agents.rollout import rollout
from hirl_agents.search import cyclic_best_first
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets


def begun(toolset, count=4, side=16) -> Restoration:
    start = Restoration(toolset, measures.resolve("psnr"))
    references = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))
    start.begin(references * 0.9, references)
    return start


def lively(n_tools=4, seed=0) -> RLRestoreAgent:
    """An agent whose values differ widely between images and steps."""
    torch.manual_seed(seed)
    q = RecurrentQ(n_tools, side=16, units=8)
    for layer in (q.features, q.q):
        nn.init.normal_(layer.weight)
    for weight in (q.lstm.weight_ih_l0, q.lstm.weight_hh_l0):
        nn.init.normal_(weight)
    return RLRestoreAgent(q)


def test_it_stops_by_its_own_action(toy_toolset):
    agent = lively()
    nn.init.zeros_(agent.q.q.weight)
    with torch.no_grad():
        agent.q.q.bias.copy_(torch.tensor([-3.0, -2, -4, -5, -1]))
    result = rollout(begun(toy_toolset), agent, 3, "steps")
    assert result.why == ["stop"] * 4
    assert result.state.paths == [()] * 4
    assert result.trials.tolist() == [0] * 4
    assert result.values == [[-1.0]] * 4
    with torch.no_grad():
        agent.q.q.bias[-1] = -2.5
    result = rollout(begun(toy_toolset), agent, 3, "steps")
    assert result.why == ["steps"] * 4
    assert result.state.paths == [((0, 1),) * 3] * 4


def test_another_toolset_is_refused(toy_toolset):
    with pytest.raises(ValueError, match="chooses among 3 tools, and the toolset has 4"):
        rollout(begun(toy_toolset), lively(n_tools=3), 3, "steps")


def test_it_restores_pictures(toy_toolset):
    picture = np.full((20, 30, 3), 100, dtype=np.uint8)
    agent = lively()
    with torch.no_grad():
        agent.q.q.bias.fill_(-100.0)
        agent.q.q.bias[1] = 100.0
    restored = Restorer(agent, toy_toolset, max_steps=3, stop="steps").restore(picture)
    assert [step.tool for step in restored.steps] == ["add +8"] * 3
    assert np.array_equal(restored.image, picture + 24)
    assert restored.why == "steps"


def test_images_side_by_side_are_remembered_apart(toy_toolset):
    """Rows that end early leave the others their memories; each ends as it would alone."""
    for seed in range(20):
        agent = lively(seed=seed)
        together = rollout(begun(toy_toolset), agent, 4, "steps")
        if len({len(path) for path in together.state.paths}) > 2:
            break
    else:
        pytest.fail("no seed whose paths differ in length")
    start = begun(toy_toolset)
    for row in range(4):
        alone = rollout(start.with_state(start.state[[row]]), agent, 4, "steps")
        assert alone.state.paths[0] == together.state.paths[row]
        assert alone.values[0] == pytest.approx(together.values[row], abs=1e-4)
        assert alone.why[0] == together.why[row]


def test_it_knows_the_last_tool_and_the_step_before(toy_toolset):
    start, agent = begun(toy_toolset, count=1), lively()
    look = agent.begin(start)
    with torch.no_grad():
        expected, memory = agent.q(start.state.images, torch.tensor([-1]))
        assert torch.allclose(look(np.array([0]))[0, :2].flatten(), expected[0, :4], atol=1e-6)
        start.step([(1, 1)])
        expected, _ = agent.q(start.state.images, torch.tensor([3]), memory)
        assert torch.allclose(look(np.array([0]))[0, :2].flatten(), expected[0, :4], atol=1e-6)


def test_it_does_not_go_on_from_steps_that_it_has_not_seen(toy_toolset):
    with pytest.raises(ValueError, match="cannot go on from steps that it has not seen"):
        cyclic_best_first(begun(toy_toolset), lively(), [3])


def test_saved_and_loaded_it_is_the_same(made, tmp_path):
    agent = load_rl_restore(made)
    save_rl_restore(agent, tmp_path / "agent.safetensors", torch.float32)
    again = load_rl_restore(tmp_path / "agent.safetensors")
    assert again.max_steps == 3
    states = agent.state_dict(), again.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    tools = toolsets.resolve(tmp_path / "agent.safetensors")
    image = torch.rand(1, 3, 20, 30)
    own = agent.toolset(tools)
    assert all(torch.equal(tools.apply(image, cell), own.apply(image, cell)) for cell in tools.cells)


def test_an_agent_of_another_toolset_brings_no_tools(toy_toolset, tmp_path):
    agent = RLRestoreAgent.trained_with(RecurrentQ(4, side=16), toy_toolset, max_steps=5)
    save_rl_restore(agent, tmp_path / "agent.safetensors")
    again = load_rl_restore(tmp_path / "agent.safetensors")
    assert again.tools is None
    assert again.max_steps == 5
    assert again.toolset(toy_toolset) is toy_toolset
    with pytest.raises(ValueError, match="among 4 tools, and the toolset has 9"):
        again.toolset(toolsets.resolve("paper"))


def test_files_of_others_are_refused(tmp_path):
    save_q(TwoLevelQ(3, 3, width=8), tmp_path / "two.safetensors")
    with pytest.raises(ValueError, match=r"two.safetensors: not those of RL-Restore"):
        load_rl_restore(tmp_path / "two.safetensors")
    with pytest.raises(ValueError, match=r"absent.safetensors: No such file"):
        load_rl_restore(tmp_path / "absent.safetensors")
