import numpy as np
import pytest
import torch

from hirl_agents.agent import QAgent
from hirl_agents.rollout import rollout
from hirl_agents.search import cyclic_best_first, greedy
from hirl_env import Restoration
from hirl_env.tools.toolset import Toolset
from tests.agents.conftest import scores_along, true_values
from tests.conftest import add


def test_rolling_out_the_true_gains_is_greedy(start):
    result = rollout(start, true_values, 4)
    greedily = greedy(start, 4)[-1].state
    assert result.state.paths == greedily.paths
    assert torch.equal(result.state.images, greedily.images)
    assert result.why == ["value", "value", "steps"]
    assert result.trials.tolist() == [3, 1, 4]
    for row, path in enumerate(result.state.paths):
        gains = np.diff([start.state.scores[row], *scores_along(start, row, path)])
        assert result.values[row][: len(path)] == pytest.approx(gains, abs=1e-3)
        assert len(result.values[row]) == len(path) + (result.why[row] == "value")
    assert result.values[0][-1] <= 0


def test_stopping_by_the_reference_takes_the_last_step_back(start):
    always_first = lambda images: torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]).expand(len(images), 2, 2)  # noqa: E731
    result = rollout(start, always_first, 5, "reference")
    # 97 reaches 100 after three steps of +1; the fourth would leave it, and is taken back, and charged.
    assert [len(path) for path in result.state.paths] == [3, 5, 5]
    assert result.trials.tolist() == [4, 5, 5]
    assert result.why == ["reference", "steps", "steps"]
    assert (result.state.gains > 0).all()
    regardless = rollout(start, always_first, 5, "steps")
    assert [len(path) for path in regardless.state.paths] == [5, 5, 5]


def test_stopping_by_value_takes_a_first_step_back_that_nobody_sees(start):
    toolset = Toolset({"brighten": [add(0.5), add(8)]})
    restoration = Restoration(toolset, start.measure)
    restoration.begin(start.state.images, start.state.references)
    unseen = lambda images: torch.tensor([[[1.0, 0.0]]]).expand(len(images), 1, 2)  # noqa: E731
    result = rollout(restoration, unseen, 5)
    assert torch.equal(result.state.images, start.state.images)
    assert result.why == ["value"] * 3
    assert (result.state.paths, result.values, result.trials.tolist()) == ([()] * 3, [[1.0]] * 3, [1] * 3)
    regardless = rollout(restoration, unseen, 2, "steps")
    assert [len(path) for path in regardless.state.paths] == [2] * 3


def test_an_agent_sees_the_tool_used_last(start):
    seen = []

    def values(images):
        seen.append((images * 255).round()[:, 3, 0, 0].int().tolist())
        return torch.tensor([[[0.5, 0.5], [2.0, 1.0]]]).expand(len(images), 2, 2)

    rollout(start, QAgent(values, sees_tool=True), 2)
    assert seen == [[0, 0, 0], [3, 3, 3]]


def test_a_function_is_called_after_every_step(start):
    steps = []
    rollout(
        start, lambda images: torch.zeros(len(images), 2, 2), 3, "steps", lambda now: steps.append(now.state.scores)
    )
    assert len(steps) == 3
    assert (np.diff([start.state.scores, *steps], axis=0) != 0).all()


def test_an_agent_may_stop_by_its_own_action(start):
    stop_now = lambda images: torch.tensor([[[0.1, 0.0], [0.0, 0.0], [0.5, 0.2]]]).expand(len(images), 3, 2)  # noqa: E731
    result = rollout(start, stop_now, 5)
    assert result.state.paths == [(), (), ()]
    assert result.trials.tolist() == [0, 0, 0]
    assert result.why == ["stop"] * 3


def test_a_rollout_leaves_its_start_alone(start):
    before = start.state.images.clone(), start.state.scores.copy(), list(start.state.paths)
    rollout(start, true_values, 3)
    cyclic_best_first(start, true_values, [5])
    assert torch.equal(start.state.images, before[0])
    assert (start.state.scores == before[1]).all()
    assert start.state.paths == before[2]
    assert not start.state.ended.any()
