"""Traces that JPEGs and noise leave in images, measured: networks hardly learn to find them."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from hirl_env.data.degradations.jpeg import BLOCK
from hirl_env.data.images import LUMA

TWO_BLOCKS = 2 * BLOCK  # pixels: patterns repeat after it whose parts alternate, as threads do
NEARLY_TWO_BLOCKS = 11, 13, 19, 21
SMALLEST = max(NEARLY_TWO_BLOCKS) + 1  # pixels: side of an image in which everything can be measured
AT_ONCE = 16  # images, so that all coefficients of all offsets stay in the processor's cache
TRACES = 17  # number of measurements
BANDS = (1, 2), (3, 5), (6, 14)  # of frequencies: first and last sum of the horizontal and the vertical one
NOTHING = 1.5  # of 255: coefficients below that are zeros but for the rounding of pixels
ROUNDING = 0.5  # of 255: steps and noise below that are those of rounding
NO_STEP = 255.0  # for frequencies of which all coefficients are zeros
# Responds to noise of standard deviation 1 with one of 6, and to most edges hardly (Immerkaer, CVIU 1996).
NOISE_KERNEL = (1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0)
QUANTILES = 0.05, 0.5, 0.95


def traces_of(images: torch.Tensor) -> torch.Tensor:
    """What says of images whether they were a JPEG, with which steps, and how much noise they have.

    A JPEG sets most small coefficients of its blocks' cosine transform to zero, and the others to multiples of a step
    (Fan and de Queiroz, IEEE TIP 2003). So where the blocks begin is found as the offset, of all 64, at which most
    coefficients are about zero.

    Args:
        images: Images (N, 3, H, W) in [0, 1], of 8 bits; smaller ones than 22 pixels are extended to that.

    Returns:
        (N, 17), float32, of about unit variance over distorted photographs. Eleven of a JPEG: shares of coefficients
        about zero in three bands of frequencies, where most are, and the mean over all offsets; by how much the largest
        share of all bands exceeds the second largest; logarithms of the smallest other coefficients in the two lower
        bands; that of how much larger steps are between blocks than within; and that of how much less pixels differ two
        blocks apart than nearly so, which is about 0 unless a picture repeats like blocks. Six of noise: logarithms of
        its strength in the calmest, the median and the busiest part of the image, and in both colour differences; and
        how alike it is in the three colours.
    """
    down, across = (max(0, SMALLEST - side) for side in images.shape[2:])
    levels = (255 * F.pad(images, (0, across, 0, down), "replicate").contiguous()).round()
    return torch.cat([_measured(few) for few in levels.split(AT_ONCE)])


def _measured(colours: torch.Tensor) -> torch.Tensor:
    """Measurements (N, 17) of images (N, 3, H, W) of 255."""
    luma = (colours.new_tensor(LUMA) @ colours.flatten(2)).unflatten(1, colours.shape[2:])
    return torch.cat([_of_jpegs(luma), _of_noise(colours, luma)], dim=1)


def _of_jpegs(luma: torch.Tensor) -> torch.Tensor:
    """Measurements of JPEGs, (N, 11), of luma (N, H, W) of 255."""
    bands = _bands(luma.device)
    sizes = _coefficients(luma).abs()
    weights = bands / bands.sum(dim=1, keepdim=True)
    shares = (weights @ (sizes < NOTHING).float().flatten(2)).unflatten(2, sizes.shape[2:])
    shares = _at_offsets(_at_offsets(shares).transpose(2, 3)).transpose(2, 3).flatten(2)  # (N, 3, 64)
    most, offsets = shares.mean(dim=1).topk(2)
    offset = offsets[:, 0]
    rows, columns = offset // BLOCK, offset % BLOCK
    largest = shares.gather(2, offset[:, None, None].expand(-1, len(BANDS), 1))[..., 0]
    steps = _smallest_others(sizes, rows, columns)
    lower = [steps[:, band.bool()].median(dim=1).values.log() for band in bands[:2]]
    between, within = _steps(luma, rows, columns)
    return torch.cat(
        [
            4 * largest,
            4 * shares.mean(dim=2),
            torch.stack(
                [
                    10 * (most[:, 0] - most[:, 1]),
                    *lower,
                    3 * ((between + ROUNDING) / (within + ROUNDING)).log(),
                    _repetition(luma),
                ],
                dim=1,
            ),
        ],
        dim=1,
    )


def _bands(device: torch.device) -> torch.Tensor:
    """Which frequencies belong to each band, 0 or 1, (3, 64)."""
    frequencies = torch.arange(BLOCK, device=device)
    sums = (frequencies[:, None] + frequencies).flatten()
    return torch.stack([((first <= sums) & (sums <= last)).float() for first, last in BANDS])


def _coefficients(luma: torch.Tensor) -> torch.Tensor:
    """The cosine transform of the block that begins at each pixel, (N, 64, H - 7, W - 7)."""
    positions = torch.arange(BLOCK, device=luma.device)
    basis = 0.5 * (torch.pi / BLOCK * (positions + 0.5) * positions[:, None]).cos()
    basis[0] /= 2**0.5
    down = F.conv2d(luma[:, None], basis[:, None, :, None])
    both = F.conv2d(down.flatten(0, 1)[:, None], basis[:, None, None, :])
    return both.unflatten(0, (len(luma), BLOCK)).flatten(1, 2)


def _at_offsets(values: torch.Tensor) -> torch.Tensor:
    """Means over every eighth position of the last dimension, (..., 8)."""
    length = values.shape[-1]
    sums = F.pad(values, (0, -length % BLOCK)).unflatten(-1, (-1, BLOCK)).sum(dim=-2)
    return sums / ((length - 1 - torch.arange(BLOCK, device=values.device)) // BLOCK + 1)


def _smallest_others(sizes: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Of each frequency, the smallest coefficient that is not about zero, (N, 64), in blocks from an offset on."""
    count, _, height, width = sizes.shape
    each = torch.arange(count, device=sizes.device)[:, None, None]
    down = rows[:, None] + torch.arange(0, height - BLOCK + 1, BLOCK, device=sizes.device)
    across = columns[:, None] + torch.arange(0, width - BLOCK + 1, BLOCK, device=sizes.device)
    blocks = sizes[each, :, down[:, :, None], across[:, None]].flatten(1, 2)
    return blocks.masked_fill(blocks < NOTHING, NO_STEP).amin(dim=1)


def _steps(luma: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean steps from pixel to pixel between blocks, and within them, (N,) each."""
    total = between = torch.zeros(len(luma), device=luma.device)
    for dim, begin in ((1, rows), (2, columns)):
        means = _at_offsets(luma.diff(dim=dim).abs().mean(dim=3 - dim))
        between = between + means.gather(1, ((begin - 1) % BLOCK)[:, None])[:, 0]
        total = total + means.sum(dim=1)
    return between / 2, (total - between) / 2 / (BLOCK - 1)


def _repetition(luma: torch.Tensor) -> torch.Tensor:
    """Logarithm of how much pixels two blocks apart differ, relative to those nearly so, (N,)."""
    apart = _difference(luma, TWO_BLOCKS)
    others = torch.stack([_difference(luma, distance) for distance in NEARLY_TWO_BLOCKS]).mean(dim=0)
    return ((apart + ROUNDING) / (others + ROUNDING)).log()


def _difference(luma: torch.Tensor, distance: int) -> torch.Tensor:
    """Mean difference of pixels at a distance along columns plus that along rows, (N,)."""
    down = luma[:, distance:] - luma[:, :-distance]
    across = luma[:, :, distance:] - luma[:, :, :-distance]
    return down.abs().mean(dim=(1, 2)) + across.abs().mean(dim=(1, 2))


def _of_noise(colours: torch.Tensor, luma: torch.Tensor) -> torch.Tensor:
    """Measurements of noise, (N, 6), of colours (N, 3, H, W) and luma (N, H, W) of 255."""
    kernel = colours.new_tensor(NOISE_KERNEL)[None, None] / 6
    planes = torch.cat([colours, luma[:, None]], dim=1)
    noise = F.conv2d(planes.flatten(0, 1)[:, None], kernel).unflatten(0, planes.shape[:2])[:, :, 0]
    red, green, blue, grey = noise.unbind(dim=1)
    local = F.avg_pool2d(grey[:, None].abs(), BLOCK, stride=BLOCK // 2)
    strengths = local.flatten(1).quantile(local.new_tensor(QUANTILES), dim=1).T
    differences = torch.stack([(blue - grey).abs().mean(dim=(1, 2)), (red - grey).abs().mean(dim=(1, 2))], dim=1)
    alike = _likeness(red, green) + _likeness(green, blue)
    return torch.cat([(torch.cat([strengths, differences], dim=1) + ROUNDING).log(), 1.5 * alike[:, None]], dim=1)


def _likeness(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The correlation of two colours' noise (N, H, W), about 0 to 1, (N,); 0 if there is none."""
    powers = [noise.square().mean(dim=(1, 2)) + ROUNDING**2 for noise in (one, other)]
    return (one * other).mean(dim=(1, 2)) / (powers[0] * powers[1]).sqrt()
