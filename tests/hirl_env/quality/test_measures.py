import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from hirl_env.quality import Measure, as_measure, measures, psnr, ssim


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(4, 3, 24, 20, generator=generator)
    return (reference + 0.1 * torch.randn(reference.shape, generator=generator)).clamp(0, 1), reference


def test_psnr_is_the_known_formula(pair):
    expected = [peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1) for a, b in zip(*pair, strict=True)]
    assert np.allclose(psnr(*pair), expected, atol=1e-4)
    assert psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1)).item() == pytest.approx(20)


def test_equal_images_score_the_caps(pair):
    assert psnr(pair[1], pair[1]).tolist() == [100.0] * 4
    assert ssim(pair[1], pair[1]).tolist() == pytest.approx([1.0] * 4)


def test_noise_costs_similarity(pair):
    assert (ssim(*pair) < 0.95).all()


def test_ssim_says_how_large_pictures_must_be():
    with pytest.raises(ValueError, match="at least 11x11 pixels, got 20x10"):
        ssim(torch.rand(1, 3, 10, 20), torch.rand(1, 3, 10, 20))


def test_references_are_asked_for():
    with pytest.raises(ValueError, match="'psnr' compares with a reference"):
        measures.resolve("psnr").score(torch.rand(1, 3, 4, 4))


def test_functions_are_measures_and_their_scores_are_checked():
    def brightness(images, references):
        return images.mean(dim=(1, 2, 3))

    measure = as_measure(brightness)
    assert measure.name == "brightness"
    assert measure.score(torch.ones(2, 3, 4, 4)).tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"one score per image, a tensor \(2,\); got \(\)"):
        Measure("wrong", lambda images, references: images.mean()).score(torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
    with pytest.raises(ValueError, match="not finite"):
        as_measure(lambda images, references: brightness(images, None) / 0).score(torch.ones(1, 3, 4, 4))


def test_a_network_is_a_measure_and_numbers_are_not():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 1), torch.nn.Flatten(0))
    measure = as_measure(lambda images, references: network(images))
    assert not measure.score(torch.rand(2, 3, 4, 4)).requires_grad
    with pytest.raises(ValueError, match="got float"):
        as_measure(lambda images, references: 1.0).score(torch.rand(2, 3, 4, 4))
    with pytest.raises(ValueError, match="a measure must be a name or a Measure, got 5"):
        as_measure(5)


def test_an_unknown_measure():
    with pytest.raises(ValueError, match="unknown measure 'pnsr'; known are: psnr, ssim"):
        as_measure("pnsr")
