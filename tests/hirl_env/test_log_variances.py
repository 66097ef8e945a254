import math

import pytest
import torch

from hirl_env.log_variances import SCALES, with_log_variances


def test_ten_times_the_noise_is_the_same_step_up_at_every_scale():
    torch.manual_seed(0)
    noise = torch.randn(2, 3, 64, 64)
    weak, strong = (with_log_variances(0.5 + sigma * noise) for sigma in (0.05, 0.5))
    assert weak.shape == (2, 3 + SCALES, 64, 64)
    assert torch.equal(weak[:, :3], 0.5 + 0.05 * noise)
    steps = (strong - weak)[:, 3:].mean(dim=(0, 2, 3))
    assert steps[:2].numpy() == pytest.approx(math.log(100) / 8, rel=0.02)
    assert 0 < steps[2] < math.log(100) / 8, "the coarsest has hardly any noise left, and a floor"


def test_a_flat_area_is_the_same_whatever_its_colour():
    maps = with_log_variances(torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    assert torch.allclose(maps[:, 3:], torch.tensor(math.log(1e-5) / 8 + 1.3), atol=1e-3)


def test_maps_turn_with_the_image():
    images = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    turned = with_log_variances(images.rot90(1, dims=(2, 3)).flip(3))
    assert torch.allclose(turned, with_log_variances(images).rot90(1, dims=(2, 3)).flip(3), atol=1e-5)


@pytest.mark.parametrize("side", [1, 3, 4])
def test_images_smaller_than_the_scales_have_them(side):
    assert with_log_variances(torch.rand(1, 3, side, side)).isfinite().all()


def test_the_memory_format_makes_no_difference():
    images = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(with_log_variances(images), with_log_variances(images.to(memory_format=torch.channels_last)))


def test_a_mean_is_that_of_the_mirrored_surroundings():
    images = torch.zeros(1, 3, 16, 16)
    images[..., 8, 8] = 1
    finest = with_log_variances(images)[0, 3]
    # One pixel's deviations from the mean of 3x3 around each: 8/9 once and 1/9 eight times, in a mean over 5x5.
    variance = ((8 / 9) ** 2 + 8 * (1 / 9) ** 2) / 25
    assert finest[8, 8] == pytest.approx(math.log(variance + 1e-5) / 8 + 1.3, abs=1e-6)
