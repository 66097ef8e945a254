"""Measures that compare an image with its reference."""

from __future__ import annotations

import piq
import torch

PSNR_CAP = 100.0  # dB; equal images would score infinity
SSIM_WINDOW = 11  # pixels


def psnr(images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
    """Peak signal-to-noise ratio over RGB in dB, at most 100, of (N, 3, H, W) in [0, 1]; returns float64 (N,).

    piq's own adds 1e-8 to the error, which caps it at 80 dB and bends it from 50 dB on.
    """
    assert references is not None
    error = (images - references).square().flatten(1).mean(dim=1, dtype=torch.float64)
    return -10 * torch.log10(error.clamp_min(10 ** (-PSNR_CAP / 10)))


def ssim(images: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
    """Structural similarity over RGB without down-sampling, of (N, 3, H, W) in [0, 1]; returns (N,).

    Raises:
        ValueError: If an image is smaller than the window of 11 pixels.
    """
    assert references is not None
    if min(images.shape[-2:]) < SSIM_WINDOW:
        height, width = images.shape[-2:]
        raise ValueError(f"ssim needs at least {SSIM_WINDOW}x{SSIM_WINDOW} pixels, got {width}x{height}")
    scores: torch.Tensor = piq.ssim(images.clamp(0, 1), references, data_range=1.0, downsample=False, reduction="none")
    return scores
