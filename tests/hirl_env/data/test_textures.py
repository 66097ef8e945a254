"""Textures: that they are clean pictures of the size asked for, fine and irregular, in colours of the photograph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hirl_env.data.textures import _grains, _leaves, textured


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 60), width=st.integers(1, 60))
def test_a_texture_is_a_picture_of_the_photographs_size_and_repeats_from_a_seed(seed, height, width):
    photograph = np.random.default_rng(seed).integers(0, 256, size=(height, width, 3), dtype=np.uint8)
    before = photograph.copy()
    once, again = (textured(photograph, np.random.default_rng(seed)) for _ in range(2))
    assert (once.dtype, once.shape) == (np.uint8, photograph.shape)
    assert np.array_equal(once, again)
    assert np.array_equal(photograph, before)


@pytest.mark.parametrize("drawn", ["leaves", "grains"])
def test_a_texture_is_fine_and_never_comes_again(drawn):
    photograph = np.random.default_rng(0).integers(40, 216, size=(96, 96, 3), dtype=np.uint8)
    largest, coarse = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        picture = _grains(photograph, rng) if drawn == "grains" else _leaves(photograph, (96, 96), 5, 3, np.pi, rng)
        grey = picture.mean(axis=2)
        assert grey.std() > 8, "clearly seen"
        waves = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
        middles = grey.reshape(12, 8, 12, 8).mean(axis=(1, 3))
        coarse.append(middles.var() / grey.var())
        largest.append(np.sort(waves, axis=None)[-20:].sum() / waves.sum())
    assert np.median(coarse) < 0.3, "most of it is within 8 pixels"
    assert np.median(largest) < 0.3, "a regular pattern has its energy in a few waves"


def test_a_grey_photograph_gives_grey_textures():
    photograph = np.random.default_rng(0).integers(0, 256, size=(40, 50, 1), dtype=np.uint8).repeat(3, axis=2)
    for seed in range(12):
        picture = textured(photograph, np.random.default_rng(seed)).astype(int)
        assert np.abs(picture - picture[..., :1]).max() <= 1
