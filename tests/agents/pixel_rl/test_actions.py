"""The nine actions: against SciPy where it has the same operator, else against loops."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from hirl_agents.pixel_rl.actions import ACTIONS, act

NAMES = [action.name for action in ACTIONS]


@pytest.fixture(params=[(1, 1, 9, 13), (2, 3, 12, 7), (1, 3, 3, 3)], ids=str)
def images(request):
    """Noise, with an edge in it."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(request.param, generator=generator) * 0.2
    images[..., request.param[-1] // 2 :] += 0.7
    return images


def apply(name, images):
    return ACTIONS[NAMES.index(name)].apply(images)


def per_channel(function, images):
    return torch.from_numpy(np.stack([[function(plane) for plane in image] for image in images.numpy()]))


@pytest.mark.parametrize("sigma", [0.5, 1.5])
def test_gaussian(sigma, images):
    expected = per_channel(lambda x: ndimage.gaussian_filter(x, sigma, mode="mirror", radius=2), images)
    torch.testing.assert_close(apply(f"gaussian {sigma}", images), expected)


def test_box(images):
    expected = per_channel(lambda x: ndimage.uniform_filter(x, 5, mode="mirror"), images)
    torch.testing.assert_close(apply("box", images), expected)


def test_median(images):
    expected = per_channel(lambda x: ndimage.median_filter(x, 5, mode="nearest"), images)
    assert torch.equal(apply("median", images), expected)


@pytest.mark.parametrize("sigma_colour", [0.1, 1.0])
def test_bilateral_weighs_all_channels_at_once(sigma_colour, images):
    pixels = np.pad(images.double().numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    expected = np.zeros(images.shape)
    for n, row, column in np.ndindex(len(images), *images.shape[-2:]):
        centre = pixels[n, :, row + 2, column + 2]
        weights = 0.0
        for i, j in np.ndindex(5, 5):
            apart = (i - 2) ** 2 + (j - 2) ** 2
            if apart <= 4:
                neighbour = pixels[n, :, row + i, column + j]
                colour = np.abs(neighbour - centre).sum()
                weight = np.exp(-(colour**2) / (2 * sigma_colour**2)) * np.exp(-apart / (2 * 5.0**2))
                expected[n, :, row, column] += weight * neighbour
                weights += weight
        expected[n, :, row, column] /= weights
    torch.testing.assert_close(apply(f"bilateral {sigma_colour:.1f}", images), torch.from_numpy(expected).float())


def test_steps_of_one_grey_value():
    images = torch.full((1, 1, 2, 2), 100 / 255)
    for name, value in (("subtract", 99), ("keep", 100), ("add", 101)):
        torch.testing.assert_close(apply(name, images) * 255, torch.full((1, 1, 2, 2), float(value)))


def test_the_order_is_the_published_one():
    assert NAMES == [
        "subtract",
        "keep",
        "add",
        "gaussian 0.5",
        "bilateral 0.1",
        "median",
        "gaussian 1.5",
        "bilateral 1.0",
        "box",
    ]


@pytest.mark.parametrize("action", ACTIONS[3:], ids=lambda action: action.name)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 6)])
def test_filters_keep_what_is_flat_whatever_its_size(action, size):
    images = torch.full((2, 3, *size), 0.3)
    torch.testing.assert_close(action.apply(images), images)


def test_every_pixel_takes_its_own_action(images):
    actions = torch.randint(len(ACTIONS), images[:, 0].shape, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    after = act(images, actions)
    for number, action in enumerate(ACTIONS):
        chosen = (actions == number)[:, None].expand_as(images)
        assert torch.equal(after[chosen], action.apply(images).clamp(0, 1)[chosen])
    assert torch.equal(images, before)


def test_black_and_white_stay_in_range():
    images = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    assert torch.equal(act(images, torch.tensor([[[0, 2]]])), images)


def test_wrong_actions_are_named():
    images = torch.zeros(2, 3, 4, 5)
    with pytest.raises(ValueError, match=r"one for each pixel, \(2, 4, 5\); got shape \(2, 5, 4\)"):
        act(images, torch.zeros(2, 5, 4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"must lie in 0\.\.8, got 9 to 9"):
        act(images, torch.full((2, 4, 5), 9))
