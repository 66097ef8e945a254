"""Pictures as arrays and tensors: reading files, and the conversions at the 8-bit boundary."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from hirl_env.errors import first_line
from hirl_env.memory import free_memory

LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in brightness
PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".dib"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
# What a person at the command line can do; `hirl web` leaves it out, whose visitors cannot.
ALLOW_AS_MANY, ALLOW_MORE = " (commands with --max-pixels allow as many)", "; --max-pixels allows more"
RESTORING = 80  # bytes of memory that restoring a picture takes for a pixel: several copies of it in float32
DECODING = 32  # bytes that reading it alone takes


class UnreadablePicture(ValueError):
    """Raised for a file that should hold a picture and does not."""


def read_image(path: str | Path) -> npt.NDArray[np.uint8]:
    """Reads a picture of any common kind as 8-bit RGB.

    EXIF orientation is applied, 16-bit greys are scaled (Pillow alone would clip them), and alpha is dropped.

    Args:
        path: A file that Pillow can open.

    Returns:
        uint8, (H, W, 3).

    Raises:
        UnreadablePicture: If the file is missing, not a picture, or damaged.
    """
    with opened(path, bytes_per_pixel=DECODING) as picture:
        _check_numbers(picture)
        turned = upright(picture)
        if turned.mode == "F":
            raise ValueError("its pixels are floating point numbers; convert it to 8 or 16 bits per channel")
        if turned.mode.startswith("I"):
            return np.repeat(in_8_bits(np.asarray(turned))[..., None], 3, axis=2)
        return np.asarray(turned.convert("RGB"))


@contextmanager
def opened(
    path: str | Path, max_pixels: int | None = None, data: bytes | None = None, bytes_per_pixel: int = RESTORING
) -> Iterator[Image.Image]:
    """The picture in a file, to be decoded within the context.

    Args:
        path: File, which must be an ordinary one.
        max_pixels: Most pixels that a picture may have. Default: as many as fit into the memory that is free.
        data: Content to read instead of the file's.
        bytes_per_pixel: Memory that a pixel takes, by which that is judged.

    Raises:
        UnreadablePicture: If the file is missing, not a picture, too large, or damaged.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
        raise UnreadablePicture(f"{path}: not a file")
    with (
        _without_pillows_limit,
        named_problems(path),
        # Of a path, Pillow maps some TIFFs into memory, and misreads those that are to be turned.
        path.open("rb") if data is None else io.BytesIO(data) as file,
        Image.open(file) as picture,
    ):
        check_size(picture.width, picture.height, max_pixels, bytes_per_pixel)
        yield picture


def _check_numbers(picture: Image.Image) -> None:
    """Raises ValueError for TIFFs whose numbers Pillow misreads without a word: `hirl restore` reads more of them."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return
    tags = picture.tag_v2
    bits, kinds = (tags.get(tag, (1,)) for tag in (TiffImagePlugin.BITSPERSAMPLE, TiffImagePlugin.SAMPLEFORMAT))
    inverted = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    separate = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) != 1
    if (max(bits) > 16 and 3 not in kinds) or 2 in kinds or (max(bits) > 8 and (inverted or separate)):
        raise ValueError("its numbers are signed, of 32 bits, inverted or in separate planes; save it as PNG")


class _WithoutPillowsLimit:
    """A context without Pillow's own limit on pixels, which is global to the process; our own names a remedy.

    Contexts of several threads may overlap: the last to end restores the limit.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._limit: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                Image.MAX_IMAGE_PIXELS = self._limit


_without_pillows_limit = _WithoutPillowsLimit()


@contextmanager
def named_problems(path: Path) -> Iterator[None]:
    """Turns whatever is raised while a file is read into UnreadablePicture, with the file's name and the reason."""
    try:
        yield
    except FileNotFoundError:
        raise UnreadablePicture(f"{path}: no such file") from None
    except PermissionError:
        raise UnreadablePicture(f"{path}: no permission to read it") from None
    except UnreadablePicture as error:
        raise UnreadablePicture(f"{path}: {error}") from None
    except UnidentifiedImageError:
        raise UnreadablePicture(
            f"{path}: not a readable picture (no known format, or damaged at its beginning; "
            "if other programs open it, save it there with 8 or 16 bits per channel)"
        ) from None
    except MemoryError:
        raise UnreadablePicture(f"{path}: does not fit into memory") from None
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        # Pillow and its plugins report damage with all of these, depending on the format.
        raise UnreadablePicture(f"{path}: not a readable picture ({first_line(error)})") from None


def check_size(width: int, height: int, max_pixels: int | None = None, bytes_per_pixel: int = RESTORING) -> None:
    """Raises UnreadablePicture if a picture has too many pixels (see `opened`)."""
    most = free_memory() // bytes_per_pixel if max_pixels is None else max_pixels
    if width * height > most:
        size = f"{width}x{height} pixels"
        if max_pixels is None:
            raise UnreadablePicture(
                f"{size} take about {width * height * bytes_per_pixel / 1e9:.1f} GB of memory, and "
                f"{free_memory() / 1e9:.1f} GB are free; make room{ALLOW_AS_MANY}"
            )
        raise UnreadablePicture(f"{size} are more than the {most} that are allowed{ALLOW_MORE}")


def upright(picture: Image.Image) -> Image.Image:
    """A picture rotated as its EXIF data say; unchanged and without EXIF data if these are damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except (struct.error, TypeError, AttributeError, ValueError, LookupError, SyntaxError, OverflowError):
        # Pillow raises these while it reads the EXIF data, or rewrites them without the orientation. The pixels may
        # still be intact; if they are not, load() raises again.
        picture.load()
        bare = picture.copy()
        bare.info.pop("exif", None)
        bare.info["damaged_exif"] = True
        return bare


def in_8_bits(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Numbers of 16 bits, in an integer type of any size, as uint8 of the same shape; uint8 as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    eight: npt.NDArray[np.uint8] = (pixels.astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8)
    return eight


def in_grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The luma of pixels (H, W, 3), in three equal channels."""
    return np.repeat((pixels @ np.array(LUMA)).round()[..., None], 3, axis=2).astype(np.uint8)


def to_tensor(pixels: npt.NDArray[np.uint8 | np.uint16]) -> torch.Tensor:
    """uint8 or uint16 (..., H, W, 3) to float32 (..., 3, H, W) in [0, 1]."""
    white = np.iinfo(pixels.dtype).max
    # A copy, because arrays from Pillow are read-only, which PyTorch warns about.
    return torch.from_numpy(np.array(np.moveaxis(pixels, -1, -3), order="C")).float().div_(white)


def as_batch(pixels: npt.NDArray[np.uint8 | np.uint16]) -> torch.Tensor:
    """uint8 or uint16 (H, W, 3) or grey (H, W) to float32 (1, 3, H, W) in [0, 1]."""
    return to_tensor(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))[None]


def eight_bits(images: torch.Tensor) -> torch.Tensor:
    """Images as files of 8 bits have them: values rounded to multiples of 1/255, in [0, 1], in new memory."""
    return (images * 255).round_().clamp_(0, 255).div_(255)


def to_pixels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Float (..., 3, H, W) in [0, 1] to uint8 (..., H, W, 3): ``round(255 x)``, in new memory."""
    rounded = (images.detach() * 255).round_().clamp_(0, 255).to("cpu", torch.uint8)
    return np.ascontiguousarray(np.moveaxis(rounded.numpy(), -3, -1))


def to_deep_pixels(images: torch.Tensor) -> npt.NDArray[np.uint16]:
    """Float (..., 3, H, W) in [0, 1] to uint16 (..., H, W, 3): ``round(65535 x)``, in new memory."""
    rounded = (images.detach().to("cpu", torch.float64) * 65535).round().clamp(0, 65535).numpy().astype(np.uint16)
    return np.ascontiguousarray(np.moveaxis(rounded, -3, -1))


def mirrored(images: torch.Tensor, side: int) -> torch.Tensor:
    """Images padded by reflection to at least ``side`` pixels each way."""
    for dim in (-2, -1):
        length = images.shape[dim]
        if length < side:
            index = torch.arange(side, device=images.device) % (2 * length)
            images = images.index_select(dim, torch.minimum(index, 2 * length - 1 - index))
    return images


def rgb_to_grey(images: torch.Tensor) -> torch.Tensor:
    """Images (..., 3, H, W) in grey, as three equal channels (the luma of ITU-R BT.601)."""
    weights = torch.tensor(LUMA, dtype=images.dtype, device=images.device)
    return torch.einsum("c,...chw->...hw", weights, images).unsqueeze(-3).expand_as(images).contiguous()
