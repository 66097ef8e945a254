import itertools
import weakref

import numpy as np
import pytest
import torch

from hirl_agents.agent import QAgent
from hirl_agents.search import best_chain, brute_force, chain, cyclic_best_first, greedy, reverse_order, reverse_path
from hirl_env import Restoration, Rules, State, toolsets
from hirl_env.data.degradations import GaussianBlur, GaussianNoise, InOrder, JpegCompression, MotionBlur, degradations
from tests.agents.conftest import scores_along, true_values


def test_brute_force_is_the_best_of_all_paths(start):
    found = brute_force(start, 3)
    best = start.state.scores.copy()
    for length in (1, 2, 3):
        for path in itertools.product(start.toolset.cells, repeat=length):
            node = start.branch()
            for cell in path:
                node.step([cell] * 3)
            best = np.maximum(best, node.state.scores)
        assert found[length - 1].state.scores == pytest.approx(best)
        assert found[length - 1].trials.tolist() == [sum(4**depth for depth in range(1, length + 1))] * 3


def test_paths_lead_to_the_pictures_that_come_with_them(start):
    for search in (greedy, brute_force):
        result = search(start, 3)[-1].state
        for row, path in enumerate(result.paths):
            node = start.with_state(start.state[np.array([row])])
            for cell in path:
                node.step([cell])
            assert torch.equal(node.state.images[0], result.images[row])
            assert node.state.scores[0] == result.scores[row]


def test_greedy_by_hand(start):
    found = greedy(start, 3)
    # 97: +1 +1 +1. 93: +8 overshoots by 1, then nothing gains. 80: +8 +8 leaves 4, then +1.
    assert found[-1].state.paths == [((0, 0),) * 3, ((0, 1),), ((0, 1), (0, 1), (0, 0))]
    assert [each.trials.tolist() for each in found] == [[4, 4, 4], [8, 8, 8], [12, 8, 12]]


@pytest.mark.slow
def test_brute_force_looks_ahead(start):
    # From 80, +8 +8 +8 overshoots by 4, which -2 -2 takes back: exact, at length 5, and out of greedy's reach.
    gains = [found.state.gains for found in brute_force(start, 5)]
    assert (np.diff(gains, axis=0) >= 0).all()
    assert brute_force(start, 5)[-1].state.scores[2] == 100
    assert (gains[2] >= greedy(start, 3)[-1].state.gains - 1e-9).all()


def test_doing_nothing_is_a_path(start):
    start.begin(start.state.references, start.state.references)
    assert brute_force(start, 2)[-1].state.paths == [()] * 3
    assert greedy(start, 2)[-1].state.paths == [()] * 3


def test_searches_leave_their_start_alone(start):
    images, scores = start.state.images, start.state.scores.copy()
    brute_force(start, 2)
    greedy(start, 2)
    chain(start, [(0, 0)])
    assert start.state.images is images
    assert (start.state.scores == scores).all()
    assert start.state.paths == [()] * 3


def test_memory_grows_with_the_length_and_not_with_the_trials(start, monkeypatch):
    alive: weakref.WeakSet[State] = weakref.WeakSet()
    peaks = []
    made = State.__init__

    def counted(self, *arguments, **named):
        made(self, *arguments, **named)
        alive.add(self)
        peaks.append(len({id(state.images) for state in alive}))

    monkeypatch.setattr(State, "__init__", counted)
    for length in (2, 4):
        peaks.clear()
        brute_force(start, length)
        assert len(peaks) >= 4**length
        assert max(peaks) <= 3 * length + 3


def test_the_rules_of_an_episode_do_not_bind_searches(toy_toolset, start):
    bound = Restoration(toy_toolset, start.measure, Rules(max_steps=1, stop="no_gain"))
    bound.begin(start.state.images, start.state.references)
    assert brute_force(bound, 3)[-1].state.scores == pytest.approx(brute_force(start, 3)[-1].state.scores)


def test_a_chain_is_the_same_for_all(start):
    found = chain(start, [(0, 1), (1, 0)])
    assert found.state.paths == [((0, 1), (1, 0))] * 3
    assert found.trials.tolist() == [2, 2, 2]
    assert torch.allclose(found.state.images, start.state.images + 6 / 255)


@pytest.mark.parametrize(
    ("degradation", "path"),
    [
        (degradations.resolve("mild"), [(1, 0), (0, 0), (2, 0)]),
        (degradations.resolve("severe"), [(1, 2), (0, 2), (2, 2)]),
        (GaussianNoise(24), [(0, 1)]),
        # The paper's example (Fig. 1) undoes a motion blur of 25 with the strongest tool.
        (InOrder((MotionBlur(25), GaussianNoise(15), JpegCompression(10))), [(1, 2), (0, 0), (2, 2)]),
        (InOrder(()), []),
    ],
)
def test_reverse_paths(degradation, path):
    assert reverse_path(toolsets.resolve("paper"), degradation) == path


def test_reverse_order_of_a_mixed_batch(start):
    found = reverse_order(start, [GaussianNoise(1), InOrder((GaussianNoise(8), JpegCompression(85))), GaussianBlur(5)])
    # The toy toolset knows noise (brighten) and JPEG (darken), and nothing for blur.
    assert found[0].state.paths == [((0, 0),), ((1, 0),), ()]
    assert found[1].state.paths == [((0, 0),), ((1, 0), (0, 1)), ()]
    assert found[1].trials.tolist() == [1, 2, 0]


def test_lengths_are_checked(start):
    for search in (greedy, brute_force):
        with pytest.raises(ValueError, match="at least 1, got 0"):
            search(start, 0)


def test_best_first_spends_its_budget_where_it_pays(start):
    found = cyclic_best_first(start, true_values, [1, 4, 20], max_steps=5)
    assert [each.trials.tolist() for each in found] == [[1] * 3, [4] * 3, [20] * 3]
    gains = [each.state.gains for each in found]
    assert (np.diff(gains, axis=0) >= 0).all()
    assert gains[0] == pytest.approx(greedy(start, 1)[0].state.gains)
    # 20 trials guided by the true gains find what brute force of length 3 needs 84 for.
    assert (gains[2] >= brute_force(start, 3)[-1].state.gains - 1e-9).all()
    for row, path in enumerate(found[2].state.paths):
        assert len(path) <= 5
        assert scores_along(start, row, path)[-1] == pytest.approx(found[2].state.scores[row])


def test_best_first_with_every_trial_is_brute_force(start):
    nothing = lambda images: torch.zeros(len(images), 2, 2)  # noqa: E731
    everything = 4 + 16
    exhausted = cyclic_best_first(start, nothing, [everything, everything + 100], max_steps=2)
    assert exhausted[1].trials.tolist() == [everything] * 3  # there is no more to try
    for each in exhausted:
        assert each.state.scores == pytest.approx(brute_force(start, 2)[-1].state.scores)


@pytest.mark.parametrize("budgets", [[], [0], [9, 3]])
def test_budgets_are_checked(start, budgets):
    with pytest.raises(ValueError, match="budgets"):
        cyclic_best_first(start, true_values, budgets)


def test_the_best_chain_is_the_one_that_gains_most_on_average(start):
    chained, gain = best_chain([start], 2)
    gains = {
        cells: chain(start, cells).state.gains.mean()
        for cells in [(), *((one,) for one in start.toolset.cells), *itertools.product(start.toolset.cells, repeat=2)]
    }
    assert gain == pytest.approx(max(gains.values()))
    assert gains[chained] == pytest.approx(gain)
    assert best_chain([start], 1, most=-100.0) == ((), 0.0), "no score counts"


def test_a_search_shows_the_agent_the_tool_used_last(start):
    seen = []

    def values(images):
        seen.append((images * 255).round()[:, 3, 0, 0].int().tolist())
        return torch.tensor([[[0.5, 0.5], [2.0, 1.0]]]).expand(len(images), 2, 2)

    cyclic_best_first(start, QAgent(values, sees_tool=True), [1], max_steps=2)
    assert seen == [[0, 0, 0], [3, 3, 3]]
