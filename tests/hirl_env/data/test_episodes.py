import numpy as np
import pytest
import torch

from hirl_env.data.degradations import GaussianNoise, degradations
from hirl_env.data.episodes import Episodes
from hirl_env.data.photographs import Photograph


def test_a_start_is_a_distorted_crop_beside_its_reference(pictures):
    start = Episodes(pictures, GaussianNoise(20), 16).draw(np.random.default_rng(0))
    assert start.distorted.shape == start.reference.shape == (3, 16, 16)
    assert (start.distorted - start.reference).std().item() * 255 == pytest.approx(20, rel=0.15)
    assert start.degradation == GaussianNoise(20)


def test_whole_pictures_without_a_crop(pictures):
    assert Episodes(pictures, None, None).draw(np.random.default_rng(0)).distorted.shape == (3, 32, 40)


def test_without_a_degradation_the_picture_is_taken_as_it_is(pictures):
    start = Episodes(pictures, None, 16).draw(np.random.default_rng(0))
    assert torch.equal(start.distorted, start.reference)
    assert start.degradation is None


def test_a_picture_that_comes_distorted_stays_as_it_is_and_is_cropped_with_its_reference(pictures):
    clean = np.arange(20 * 20 * 3, dtype=np.uint8).reshape(20, 20, 3)
    start = Episodes(pictures, GaussianNoise(50), 8).start(
        Photograph("pair", clean, 255 - clean), np.random.default_rng(0)
    )
    assert torch.allclose(start.distorted, 1 - start.reference, atol=1e-6)


def test_a_random_degradation_is_settled_so_that_it_can_be_told(pictures):
    start = Episodes(pictures, degradations.resolve("levels"), 16).draw(np.random.default_rng(0))
    assert [step.family for step in start.degradation.steps] == ["blur", "noise", "jpeg"]


def test_a_crop_that_does_not_fit_names_the_picture(pictures):
    with pytest.raises(ValueError, match=r"picture\d.*crop of 64x64.*another crop size"):
        Episodes(pictures, None, 64).draw(np.random.default_rng(0))
