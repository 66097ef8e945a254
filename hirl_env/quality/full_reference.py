"""Measures that compare an image with its reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from hirl_env.extras import optional

PSNR_CAP = 100.0  # dB; equal images would score infinity
SEEN_CAP = 50.0  # dB, beyond which no difference is visible
SSIM_WINDOW = 11  # pixels
PART = 64  # pixels: side of the squares in which a difference is looked for


def psnr(images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
    """Peak signal-to-noise ratio over RGB in dB, at most 100, of (N, 3, H, W) in [0, 1]; returns float64 (N,).

    piq's version adds 1e-8 to the error, which caps it at 80 dB and bends it from 50 dB on.
    """
    assert references is not None
    squares = (images - references).square().flatten(1)
    if squares.device.type == "mps":  # which has no float64
        squares = squares.cpu()
    error = squares.mean(dim=1, dtype=torch.float64)
    return -10 * torch.log10(error.clamp_min(10 ** (-PSNR_CAP / 10)))


def capped_psnr(images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
    """PSNR capped at `SEEN_CAP`, so that networks that learn from it need not distinguish what looks the same."""
    return psnr(images, references).clamp_max(SEEN_CAP)


def look_alike(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Whether no difference is visible between two images: nowhere is the PSNR of a square of 64 pixels below 50 dB.

    Square by square, because in a large picture the PSNR of the whole would hide a small part that changed.

    Args:
        images: Images (N, 3, H, W) in [0, 1].
        others: Images of the same shape.

    Returns:
        A bool for each, (N,).
    """
    squares = (images - others).square().mean(dim=1, keepdim=True)
    parts = F.avg_pool2d(squares, [min(PART, side) for side in squares.shape[-2:]], ceil_mode=True)
    return parts.flatten(1).amax(dim=1) <= 10 ** (-SEEN_CAP / 10)


def ssim(images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
    """Structural similarity over RGB without downsampling, of (N, 3, H, W) in [0, 1]; returns (N,).

    Raises:
        ValueError: If an image is smaller than the window of 11 pixels.
    """
    check_size("ssim", images, SSIM_WINDOW)
    return _by_piq("ssim", images, references, downsample=False)


def check_size(name: str, images: torch.Tensor, smallest: int) -> None:
    """Raises ValueError if images (N, 3, H, W) have a side of fewer than ``smallest`` pixels."""
    height, width = images.shape[-2:]
    if min(height, width) < smallest:
        raise ValueError(f"{name} needs at least {smallest}x{smallest} pixels, got {width}x{height}")


def _by_piq(
    name: str, images: torch.Tensor, references: torch.Tensor | None, distance: bool = False, **options: bool
) -> torch.Tensor:
    """Scores (N,) by one of piq's functions; distances are negated: larger is better."""
    piq = optional("piq", "measures")  # imported here, because it imports torchvision, which few users need
    assert references is not None
    function: Callable[..., torch.Tensor] = getattr(piq, name)
    # piq refuses values outside the range, even by a rounding error.
    scores = function(images.clamp(0, 1), references.clamp(0, 1), data_range=1.0, reduction="none", **options)
    return 0 - scores if distance else scores


def _haarpsi(images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
    """HaarPSI, a mean over positions with structure; 1 if neither image has any, for which piq returns infinity."""
    scores = _by_piq("haarpsi", images, references)
    return torch.where(scores.isinf(), 1.0, scores)


# Functions of images and references by name, each with the smallest side in pixels of pictures that it can tell apart.
# Equal images score 1, except by MDSI and GMSD, which are negated distances: there they score 0.
FROM_PIQ: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor], int]] = {
    "ssim": (ssim, SSIM_WINDOW),
    "ms-ssim": (partial(_by_piq, "multi_scale_ssim"), 161),  # the window of 11 on the coarsest of five scales
    "vif": (partial(_by_piq, "vif_p"), 41),
    "fsim": (partial(_by_piq, "fsim"), 2),
    "vsi": (partial(_by_piq, "vsi"), 2),
    "mdsi": (partial(_by_piq, "mdsi", distance=True), 2),
    "haarpsi": (_haarpsi, 16),
    "gmsd": (partial(_by_piq, "gmsd", distance=True), 3),
}
