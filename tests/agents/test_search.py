import itertools
import weakref

import numpy as np
import pytest
import torch

from agents.search import brute_force, greedy, reverse_order, reverse_path, single
from hirl_env import Restoration, measures, toolsets
from hirl_env.data.degradations import GaussianBlur, GaussianNoise, JpegCompression, MotionBlur, Sequence, degradations


@pytest.fixture
def start(toy_toolset) -> Restoration:
    """Errors of 3, 7 and 20 of 255, towards brighter."""
    restoration = Restoration(toy_toolset, measures.resolve("psnr"))
    values = torch.tensor([97.0, 93.0, 80.0]) / 255
    images = values.view(3, 1, 1, 1).expand(3, 3, 12, 12)
    restoration.begin(images, torch.full_like(images, 100 / 255))
    return restoration


def test_brute_force_is_the_best_of_all_paths(start):
    found = brute_force(start, 3)
    best = start.scores.copy()
    for length in (1, 2, 3):
        for path in itertools.product(start.toolset.cells, repeat=length):
            node = start.branch()
            for cell in path:
                node.step([cell] * 3)
            best = np.maximum(best, node.scores)
        assert found[length - 1].restoration.scores == pytest.approx(best)
        assert found[length - 1].trials.tolist() == [sum(4**depth for depth in range(1, length + 1))] * 3


def test_paths_lead_to_the_pictures_that_come_with_them(start):
    for search in (greedy, brute_force):
        result = search(start, 3)[-1].restoration
        for row, path in enumerate(result.paths):
            node = start.select(np.array([row]))
            for cell in path:
                node.step([cell])
            assert torch.equal(node.images[0], result.images[row])
            assert node.scores[0] == result.scores[row]


def test_greedy_by_hand(start):
    found = greedy(start, 3)
    # 97: +1 +1 +1. 93: +8 overshoots by 1, then nothing gains. 80: +8 +8 leaves 4, then +1.
    assert found[-1].restoration.paths == [((0, 0),) * 3, ((0, 1),), ((0, 1), (0, 1), (0, 0))]
    assert [each.trials.tolist() for each in found] == [[4, 4, 4], [8, 8, 8], [12, 8, 12]]


def test_brute_force_looks_ahead(start):
    # From 80, +8 +8 +8 overshoots by 4, which -2 -2 takes back: exact, at length 5, and out of greedy's reach.
    gains = [found.restoration.gains for found in brute_force(start, 5)]
    assert (np.diff(gains, axis=0) >= 0).all()
    assert brute_force(start, 5)[-1].restoration.scores[2] == 100
    assert (gains[2] >= greedy(start, 3)[-1].restoration.gains - 1e-9).all()


def test_doing_nothing_is_a_path(start):
    start.begin(start.references, start.references)
    assert brute_force(start, 2)[-1].restoration.paths == [()] * 3
    assert greedy(start, 2)[-1].restoration.paths == [()] * 3


def test_searches_leave_their_start_alone(start):
    images, scores = start.images, start.scores.copy()
    brute_force(start, 2)
    greedy(start, 2)
    single(start, (0, 0))
    assert start.images is images
    assert (start.scores == scores).all()
    assert start.paths == [()] * 3


def test_memory_grows_with_the_length_and_not_with_the_trials(start, monkeypatch):
    alive: weakref.WeakSet[Restoration] = weakref.WeakSet()
    peaks = []
    branch = Restoration.branch

    def counted(self):
        made = branch(self)
        alive.add(made)
        peaks.append(len(alive))
        return made

    monkeypatch.setattr(Restoration, "branch", counted)
    for length in (2, 4):
        peaks.clear()
        brute_force(start, length)
        assert len(peaks) >= 4**length
        assert max(peaks) <= 3 * length + 3


def test_the_rules_of_an_episode_do_not_bind_searches(toy_toolset, start):
    bound = Restoration(toy_toolset, start.measure, max_steps=1, stop="no_gain")
    bound.begin(start.images, start.references)
    assert brute_force(bound, 3)[-1].restoration.scores == pytest.approx(brute_force(start, 3)[-1].restoration.scores)


def test_single(start):
    found = single(start, (0, 1))
    assert found.restoration.paths == [((0, 1),)] * 3
    assert found.trials.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("degradation", "path"),
    [
        (degradations.resolve("mild"), [(1, 0), (0, 0), (2, 0)]),
        (degradations.resolve("severe"), [(1, 2), (0, 2), (2, 2)]),
        (GaussianNoise(24), [(0, 1)]),
        # The paper's example (Fig. 1) undoes a motion blur of 25 with the strongest tool.
        (Sequence((MotionBlur(25), GaussianNoise(15), JpegCompression(10))), [(1, 2), (0, 0), (2, 2)]),
        (Sequence(()), []),
    ],
)
def test_reverse_paths(degradation, path):
    assert reverse_path(toolsets.resolve("hirl"), degradation) == path


def test_reverse_order_of_a_mixed_batch(start):
    found = reverse_order(start, [GaussianNoise(1), Sequence((GaussianNoise(8), JpegCompression(85))), GaussianBlur(5)])
    # The toy toolset knows noise (brighten) and JPEG (darken), and nothing for blur.
    assert found[0].restoration.paths == [((0, 0),), ((1, 0),), ()]
    assert found[1].restoration.paths == [((0, 0),), ((1, 0), (0, 1)), ()]
    assert found[1].trials.tolist() == [1, 2, 0]


def test_lengths_are_checked(start):
    for search in (greedy, brute_force):
        with pytest.raises(ValueError, match="at least 1, got 0"):
            search(start, 0)
