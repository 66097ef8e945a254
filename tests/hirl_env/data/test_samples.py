from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hirl_env.data.degradations import GaussianBlur, GaussianNoise, InOrder, JpegCompression, degradations
from hirl_env.data.images import to_tensor
from hirl_env.data.photographs import Photograph, from_folder
from hirl_env.data.samples import MARGIN, CropPosition, Samples, stacked


def test_a_sample_is_a_distorted_crop_beside_its_reference(pictures):
    sample = Samples(pictures, GaussianNoise(20), 16).draw(np.random.default_rng(0))
    assert sample.distorted.shape == sample.reference.shape == (3, 16, 16)
    assert (sample.distorted - sample.reference).std().item() * 255 == pytest.approx(20, rel=0.15)
    assert sample.degradation == GaussianNoise(20)


def test_whole_pictures_without_a_crop(pictures):
    assert Samples(pictures, None, None).draw(np.random.default_rng(0)).distorted.shape == (3, 32, 40)


def test_whole_pictures_of_at_least_a_size(folder):
    Image.new("RGB", (50, 8)).save(folder / "flat.png")
    samples, rng = Samples(from_folder(folder), None, None, smallest=11), np.random.default_rng(0)
    with pytest.warns(UserWarning, match=r"flat: has 50x8 pixels, and needs 11x11"):
        names = {samples.draw(rng).name for _ in range(40)}
    assert len(names) == 3


def test_without_a_degradation_the_picture_is_taken_as_it_is(pictures):
    found = Samples(pictures, None, 16)
    sample = found.draw(np.random.default_rng(0))
    assert sample.reference is None, "nobody knows what it should look like"
    assert sample.degradation is None
    assert not found.have_references
    own = Samples(pictures, InOrder(()), 16)
    assert own.have_references
    clean = own.draw(np.random.default_rng(0))
    assert torch.equal(clean.distorted, sample.distorted)
    assert torch.equal(clean.reference, sample.distorted)


def test_a_picture_that_comes_distorted_stays_as_it_is_and_is_cropped_with_its_reference(pictures):
    clean = np.arange(20 * 20 * 3, dtype=np.uint8).reshape(20, 20, 3)
    pair = Photograph("pair", clean, 255 - clean)
    sample = Samples(pictures, GaussianNoise(50), 8).of(pair, np.random.default_rng(0))
    assert torch.allclose(sample.distorted, 1 - sample.reference, atol=1e-6)
    assert sample.degradation is None


def test_a_random_degradation_is_settled_so_that_it_can_be_told(pictures):
    sample = Samples(pictures, degradations.resolve("levels"), 16).draw(np.random.default_rng(0))
    assert [step.family for step in sample.degradation.steps] == ["blur", "noise", "jpeg"]


def test_a_crop_that_does_not_fit_names_the_picture(pictures):
    samples = Samples(pictures, None, 64)
    for picture in pictures:
        with pytest.raises(ValueError, match=rf"{picture.name}.*crop of 64x64.*another crop size"):
            samples.of(picture, np.random.default_rng(0))


def test_pictures_smaller_than_the_crop_are_not_drawn(pictures, folder):
    Image.new("RGB", (64, 70)).save(folder / "large.png")
    large = Samples(from_folder(folder), None, 64)
    with pytest.warns(UserWarning, match="left out: .*picture1: has 40x32 pixels, and needs 64x64"):
        assert {large.draw(np.random.default_rng(seed)).name for seed in range(20)} == {"large"}
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match=r"none of the files .* of at least 64x64 pixels; choose another crop size"),
    ):
        Samples(pictures, None, 64).draw(np.random.default_rng(0))


def test_samples_side_by_side(pictures):
    first, second = (Samples(pictures, GaussianNoise(9), 16).draw(np.random.default_rng(seed)) for seed in (0, 1))
    images, references = stacked([first, second])
    assert torch.equal(images[1], second.distorted)
    assert torch.equal(references[0], first.reference)
    blind = replace(second, reference=None)
    assert stacked([blind])[1] is None
    with pytest.raises(ValueError, match="some pictures of this source have a reference and some have none"):
        stacked([first, blind])


@pytest.fixture
def noise():
    """A photograph of 200x180 in which every place differs."""
    return Photograph("noise", np.random.default_rng(1).integers(0, 256, (180, 200, 3), dtype=np.uint8), None)


def blocks(image):
    """Where the blocks of a JPEG begin, (row, column) in 0..7: there neighbours differ most."""
    return tuple(
        int(torch.stack([steps[place::8].mean() for place in range(8)]).argmax() + 1) % 8
        for steps in ((image.diff(dim=dim).abs().mean(dim=(0, 3 - dim))) for dim in (1, 2))
    )


def test_jpegs_blocks_begin_at_every_place_of_a_crop(pictures):
    # A slope, of which a strong JPEG leaves one colour a block.
    rows, columns = np.mgrid[0:180, 0:200]
    slope = Photograph("slope", np.repeat((rows / 2 + columns / 2)[..., None], 3, axis=2).astype(np.uint8), None)
    samples = Samples(pictures, JpegCompression(1), 64)
    seen = {blocks(samples.of(slope, np.random.default_rng(seed)).distorted) for seed in range(600)}
    assert seen == {(row, column) for row in range(8) for column in range(8)}


@pytest.mark.parametrize("crop", [64, 100, 150, None])
def test_jpegs_blocks_begin_where_it_is_asked(pictures, crop):
    rows, columns = np.mgrid[0:180, 0:200]
    slope = Photograph("slope", np.repeat((rows / 2 + columns / 2)[..., None], 3, axis=2).astype(np.uint8), None)
    for seed in range(20):
        aligned, shifted = (
            Samples(pictures, JpegCompression(1), crop, grid=grid).of(slope, np.random.default_rng(seed))
            for grid in ("aligned", "shifted")
        )
        assert blocks(aligned.distorted) == (0, 0)
        assert blocks(shifted.distorted) != (0, 0)
        assert aligned.reference.shape == aligned.distorted.shape
        assert shifted.reference.shape == shifted.distorted.shape


def test_blocks_are_shifted_wherever_there_are_pixels_around_the_crop(pictures):
    for side in (66, 72, 87, 104):
        rows, columns = np.mgrid[0:side, 0:side]
        slope = Photograph("slope", np.repeat((rows + columns)[..., None], 3, axis=2).astype(np.uint8), None)
        samples = Samples(pictures, JpegCompression(1), 64, grid="shifted")
        found = set()
        for seed in range(60):
            try:
                found.add(blocks(samples.of(slope, np.random.default_rng(seed)).distorted))
            except ValueError as error:
                assert side < 70
                assert "there are no pixels around the crop by which blocks could be shifted" in str(error)
        assert found
        assert (0, 0) not in found


@pytest.mark.parametrize("degradation", [GaussianBlur(15), InOrder((GaussianBlur(10), JpegCompression(20)))])
def test_what_borders_do_to_a_filter_stays_outside_of_a_crop(pictures, noise, degradation):
    samples = Samples(pictures, degradation, 48)
    # The same photograph with other pixels at its borders, as far as a window may reach.
    framed = noise.reference.copy()
    for seed in range(20):
        window, crop = CropPosition.drawn(np.random.default_rng(seed)).cut(180, 200, 48)
        inside = tuple(
            slice(outer.start + inner.start - 16, outer.start + inner.stop + 16)
            for outer, inner in zip(window, crop, strict=True)
        )
        other = framed[window].copy()
        other[:4] = other[-4:] = 255
        changed = framed.copy()
        changed[window] = other
        assert (changed[inside] == framed[inside]).all(), "what a filter of the crop sees"
        before, after = (
            samples.of(Photograph("", pixels, None), np.random.default_rng(seed)) for pixels in (framed, changed)
        )
        assert torch.equal(before.distorted, after.distorted)


@given(height=st.integers(8, 300), width=st.integers(8, 300), crop=st.integers(1, 120), seed=st.integers(0, 999))
def test_crops_lie_in_their_window_with_the_margin_that_there_is(height, width, crop, seed):
    place = CropPosition.drawn(np.random.default_rng(seed))
    if crop > min(height, width):
        with pytest.raises(ValueError, match="does not fit"):
            place.cut(height, width, crop)
        return
    window, inside = place.cut(height, width, crop)
    for length, outer, inner in zip((height, width), window, inside, strict=True):
        assert 0 <= outer.start < outer.stop <= length
        assert 0 <= inner.start < inner.stop == inner.start + crop <= outer.stop - outer.start
        if length >= crop + 2 * MARGIN + 7:
            assert MARGIN <= inner.start <= outer.stop - outer.start - crop - MARGIN


@pytest.mark.parametrize("room", [1, 3, 7])
def test_crops_lie_anywhere_where_there_is_little_room(room):
    rng = np.random.default_rng(0)
    starts = [CropPosition.drawn(rng).cut(64 + room, 200, 64)[1][0].start for _ in range(800)]
    counts = np.bincount(starts, minlength=room + 1)
    assert len(counts) == room + 1
    assert counts.min() > 400 / (room + 1)


def test_crops_are_the_same_whatever_distorts_them(pictures, noise):
    references = [
        Samples(pictures, degradations.resolve(name), 32).of(noise, np.random.default_rng(7)).reference
        for name in ("mild", "unknown", "rl-restore-any", "clean")
    ]
    assert all(torch.equal(references[0], other) for other in references)


def test_whole_pictures_are_distorted_as_they_are(pictures, noise):
    rng = np.random.default_rng(3)
    sample = Samples(pictures, JpegCompression(30), None).of(noise, rng)
    assert torch.equal(sample.distorted, JpegCompression(30)(to_tensor(noise.reference), rng))


def test_light_samples_show_drawings_colours_and_greys_beside_photographs(pictures, noise):
    samples = [
        Samples(pictures, degradations.resolve("light"), 64).of(noise, np.random.default_rng(n)) for n in range(80)
    ]
    assert {sample.degradation.kind for sample in samples} == {"photograph", "colours", "drawing", "near-grey"}
    for sample in samples:
        assert sample.distorted.shape == (3, 64, 64)
        if sample.degradation.kind == "near-grey":
            spread = sample.reference.amax(dim=0) - sample.reference.amin(dim=0)
            assert 0 < spread.max().item() * 255 <= 2.001 or spread.max() == 0
        if not sample.degradation.steps:
            assert torch.equal(sample.distorted, sample.reference)


@pytest.mark.parametrize("content", ["pattern", "texture"])
def test_agents_for_photographs_meet_other_pictures_clean_and_with_faults(content, pictures, noise):
    samples = Samples(pictures, degradations.resolve("everything"), 64)
    drawn = [samples.of(noise, np.random.default_rng(n)) for n in range(300)]
    others = [one for one in drawn if getattr(one.degradation, "kind", "") == content]
    clean = [one for one in others if not one.degradation.steps]
    assert clean
    assert len(clean) < len(others) < 60
    assert all(torch.equal(one.distorted, one.reference) for one in clean)
