from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hirl_env.data.degradations import GaussianNoise, InOrder, degradations
from hirl_env.data.episodes import Episodes, stacked
from hirl_env.data.photographs import Photograph, from_folder


def test_a_start_is_a_distorted_crop_beside_its_reference(pictures):
    start = Episodes(pictures, GaussianNoise(20), 16).draw(np.random.default_rng(0))
    assert start.distorted.shape == start.reference.shape == (3, 16, 16)
    assert (start.distorted - start.reference).std().item() * 255 == pytest.approx(20, rel=0.15)
    assert start.degradation == GaussianNoise(20)


def test_whole_pictures_without_a_crop(pictures):
    assert Episodes(pictures, None, None).draw(np.random.default_rng(0)).distorted.shape == (3, 32, 40)


def test_whole_pictures_of_at_least_a_size(folder):
    Image.new("RGB", (50, 8)).save(folder / "flat.png")
    episodes, rng = Episodes(from_folder(folder), None, None, smallest=11), np.random.default_rng(0)
    with pytest.warns(UserWarning, match=r"flat: has 50x8 pixels, and needs 11x11"):
        names = {episodes.draw(rng).name for _ in range(40)}
    assert len(names) == 3


def test_without_a_degradation_the_picture_is_taken_as_it_is(pictures):
    found = Episodes(pictures, None, 16)
    start = found.draw(np.random.default_rng(0))
    assert start.reference is None, "nobody knows what it should look like"
    assert start.degradation is None
    assert not found.have_references
    own = Episodes(pictures, InOrder(()), 16)
    assert own.have_references
    clean = own.draw(np.random.default_rng(0))
    assert torch.equal(clean.distorted, start.distorted)
    assert torch.equal(clean.reference, start.distorted)


def test_a_picture_that_comes_distorted_stays_as_it_is_and_is_cropped_with_its_reference(pictures):
    clean = np.arange(20 * 20 * 3, dtype=np.uint8).reshape(20, 20, 3)
    start = Episodes(pictures, GaussianNoise(50), 8).start(
        Photograph("pair", clean, 255 - clean), np.random.default_rng(0)
    )
    assert torch.allclose(start.distorted, 1 - start.reference, atol=1e-6)
    assert start.degradation is None


def test_a_random_degradation_is_settled_so_that_it_can_be_told(pictures):
    start = Episodes(pictures, degradations.resolve("levels"), 16).draw(np.random.default_rng(0))
    assert [step.family for step in start.degradation.steps] == ["blur", "noise", "jpeg"]


def test_a_crop_that_does_not_fit_names_the_picture(pictures):
    episodes = Episodes(pictures, None, 64)
    for picture in pictures:
        with pytest.raises(ValueError, match=rf"{picture.name}.*crop of 64x64.*another crop size"):
            episodes.start(picture, np.random.default_rng(0))


def test_pictures_smaller_than_the_crop_are_not_drawn(pictures, folder):
    Image.new("RGB", (64, 70)).save(folder / "large.png")
    large = Episodes(from_folder(folder), None, 64)
    with pytest.warns(UserWarning, match="left out: .*picture1: has 40x32 pixels, and needs 64x64"):
        assert {large.draw(np.random.default_rng(seed)).name for seed in range(20)} == {"large"}
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match=r"none of the files .* of at least 64x64 pixels; choose another crop size"),
    ):
        Episodes(pictures, None, 64).draw(np.random.default_rng(0))


def test_starts_side_by_side(pictures):
    first, second = (Episodes(pictures, GaussianNoise(9), 16).draw(np.random.default_rng(seed)) for seed in (0, 1))
    images, references = stacked([first, second])
    assert torch.equal(images[1], second.distorted)
    assert torch.equal(references[0], first.reference)
    blind = replace(second, reference=None)
    assert stacked([blind])[1] is None
    with pytest.raises(ValueError, match="some pictures of this source have a reference and some have none"):
        stacked([first, blind])
