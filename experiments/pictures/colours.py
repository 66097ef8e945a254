"""Colours by a profile, and those of screens."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

SAMPLES = 9  # of each colour, to compare two profiles by


def in_srgb(pixels: npt.NDArray[np.uint8], profile: bytes) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Pixels of which a file is to say no profile: those of sRGB, which is what others take them for then.

    Args:
        pixels: Pixels (H, W, channels), greys or RGB, with alpha or without.
        profile: Colour profile that they are meant by.

    Returns:
        Pixels of the same shape, and notes: none where the profile says sRGB.
    """
    colours = pixels.shape[2] - (pixels.shape[2] + 1) % 2
    mode, space = ("L", "GRAY") if colours == 1 else ("RGB", "RGB")
    known: ImageCms.ImageCmsProfile | None = None
    try:
        known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(known, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        if known is not None and known.profile.xcolor_space.strip() != space:
            what = "greys" if colours == 1 else space
            return pixels, [f"saved without its colour profile, which is not one of {what}"]
        return pixels, ["saved without its colour profile, which cannot be read"]

    def converted(some: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        image = ImageCms.applyTransform(Image.fromarray(np.squeeze(some, 2) if colours == 1 else some), transform)
        assert image is not None
        return np.asarray(image)[..., :colours]

    levels = np.round(np.linspace(0, 255, SAMPLES)).astype(np.uint8)
    samples = np.stack(np.meshgrid(*[levels] * colours), axis=-1).reshape(1, -1, colours)
    if np.abs(converted(samples).astype(int) - samples).max() <= 1:
        return pixels, []
    changed = np.concatenate([converted(np.ascontiguousarray(pixels[..., :colours])), pixels[..., colours:]], axis=2)
    return changed, ["saved in sRGB instead of by its colour profile"]
