import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hirl_experiments.training.seeds import APART, spaced_seed, spaced_seeds


@given(st.integers(0, 427))
def test_seeds_that_are_counted_up_are_moved_apart(seed):
    assert spaced_seed(0) == 0
    assert abs(spaced_seed(seed + 1) - spaced_seed(seed)) >= APART


@given(st.integers(0, 2**32 - 1))
def test_any_seed_is_one_that_generators_take(seed):
    assert 0 <= spaced_seed(seed) <= 2**32 - APART


@given(entropy=st.integers(0, 2**64), count=st.integers(1, 200), width=st.integers(1, 10**6))
def test_no_two_runs_share_a_seed_of_a_sub_environment(entropy, count, width):
    seeds = spaced_seeds(entropy, count, width)
    assert len(seeds) == count
    in_order = sorted(seeds)
    assert in_order[0] >= 0
    assert all(later - earlier >= width for earlier, later in itertools.pairwise(in_order))
    assert in_order[-1] + width <= 2**32, "what NumPy and Stable-Baselines3 take"


@given(entropy=st.integers(0, 2**64), few=st.integers(1, 20), more=st.integers(0, 50), width=st.integers(1, 10**6))
def test_more_seeds_begin_with_the_same(entropy, few, more, width):
    assert spaced_seeds(entropy, few + more, width)[:few] == spaced_seeds(entropy, few, width)


def test_other_entropy_other_seeds():
    assert not set(spaced_seeds(0, 8, 1000)) & set(spaced_seeds(1, 8, 1000))


def test_all_the_room_there_is_can_be_had():
    assert sorted(spaced_seeds(0, 4, 2**30)) == [0, 2**30, 2**31, 3 * 2**30]
    with pytest.raises(ValueError, match="room for 4 seeds"):
        spaced_seeds(0, 5, 2**30)
