"""PixelRL's environment: what it draws, and what it rewards."""

import numpy as np
import pytest
import torch

from hirl_agents.pixel_rl import PixelEnvironment
from hirl_env.data.degradations import GaussianNoise, InOrder
from hirl_env.data.photographs import Entry, Photographs
from hirl_env.data.samples import Samples


@pytest.fixture
def environment(pictures):
    return PixelEnvironment(Samples(pictures, GaussianNoise(25), 16), batch=3)


def test_reset_draws_a_batch_and_repeats_from_a_seed(environment):
    images = environment.reset(np.random.default_rng(0))
    assert (images.shape, images.dtype) == ((3, 3, 16, 16), torch.float32)
    error = (images - environment.references).square().mean().sqrt().item() * 255
    assert 20 < error < 26
    assert torch.equal(environment.reset(np.random.default_rng(0)), images)
    assert not torch.equal(environment.reset(np.random.default_rng(1)), images)


def test_a_reward_is_what_the_squared_error_falls_by(environment):
    environment.reset(np.random.default_rng(0))
    environment.references = torch.full((1, 3, 2, 2), 100 / 255)
    environment.images = environment.references + torch.tensor([3.0, 0.0, 0.0]).view(1, 3, 1, 1) / 255
    # Subtracting 1 makes the errors (3, 0, 0) into (2, -1, -1): 9 becomes 6. Adding 1: (4, 1, 1), 18.
    images, rewards = environment.step(torch.tensor([[[0, 1], [2, 1]]]))
    expected = 255 * torch.tensor([[9 - 6, 0], [9 - 18, 0]]) / 3 / 255**2
    torch.testing.assert_close(rewards, expected.view(1, 1, 2, 2), atol=1e-6, rtol=1e-4)
    assert images is environment.images
    torch.testing.assert_close(images[0, :, 0, 0] * 255, torch.tensor([102.0, 99.0, 99.0]))


def test_rewards_add_up_to_what_the_episode_gained(environment):
    first = environment.reset(np.random.default_rng(0))
    total = torch.zeros(3, 1, 16, 16)
    for number in range(5):
        images, rewards = environment.step(torch.full((3, 16, 16), number + 3))
        total += rewards
    before, after = ((x - environment.references).square().mean(dim=1, keepdim=True) for x in (first, images))
    torch.testing.assert_close(total, 255 * (before - after), atol=1e-4, rtol=1e-4)
    assert total.mean() > 0  # smoothing takes noise away


def test_grey_is_the_luma_of_the_photograph(pictures):
    environment = PixelEnvironment(Samples(pictures, InOrder(()), 32), batch=1, channels=1)
    images = environment.reset(np.random.default_rng(0))
    assert images.shape == (1, 1, 32, 32)
    colour = PixelEnvironment(environment.samples, batch=1).reset(np.random.default_rng(0))
    luma = (colour * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    assert (images - luma).abs().max() <= 0.5 / 255 + 1e-6


def test_bad_input_is_named(pictures, folder):
    with pytest.raises(ValueError, match="needs samples with a crop size"):
        PixelEnvironment(Samples(pictures, None, None))
    for arguments in ({"batch": 0}, {"channels": 2}):
        with pytest.raises(ValueError, match="batch must be at least 1 and channels 1 or 3"):
            PixelEnvironment(Samples(pictures, None, 16), **arguments)
    blind = Photographs([Entry("blind", distorted=next(folder.iterdir()))], "blind")
    with pytest.raises(ValueError, match="blind has no reference, and rewards need one"):
        PixelEnvironment(Samples(blind, None, 16)).reset(np.random.default_rng(0))
    with pytest.raises(ValueError, match="choose another crop size"):
        PixelEnvironment(Samples(pictures, None, 99)).reset(np.random.default_rng(0))
