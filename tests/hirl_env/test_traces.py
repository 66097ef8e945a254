"""Traces of JPEGs and of noise, against what made them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from hirl_env.traces import TRACES, traces_of

MOST, ALL, GAP, STEPS, BETWEEN, REPEATED = slice(0, 3), slice(3, 6), 6, slice(7, 9), 9, 10
CALMEST, MEDIAN, BUSIEST, BLUE, RED, ALIKE = range(11, 17)


def scene(side: int = 96) -> torch.Tensor:
    """A grey picture with detail of every size, (3, side, side), of 8 bits."""
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=(side, side)))
    frequencies = np.hypot(*np.meshgrid(*[np.fft.fftfreq(side)] * 2))
    picture = np.fft.ifft2(spectrum / np.maximum(frequencies, 1 / side)).real
    grey = np.clip(128 + 40 * picture / picture.std(), 0, 255).round() / 255
    return torch.tensor(grey, dtype=torch.float32).expand(3, -1, -1)


def saved(image: torch.Tensor, quality: int) -> tuple[torch.Tensor, list[int]]:
    """A grey picture saved as a JPEG and read back, and the steps of its coefficients, row by row."""
    file = io.BytesIO()
    Image.fromarray((255 * image[0]).round().byte().numpy()).save(file, "JPEG", quality=quality)
    read = Image.open(file)
    return torch.tensor(np.asarray(read), dtype=torch.float32).div(255).expand(3, -1, -1), read.quantization[0]


def test_a_jpeg_is_known_from_other_pictures_wherever_its_blocks_begin():
    clean = scene()
    decoded, _ = saved(clean, 50)
    crops = torch.stack([decoded[:, row : row + 64, column : column + 64] for row in range(8) for column in range(8)])
    measured = traces_of(crops)
    assert measured.shape == (64, TRACES)
    assert (measured[:, GAP] > 1).all()
    assert traces_of(clean[None, :, :64, :64])[0, GAP] < 0.2
    assert (measured[:, MOST] > 2 * measured[:, ALL]).all()
    assert (measured[:, BETWEEN] > 0.3).all()


@pytest.mark.parametrize("quality", [10, 30, 60])
def test_the_steps_of_a_jpeg_are_found(quality):
    decoded, table = saved(scene(), quality)
    # In a band, each frequency has a step of its own, and the smallest coefficient is once or twice the step.
    low = np.median(np.array(table).reshape(8, 8)[[0, 1, 1, 0, 2], [1, 0, 1, 2, 0]])
    found = traces_of(decoded[None, :, 3:67, 5:69])[0, STEPS.start].exp()
    assert found == pytest.approx(low, rel=0.35)


@pytest.mark.parametrize("period", [(4, 4), (8, 8), (16, 16), (8, 1), (1, 4)])
def test_a_picture_that_repeats_like_blocks_is_known_from_a_jpeg(period):
    tile = scene()[:, : period[0], : period[1]]
    repeated = tile.repeat(1, 96 // period[0], 96 // period[1])
    assert traces_of(repeated[None, :, 3:67, 5:69])[0, REPEATED] < -2
    decoded, _ = saved(scene(), 30)
    assert traces_of(decoded[None, :, 3:67, 5:69])[0, REPEATED].abs() < 0.2


@pytest.mark.parametrize("sigma", [2.0, 10.0, 40.0])
def test_the_strength_of_noise_is_measured(sigma):
    noise = sigma * torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([0.299, 0.587, 0.114])
    coloured = traces_of(0.5 + noise / 255)
    of_luma = sigma * weights.square().sum().sqrt() * (2 / torch.pi) ** 0.5
    assert torch.allclose(coloured[:, MEDIAN].exp() - 0.5, of_luma, rtol=0.1)
    assert (coloured[:, CALMEST] < coloured[:, MEDIAN]).all()
    assert (coloured[:, MEDIAN] < coloured[:, BUSIEST]).all()
    assert coloured[:, ALIKE].abs().max() < 0.3
    grey = traces_of(0.5 + noise[:, :1].expand(-1, 3, -1, -1) / 255)
    assert (grey[:, ALIKE] > 2.7).all()
    assert (grey[:, [BLUE, RED]].exp() < 0.55).all(), "grey pictures have no noise of colour"
    assert (coloured[:, [BLUE, RED]].exp() - 0.5 > 0.6 * sigma).all()


def test_they_do_not_depend_on_which_side_is_up():
    decoded, _ = saved(scene(), 40)
    image = decoded[None, :, 3:67, 5:69]
    for turned in (image.rot90(1, dims=(2, 3)), image.flip(3)):
        assert torch.allclose(traces_of(turned), traces_of(image), atol=0.2)


def test_they_do_not_depend_on_the_other_images_of_a_batch():
    images = torch.rand(40, 3, 32, 24, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([traces_of(image[None]) for image in images])
    assert torch.allclose(traces_of(images.to(memory_format=torch.channels_last)), alone, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (7, 40), (15, 15), (64, 65)])
def test_pictures_of_any_size_are_measured(shape):
    for image in (torch.zeros(1, 3, *shape), torch.rand(1, 3, *shape)):
        measured = traces_of(image)
        assert measured.isfinite().all()
        assert measured.abs().max() < 7
