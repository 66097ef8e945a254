"""Pictures as arrays and tensors: reading files, and the conversions at the 8-bit boundary."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in brightness
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


class UnreadablePicture(ValueError):
    """A file that should hold a picture and does not."""


def read_image(path: str | Path) -> npt.NDArray[np.uint8]:
    """Reads a picture of any common kind as 8-bit RGB.

    EXIF orientation is applied, 16-bit greys are scaled (Pillow alone would clip them), alpha is dropped.

    Args:
        path: A file that Pillow can open.

    Returns:
        uint8, (H, W, 3).

    Raises:
        UnreadablePicture: If the file is missing, no picture, or damaged.
    """
    with opened(path) as picture:
        turned = upright(picture)
        if turned.mode.startswith("I"):
            return np.repeat(deep_grey(turned)[..., None], 3, axis=2)
        return np.asarray(turned.convert("RGB"))


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """The picture in a file, to be decoded within the context.

    Raises:
        UnreadablePicture: If the file is missing, no picture, or damaged.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode == "F":
                raise ValueError("its pixels are floating point numbers; convert it to 8 bits per channel")
            yield picture
    except FileNotFoundError:
        raise UnreadablePicture(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow reports damage with all four, depending on the format.
        raise UnreadablePicture(f"{path}: not a readable picture ({error})") from None


def upright(picture: Image.Image) -> Image.Image:
    """A picture turned as its EXIF data say; as it is, and without them, where they are damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except (struct.error, TypeError, AttributeError):
        # What Pillow raises while it writes them anew, less the orientation. The pixels may well be whole.
        bare = picture.copy()
        bare.info.pop("exif", None)
        return bare


def deep_grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """A picture of 16-bit greys (mode ``I``, ``I;16``, ...) with 8 bits, uint8 (H, W)."""
    return (np.asarray(picture).astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8)


def to_tensor(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [0, 1]."""
    # A copy: pictures that Pillow lends may not be written to, which PyTorch warns of.
    return torch.from_numpy(np.array(np.moveaxis(pixels, -1, -3), order="C")).float() / 255


def to_pixels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Float (..., 3, H, W) in [0, 1] to uint8 (..., H, W, 3): ``round(255 x)``, in new memory."""
    rounded = (images.detach() * 255).round().clamp(0, 255).to("cpu", torch.uint8)
    return np.ascontiguousarray(np.moveaxis(rounded.numpy(), -3, -1))


def mirrored(images: torch.Tensor, side: int) -> torch.Tensor:
    """Images continued by their mirror images to at least ``side`` pixels each way."""
    for dim in (-2, -1):
        length = images.shape[dim]
        if length < side:
            index = torch.arange(side, device=images.device) % (2 * length)
            images = images.index_select(dim, torch.minimum(index, 2 * length - 1 - index))
    return images


def rgb_to_grey(images: torch.Tensor) -> torch.Tensor:
    """Images (..., 3, H, W) without their colours, in three equal channels (the luma of ITU-R BT.601)."""
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device)
    return torch.einsum("c,...chw->...hw", weights, images).unsqueeze(-3).expand_as(images).contiguous()
