from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hirl_experiments.evaluation.scores import Outcomes, Score, score


def outcomes(psnr, photographs=None):
    psnr = np.asarray(psnr, dtype=float)
    names = photographs or [str(number) for number in range(len(psnr))]
    zeros = np.zeros(len(psnr))
    return Outcomes(names, np.full(len(psnr), 25.0), psnr, zeros, zeros, zeros, 0.0, 0.0)


def test_the_fixed_path_scores_nothing_and_the_oracle_all():
    fixed, oracle = outcomes([26, 27, 28]), outcomes([28, 30, 29])
    assert score(fixed, fixed, oracle).value == 0
    assert score(oracle, fixed, oracle).value == 1
    half = score(outcomes([27, 28.5, 28.5]), fixed, oracle)
    assert half.value == pytest.approx(0.5)
    assert (half.low, half.high) == pytest.approx((0.5, 0.5))


def test_an_entrant_may_be_worse_than_the_fixed_path():
    assert score(outcomes([24, 24]), outcomes([26, 26]), outcomes([28, 28])).value == pytest.approx(-1)


def test_where_nothing_can_be_gained_there_is_no_score():
    same = outcomes([26, 27])
    assert score(same, same, same) is None


def test_where_a_draw_of_photographs_leaves_nothing_to_gain_there_is_no_interval():
    fixed, oracle = outcomes([26, 27]), outcomes([26, 29])
    assert score(outcomes([26, 28]), fixed, oracle) == Score(0.5, None, None)
    assert score(outcomes([28]), outcomes([26]), outcomes([30])) == Score(0.5, None, None), "one is drawn as it is"


@given(st.lists(st.floats(0, 10), min_size=3, max_size=20), st.integers(0, 99))
def test_the_interval_holds_the_value_and_repeats(gains, seed):
    gains = np.asarray(gains)
    fixed, oracle = outcomes(26 + 0 * gains), outcomes(26 + gains + 1)
    entrant = outcomes(26 + gains)
    one = score(entrant, fixed, oracle, seed)
    assert one == score(entrant, fixed, oracle, seed)
    assert one.low - 1e-9 <= one.value <= one.high + 1e-9 or len(set(gains)) > 1


def test_photographs_are_drawn_and_not_their_crops():
    gains = [0, 0, 0, 0, 2, 2, 2, 2]
    fixed, oracle = [26.0] * 8, [28.0] * 8
    alone = score(outcomes(26 + np.array(gains)), outcomes(fixed), outcomes(oracle))
    of_two = ["a"] * 4 + ["b"] * 4
    together = score(*(outcomes(one, of_two) for one in (26 + np.array(gains), fixed, oracle)))
    assert together.value == alone.value
    assert together.high - together.low > alone.high - alone.low


def test_harm_is_a_loss_of_more_than_a_tenth_of_a_decibel():
    assert outcomes([24.95, 24.85, 25.0]).harmed.tolist() == [False, True, False]


def test_a_clean_image_is_altered_where_it_comes_out_below_45_decibels():
    clean = replace(outcomes([50, 44.9, 45.1, 30]), before=np.array([50.0, 50.0, 50.0, 40.0]))
    assert clean.altered.tolist() == [False, True, False], "the last one was not clean"
