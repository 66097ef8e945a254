"""Regular patterns: that they are clean pictures of the size asked for, and regular."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hirl_env.data import patterns


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 60), width=st.integers(1, 60))
def test_a_pattern_is_a_picture_of_the_photographs_size_and_repeats_from_a_seed(seed, height, width):
    photograph = np.random.default_rng(seed).integers(0, 256, size=(height, width, 3), dtype=np.uint8)
    before = photograph.copy()
    once, again = (patterns.patterned(photograph, np.random.default_rng(seed)) for _ in range(2))
    assert (once.dtype, once.shape) == (np.uint8, photograph.shape)
    assert np.array_equal(once, again)
    assert np.array_equal(photograph, before)


@pytest.mark.parametrize("draw", [patterns._stripes, patterns._weave, patterns._tiles, patterns._screen])
def test_what_is_drawn_reaches_from_0_to_1_and_comes_again(draw):
    regular = []
    for seed in range(12):
        drawn = draw(96, 96, np.random.default_rng(seed))
        assert (drawn.min(), drawn.max()) in ((0, 1), (0, 0))
        waves = np.abs(np.fft.rfft2(drawn - drawn.mean())) ** 2
        # Noise spreads its energy over all of these 4,704 waves; a pattern has it in a few.
        regular.append(np.sort(waves, axis=None)[-100:].sum() / max(waves.sum(), 1e-9))
    assert np.median(regular) > 0.5


def test_dots_are_as_many_as_the_photograph_is_bright():
    for grey in (64, 128, 192):
        photograph = np.full((80, 80, 3), grey, dtype=np.uint8)
        printed = patterns._printed(photograph, np.random.default_rng(grey))
        assert printed.mean() == pytest.approx(grey, abs=4)
