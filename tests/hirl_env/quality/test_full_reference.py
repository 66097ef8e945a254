"""Every measure that compares, on identities that hold for all of them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import structural_similarity

from hirl_env.quality import look_alike, measures, psnr
from hirl_env.quality.full_reference import FROM_PIQ

SMALLEST = {
    "ssim": 11,
    "ms-ssim": 161,
    "vif": 41,
    "fsim": 2,
    "vsi": 2,
    "mdsi": 2,
    "haarpsi": 16,
    "gmsd": 3,
}
TOP = dict.fromkeys(SMALLEST, 1.0) | {"mdsi": 0.0, "gmsd": 0.0, "psnr": 100.0, "psnr-50": 50.0}


@pytest.fixture(scope="module")
def photographs():
    """Two photographs, (2, 3, 168, 176)."""
    crops = [data.astronaut()[40:208, 120:296], data.coffee()[100:268, 200:376]]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def noisy(images, sigma):
    generator = torch.Generator().manual_seed(0)
    return images + sigma * torch.randn(images.shape, generator=generator)


def test_every_measure_of_piq_is_registered():
    assert set(SMALLEST) == set(FROM_PIQ)
    assert set(FROM_PIQ) < set(measures.names())


@pytest.mark.parametrize("name", TOP)
class TestEveryMeasure:
    def test_equal_images_score_the_top(self, name, photographs):
        measure = measures.resolve(name)
        assert measure.needs_reference
        assert measure.score(photographs, photographs).tolist() == pytest.approx([TOP[name]] * 2, abs=1e-5)

    def test_more_noise_scores_less(self, name, photographs):
        measure = measures.resolve(name)
        levels = [measure.score(noisy(photographs, sigma), photographs) for sigma in (0, 0.02, 0.05, 0.1, 0.2)]
        for less, more in pairwise(levels):
            assert (more < less).all()

    def test_a_batch_is_its_images_one_by_one(self, name, photographs):
        measure, images = measures.resolve(name), noisy(photographs, 0.1)
        together = measure.score(images, photographs)
        alone = torch.cat([measure.score(images[i : i + 1], photographs[i : i + 1]) for i in range(2)])
        assert torch.allclose(together, alone, atol=1e-5)

    def test_flat_pictures_have_scores(self, name, photographs):
        measure = measures.resolve(name)
        for value in (0.0, 0.5, 1.0):
            flat = torch.full_like(photographs[:1], value)
            assert measure.score(flat, flat).tolist() == pytest.approx([TOP[name]], abs=1e-5)
            measure.score(photographs[:1], flat)
            measure.score(flat, photographs[:1])


@pytest.mark.parametrize(("name", "side"), SMALLEST.items())
def test_pictures_may_be_so_small_and_no_smaller(name, side):
    measure = measures.resolve(name)
    generator = torch.Generator().manual_seed(0)
    for height, width in ((side, side), (side, 170), (170, side)):
        reference = torch.rand(1, 3, height, width, generator=generator)
        worse = measure.score(noisy(reference, 0.2), reference)
        assert worse.item() < measure.score(reference, reference).item()
    small = torch.rand(1, 3, side - 1, 170)
    with pytest.raises(ValueError, match=f"^{name} needs at least {side}x{side} pixels, got 170x{side - 1}$"):
        measure.score(small, small)


@pytest.mark.parametrize("name", SMALLEST)
def test_what_is_out_of_range_is_clamped(name, photographs):
    measure, images = measures.resolve(name), noisy(photographs, 0.3)
    assert images.min() < 0
    assert images.max() > 1
    assert torch.equal(measure.score(images, photographs), measure.score(images.clamp(0, 1), photographs))
    assert torch.equal(measure.score(photographs, images), measure.score(photographs, images.clamp(0, 1)))


def test_ssim_is_scikit_images(photographs):
    images = noisy(photographs, 0.1).clamp(0, 1)
    expected = structural_similarity(
        images[0].numpy(),
        photographs[0].numpy(),
        channel_axis=0,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert measures.resolve("ssim").score(images, photographs)[0].item() == pytest.approx(expected, abs=2e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", TOP)
def test_a_gpu_scores_the_same(name, photographs):
    measure, images = measures.resolve(name), noisy(photographs, 0.1)
    scores = measure.score(images.cuda(), photographs.cuda())
    assert scores.device.type == "cuda"
    assert torch.allclose(scores.cpu(), measure.score(images, photographs), atol=1e-3)


def test_capped_psnr_is_psnr_up_to_50_db(photographs):
    for sigma, capped in ((0.1, False), (1e-2, False), (1e-3, True)):
        images = noisy(photographs, sigma)
        exact = measures.resolve("psnr").score(images, photographs)
        assert (exact > 50).all() == capped
        assert torch.equal(measures.resolve("psnr-50").score(images, photographs), exact.clamp_max(50))


@pytest.mark.parametrize("side", [1, 12, 64, 65, 200])
def test_images_look_alike_up_to_50_db(side):
    image = torch.full((1, 3, side, side), 0.5)
    for levels, alike in ((0.0, True), (0.8, True), (0.81, False), (1.0, False)):
        other = image + levels / 255
        assert bool(look_alike(image, other)) == alike == bool(psnr(image, other) >= 50)


def test_a_small_part_that_changes_is_seen_in_a_picture_of_any_size():
    image = torch.full((2, 3, 700, 900), 0.5)
    for corner in ((0, 0), (640, 832), (333, 500), (692, 892)):
        changed = image.clone()
        changed[1, :, corner[0] : corner[0] + 8, corner[1] : corner[1] + 8] += 20 / 255
        assert (psnr(image, changed) > 50).all()
        assert look_alike(image, changed).tolist() == [True, False]
