"""Maps of how much detail an image has at each scale, for networks that judge images."""

from __future__ import annotations

import torch
import torch.nn.functional as F

REACHES = 1, 2, 4  # pixels to each side over which the means of each scale are taken
SCALES = len(REACHES)


def with_log_variances(images: torch.Tensor) -> torch.Tensor:
    """Images, with maps of the detail finer than each of three scales: logarithms of local variances.

    The quality of an image, and what a tool gains on it, depend on ratios: of noise to detail, and of one scale to the
    next. A network that has to learn the logarithms itself learns these ratios less well.

    Args:
        images: Images (N, 3, H, W) in [0, 1].

    Returns:
        (N, 6, H, W), all about 0 to 1.
    """
    images = images.contiguous()
    maps, rest = [images], images
    for reach in REACHES:
        coarser = _mean(rest, reach)
        variances = _mean((rest - coarser).square().mean(1, keepdim=True), 2)
        # Variances go from 1e-5, in flat areas, to 0.1, at edges.
        maps.append((variances + 1e-5).log() / 8 + 1.3)
        rest = coarser
    return torch.cat(maps, dim=1)


def _mean(images: torch.Tensor, reach: int) -> torch.Tensor:
    """The mean around each pixel, ``reach`` pixels to all sides; images must be contiguous."""
    side = 2 * reach + 1
    # A reflection has no more pixels than the image.
    padded = F.pad(images, (reach,) * 4, mode="reflect" if min(images.shape[-2:]) > reach else "replicate")
    # Sums of shifted images: pooling and convolutions on CPUs take several times as long.
    height, width = images.shape[-2:]
    rows = padded[..., :height, :].clone()
    for shift in range(1, side):
        rows += padded[..., shift : shift + height, :]
    total = rows[..., :width].clone()
    for shift in range(1, side):
        total += rows[..., shift : shift + width]
    return total / side**2
