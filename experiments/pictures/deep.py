"""Pictures of more than 8 bits per channel, of which Pillow decodes 8, or which it cannot open at all."""

from __future__ import annotations

import io
import logging
import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageFile

from hirl_env.data.images import check_size
from hirl_experiments.pictures.metadata import png_chunks

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it says of damage names no picture
Deep = npt.NDArray[np.uint16]
# Tags of tiles, and those of strips that they become; the one without a counterpart becomes one that says nothing.
STRIPS = {
    "TileWidth": "RowsPerStrip",
    "TileLength": "CellLength",
    "TileOffsets": "StripOffsets",
    "TileByteCounts": "StripByteCounts",
}


def deep_pixels(picture: Image.Image, data: bytes, index: int) -> tuple[Deep | None, list[str]]:
    """The pixels of a picture of more than 8 bits, uint16, (H, W) or (H, W, channels), and notes; None of others.

    Args:
        picture: The picture as Pillow opened it, at the page in question, not yet decoded.
        data: Content of its file.
        index: Number of the page.

    Raises:
        ValueError: If it is damaged, or nobody can say which of its numbers is white.
    """
    try:
        if picture.format in _DECODERS:
            pixels = _DECODERS[picture.format](picture, data, index)
        else:
            pixels = np.asarray(picture) if picture.mode.startswith(("I", "F")) else None
    except ValueError:
        raise
    except Exception as error:  # what imagecodecs and tifffile raise where a file is damaged is not documented
        raise ValueError(str(error) or type(error).__name__) from None
    if pixels is not None and (pixels.dtype.kind == "f" or picture.format == "TIFF") and pixels.dtype != np.uint16:
        pixels, note = as_16_bits(pixels)
        return pixels, [note]
    return None if pixels is None else pixels.clip(0, 65535).astype(np.uint16), []


def _of_png(picture: Image.Image, data: bytes, index: int) -> npt.NDArray[Any] | None:
    if data[24] < 16:
        return None
    import imagecodecs

    return _with_transparent_colour(imagecodecs.png_decode(data), data)


def _of_ppm(picture: Image.Image, data: bytes, index: int) -> npt.NDArray[Any] | None:
    assert isinstance(picture, ImageFile.ImageFile)
    tile = picture.tile[0]
    white = tile.args[1] if isinstance(tile.args, tuple) and tile.codec_name.startswith("ppm") else 255
    if picture.mode == "RGB" and white > 255:
        count = picture.width * picture.height * 3
        if tile.codec_name == "ppm_plain":  # numbers as text, with remarks
            words = re.sub(rb"#[^\r\n]*", b"", data[tile.offset :]).split()[:count]
            numbers = np.array(words, np.int64)
        else:
            numbers = np.frombuffer(data, ">u2", count, tile.offset)
        scaled = np.round(numbers * (65535 / white)).astype(np.int64)
        return scaled.reshape(picture.height, picture.width, 3)
    return np.asarray(picture) if picture.mode.startswith(("I", "F")) else None


def _of_tiff(picture: Image.Image, data: bytes, index: int) -> npt.NDArray[Any] | None:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[index]
        assert isinstance(page, tifffile.TiffPage)
        if page.dtype is None or page.dtype.itemsize == 1:
            return None
        if page.photometric not in (0, 1, 2):
            name = getattr(page.photometric, "name", page.photometric)
            raise ValueError(f"its colours are {name} of 16 bits; convert it to RGB")
        pixels = _chunky(page)
        if page.bitspersample < 16:
            pixels = np.round(pixels * (65535 / (2**page.bitspersample - 1))).astype(np.uint16)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            pixels = (1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max) - pixels
        if pixels.ndim == 3:  # a further channel may be infrared, or whatever else
            colours = 3 if page.photometric == tifffile.PHOTOMETRIC.RGB else 1
            pixels = pixels[..., : colours + (tuple(page.extrasamples[:1]) in ((1,), (2,)))]
        return _unpremultiplied(pixels) if tuple(page.extrasamples[:1]) == (1,) else pixels


def _of_jpeg2000(picture: Image.Image, data: bytes, index: int) -> npt.NDArray[Any] | None:
    bits = stored_bits(picture, picture.format, data)
    if bits <= 8:
        return None
    import imagecodecs

    # Of colours Pillow makes 8 bits by rounding up into a ninth, which is lost: white becomes black.
    return np.round(imagecodecs.jpeg2k_decode(data) * (65535 / (2**bits - 1))).astype(np.uint16)


_DECODERS = {"PNG": _of_png, "PPM": _of_ppm, "TIFF": _of_tiff, "JPEG2000": _of_jpeg2000}


def _with_transparent_colour(pixels: npt.NDArray[Any], data: bytes) -> npt.NDArray[Any]:
    colour = dict(png_chunks(data)).get(b"tRNS")
    if colour is None or (pixels.ndim == 3 and pixels.shape[2] in (2, 4)):
        return pixels
    stacked = pixels if pixels.ndim == 3 else pixels[..., None]
    hidden = (stacked == np.frombuffer(colour[: 2 * stacked.shape[2]], ">u2")).all(axis=2, keepdims=True)
    return np.concatenate([stacked, np.where(hidden, 0, 65535).astype(np.uint16)], axis=2)


def _chunky(page: tifffile.TiffPage) -> npt.NDArray[Any]:
    """The pixels of a TIFF's page, its channels last."""
    pixels = page.asarray()
    separate = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3
    return np.moveaxis(pixels, 0, -1) if separate else pixels


def _unpremultiplied(pixels: Deep) -> Deep:
    """Pixels whose colours were multiplied by their alpha, as they were before."""
    share = np.maximum(pixels[..., -1:], 1) / 65535
    colours = np.round(pixels[..., :-1] / share).clip(0, 65535).astype(np.uint16)
    return np.concatenate([colours, pixels[..., -1:]], axis=-1)


def stored_bits(picture: Image.Image, format: str | None, data: bytes) -> int:
    """The bits per channel of a picture of which 8 are read.

    Args:
        picture: The picture, whose format may be forgotten.
        format: Format of the file, as Pillow names it.
        data: Content of its file.
    """
    if format == "JPEG2000" and (place := data.find(b"\xff\x4f\xff\x51")) >= 0:
        return (data[place + 42] & 0x7F) + 1
    if format == "AVIF" and (place := data.find(b"av1C")) >= 0:
        high, twelve = data[place + 6] & 0x40, data[place + 6] & 0x20
        return (12 if twelve else 10) if high else 8
    if format == "JXL":
        import imagecodecs

        return 8 * imagecodecs.jpegxl_decode(data).dtype.itemsize if imagecodecs.JPEGXL.available else 8
    return int(picture.info.get("bit_depth", 8))


def as_16_bits(pixels: npt.NDArray[Any]) -> tuple[Deep, str]:
    """Numbers of a type that no format of pictures has as uint16, and a note on what that means.

    Raises:
        ValueError: If nobody can say which of the numbers is white.
    """
    bits, kind = 8 * pixels.dtype.itemsize, pixels.dtype.kind
    if kind == "f":
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError("its pixels are floating point numbers outside 0 to 1; convert it to 16 bits per channel")
        note = f"saved with 16 bits instead of {bits}-bit floating point numbers, 1 of which is white"
        return np.round(pixels.astype(np.float64) * 65535).astype(np.uint16), note
    largest, most = int(pixels.max()), int(np.iinfo(pixels.dtype).max)
    if kind == "i" and (pixels.min() < 0 or largest <= most // 2):
        raise ValueError("its pixels are signed numbers, of which none is known to be white; convert it to 16 bits")
    if largest < 2 ** (bits - 8):
        raise ValueError(f"its pixels have {bits} bits and use the lowest {largest.bit_length()}; convert it")
    note = f"saved with 16 bits instead of {bits}"
    if kind == "i":
        note = f"saved with 16 bits instead of {bits}-bit signed numbers, {most} of which is white"
    return np.round(pixels * (65535 / most)).astype(np.uint16), note


def tiff_of_16_bits(data: bytes, max_pixels: int | None) -> tuple[bytes, list[str]]:
    """A TIFF whose floating point, signed, 32-bit and 64-bit numbers have become 16 bits, 0 black, for Pillow to open.

    Args:
        data: Content of the file.
        max_pixels: Most pixels that the picture may have, as of `hirl_env.data.images.opened`.

    Returns:
        The file, its metadata where they were, and notes on what is not the same.

    Raises:
        ValueError: If nobody can say which of its numbers is white.
        UnreadablePicture: If it is too large.
    """
    content, notes = bytearray(data), []
    try:
        file = tifffile.TiffFile(io.BytesIO(data))
        pages = [page for page in _pages(file) if _needs_conversion(page)]
    except Exception:  # Pillow may know better, and says what is wrong if not
        return data, []
    with file:
        for page in pages:
            check_size(page.imagewidth, page.imagelength, max_pixels)
            pixels, note = _converted(page)
            notes += [note] if note and note not in notes else []
            strip = pixels.astype(f"{file.byteorder}u2").tobytes()
            content += b"\0" * (len(content) % 2)
            storage = {"BitsPerSample": 16, "SampleFormat": 1, "Compression": 1, "Predictor": 1}
            storage |= {"PlanarConfiguration": 1, "RowsPerStrip": page.imagelength}
            storage |= {"StripOffsets": len(content), "StripByteCounts": len(strip)}
            _point_to(content, page, storage | ({"PhotometricInterpretation": 1} if page.photometric == 0 else {}))
            content += strip
    return bytes(content), notes


def _converted(page: tifffile.TiffPage) -> tuple[Deep, str]:
    """The pixels of a page as 16 bits, 0 black, and a note on what that means; an empty one where they had 16 bits."""
    try:
        numbers = _chunky(page)
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from None
    pixels, note = (numbers, "") if numbers.dtype == np.uint16 else as_16_bits(numbers)
    return (65535 - pixels if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE else pixels), note


def _pages(file: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """Pages of a file, each once: in a hostile one the last points back, and tifffile makes no end of them."""
    seen: set[int] = set()
    for page in file.pages:
        if page.offset in seen:
            return
        seen.add(page.offset)
        if isinstance(page, tifffile.TiffPage):
            yield page


def _needs_conversion(page: tifffile.TiffPage) -> bool:
    if page.dtype is None:
        return False
    return page.dtype.kind in "fi" or page.dtype.itemsize > 2 or (page.bitspersample == 16 and page.photometric == 0)


def _point_to(content: bytearray, page: tifffile.TiffPage, values: dict[str, int]) -> None:
    """Sets those tags of a page that are there, each to one number."""
    kind, entry = (16, "HHQQ") if page.parent.is_bigtiff else (4, "HHII")
    for tag in page.tags:
        name = STRIPS.get(tag.name, tag.name)
        if name in values or tag.name in STRIPS:
            number = tifffile.TIFF.TAGS[name]
            struct.pack_into(
                f"{page.parent.byteorder}{entry}", content, tag.offset, number, kind, 1, values.get(name, 0)
            )
