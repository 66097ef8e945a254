"""Images of any size."""

import numpy as np
import pytest
import torch

from hirl_agents.pixel_rl import PixelRL, load_pixel_rl, restore
from hirl_agents.pixel_rl.actions import ACTIONS, act
from hirl_agents.pixel_rl.network import SHIPPED
from hirl_env.data.degradations import LEVELS, degradations
from hirl_env.data.photographs import image_sources
from hirl_env.data.samples import Samples
from hirl_env.quality import psnr


def constant(action: str, channels: int = 3) -> PixelRL:
    """A network that always chooses the same action."""
    network = PixelRL(channels)
    with torch.no_grad():
        network.policy_head.weight.zero_()
        network.policy_head.bias.zero_()
        network.policy_head.bias[[one.name for one in ACTIONS].index(action)] = 1.0
    return network


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (33, 16)])
def test_five_steps_whatever_the_size(size):
    images = torch.full((2, 3, *size), 100 / 255)
    torch.testing.assert_close(restore(constant("add"), images) * 255, torch.full((2, 3, *size), 105.0))


def test_the_likeliest_action_is_taken_and_images_are_left_alone():
    images = torch.rand(1, 3, 12, 12)
    before, expected = images.clone(), images
    for _ in range(5):
        expected = act(expected, torch.full((1, 12, 12), 5))
    restored = restore(constant("median"), images)
    assert torch.equal(restored, expected)
    assert torch.equal(images, before)
    assert torch.equal(restore(constant("median"), images), restored)


def test_a_grey_network_restores_channel_by_channel():
    images = torch.rand(2, 3, 10, 10)
    colour = restore(constant("median"), images)
    assert torch.equal(restore(constant("median", 1), images), colour)
    network = PixelRL(1)
    whole = restore(network, images)
    grey = restore(network, images[:, 1:2].expand_as(images))
    torch.testing.assert_close(whole[:, 1], grey[:, 0], atol=1e-5, rtol=0)


def test_tiles_change_nothing():
    torch.manual_seed(0)
    network, images = PixelRL(), torch.rand(1, 3, 24, 230)
    whole, tiled = restore(network, images), restore(network, images, tile=32)
    # Rounding may tip a pixel whose two best actions are equally likely.
    assert ((whole - tiled).abs() > 1e-4).float().mean() < 1e-3


def test_half_precision_does_much_the_same():
    torch.manual_seed(0)
    network, images = PixelRL(), torch.rand(1, 3, 32, 32)
    assert (restore(network, images) - restore(network, images, "bf16")).abs().mean() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_the_shipped_network_restores(level):
    photographs = image_sources.resolve("photos")
    episodes = Samples(photographs, degradations.resolve(level), 48)
    starts = [episodes.of(photograph, np.random.default_rng(seed)) for photograph in photographs for seed in range(4)]
    images = torch.stack([start.distorted for start in starts])
    references = torch.stack([start.reference for start in starts])
    gains = psnr(restore(load_pixel_rl(), images), references) - psnr(images, references)
    # Its short training knew blurs that move the picture; of mild, whose blur did not, it gains least.
    assert gains.mean() > 0.3


def test_the_shipped_network_is_listed_and_small():
    (listed,) = (SHIPPED.parent / "SHA256SUMS").read_text().splitlines()
    assert listed.split()[1] == SHIPPED.name
    assert SHIPPED.stat().st_size < 1_000_000
