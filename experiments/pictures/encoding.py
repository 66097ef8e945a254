"""Encodes a restored picture as a file, with the metadata and transparency of the original."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hirl_env.data.images import in_8_bits
from hirl_experiments.pictures.colours import in_srgb
from hirl_experiments.pictures.exif import has_makers_note
from hirl_experiments.pictures.formats import FALLBACK, FORMATS, can_write
from hirl_experiments.pictures.metadata import (
    SIGNATURE,
    WORDS,
    Metadata,
    pillow_arguments,
    png_chunks,
    with_png_chunks,
)
from hirl_experiments.pictures.reading import Page, Picture, Pixels, on_white
from hirl_experiments.pictures.tiff import tiff_bytes

Stored = npt.NDArray[np.uint8 | np.uint16 | np.bool_]  # (H, W, channels); bool: black and white
GREY_BETWEEN, MOST_BETWEEN = 0.25, 0.1  # how far from black and white is grey; the share of it in a page of text


def saved_format(picture: Picture, wanted: str | None) -> str:
    """The format that a picture is saved in: what is wanted, else its own, else PNG."""
    return wanted or (picture.format if can_write(picture.format) else FALLBACK)


def with_pages_kept(picture: Picture, wanted: str | None) -> Picture:
    """The picture with the pages that the format it is saved in can hold, and a note if others are left out."""
    name, count = saved_format(picture, wanted), len(picture.pages)
    if count == 1 or "pages" in FORMATS[name].holds:
        return picture
    note = f"holds {count} pages; only the first is saved as {name}"
    return replace(picture.first_page(), notes=(*picture.notes, note))


def encoded(
    picture: Picture, results: Sequence[Pixels], format: str | None = None, quality: int | None = None
) -> tuple[bytes, list[str]]:
    """The file of a restored picture.

    Args:
        picture: Picture that format, transparency and metadata are taken from, with no more pages than the format can
            hold (see `with_pages_kept`).
        results: Restored pixels of each page, of the shape and type of its pixels.
        format: Format to save in. Default: the picture's, or PNG if that cannot be written.
        quality: Quality of lossy formats, 1 to 100. Default: the format's default; a lossless original is saved
            losslessly.

    Returns:
        The content of the file, and notes on what is not the same.

    Raises:
        OSError: If the format cannot hold it.
    """
    name = saved_format(picture, format)
    notes = []
    if name != picture.format and format is None:
        notes.append(f"saved as {name} instead of {picture.format}")
    drawn = []
    for page, result in zip(picture.pages, results, strict=True):
        pixels, metadata, lost = _as_saved(page, result, name, picture.format)
        drawn.append((pixels, metadata))
        notes += [note for note in lost if note not in notes]
    if name == "TIFF":
        return tiff_bytes(drawn), notes
    return _single(*drawn[0], name, picture, quality), notes


def _as_saved(page: Page, result: Pixels, name: str, before: str) -> tuple[Stored, Metadata, list[str]]:
    """A page's pixels and metadata as a format holds them, and notes on what is not the same.

    Args:
        page: Page that transparency and metadata are taken from.
        result: Restored pixels.
        name: Format to save in.
        before: Format of the original.
    """
    holds = FORMATS[name].holds
    metadata, lost = page.metadata.kept_in(holds)
    metadata, too_long = metadata.within(FORMATS[name].longest)
    pixels, notes = _stored(page, result, holds)
    if WORDS["icc"] in lost and page.metadata.icc and pixels.dtype == np.uint8:
        pixels, converted = in_srgb(pixels.astype(np.uint8), page.metadata.icc)
        notes += converted
        lost.remove(WORDS["icc"])
    if "TIFF" in (name, before) and metadata.exif and has_makers_note(metadata.exif):
        notes.append("the note of the camera's maker in its EXIF was moved, and may not be readable any more")
    if lost:
        notes.append(f"saved without its {', '.join(lost)}")
    notes += [f"saved without its {what}, which is too long" for what in too_long]
    return pixels, metadata, notes


def _single(pixels: Stored, metadata: Metadata, name: str, picture: Picture, quality: int | None) -> bytes:
    """The file of a single page in any format but TIFF."""
    if name == "PNG":
        return with_png_chunks(_png(pixels), metadata)
    if name == "PPM" and pixels.dtype == np.uint16 and pixels.shape[2] == 3:
        return b"P6\n%d %d\n65535\n" % pixels.shape[1::-1] + pixels.astype(">u2").tobytes()
    return _saved(pixels, name, _arguments(picture, name, quality) | pillow_arguments(metadata, name))


def _png(pixels: Stored) -> bytes:
    """A PNG of nothing but pixels."""
    if pixels.dtype == np.uint16:
        import imagecodecs

        return _bare_png(bytes(imagecodecs.png_encode(np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels)))
    return _bare_png(_saved(pixels, "PNG", {}))


def _arguments(picture: Picture, name: str, quality: int | None) -> dict[str, Any]:
    """How to save in a format: what Pillow's ``save`` is to be given."""
    kind = FORMATS[name]
    arguments = dict(kind.options)
    # 100 means without loss in JPEG XL, but its plugin refuses it.
    lossless = picture.lossless if quality is None else name == "JXL" and quality == 100
    if kind.lossless is not None and lossless:
        arguments |= kind.lossless
    elif kind.quality is not None:
        arguments["quality"] = quality or kind.quality
    if name == "JPEG":
        arguments |= {"subsampling": picture.subsampling, "progressive": picture.progressive}
    elif name == "AVIF":
        arguments["subsampling"] = picture.subsampling
    elif name == "HEIF":
        arguments["chroma"] = int(picture.subsampling.replace(":", ""))
    return arguments


def _stored(page: Page, result: Pixels, holds: frozenset[str]) -> tuple[Stored, list[str]]:
    """Pixels as a format that can hold this much stores them, (H, W, channels), and notes on what it cannot."""
    notes = []
    pixels = result if result.ndim == 3 else result[..., None]
    if page.bilevel:
        if page.alpha is None and "black and white" in holds and _is_black_and_white(pixels):
            return pixels >= 128, ["its greys saved as black or white, whichever is nearer"]
        notes.append("saved as greys instead of black and white")
    if pixels.shape[2] == 1 and not page.grey:
        pixels = np.repeat(pixels, 3, axis=2)
    alpha = page.alpha
    if pixels.dtype == np.uint16 and "16 bits" not in holds:
        notes.append("saved with 8 bits instead of 16")
        pixels, alpha = in_8_bits(pixels), None if alpha is None else in_8_bits(alpha)
    if alpha is None:
        return pixels, notes
    if "alpha" in holds:
        return np.concatenate([pixels, alpha[..., None]], axis=2), notes
    return on_white(pixels, alpha), [*notes, "saved on white instead of with transparency"]


def _is_black_and_white(pixels: Pixels) -> bool:
    """Whether a restored page is text; if dots have become greys, it was a dithered photograph."""
    brightness = pixels / np.iinfo(pixels.dtype).max
    between = np.minimum(brightness, 1 - brightness) > GREY_BETWEEN
    return bool(between.mean() <= MOST_BETWEEN)


def _saved(pixels: Stored, name: str, arguments: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels)
    image.save(file, format=name, **arguments)
    return file.getvalue()


def _bare_png(content: bytes) -> bytes:
    """A PNG without chunks that an encoder adds by itself."""
    kept = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    place, parts = len(SIGNATURE), [SIGNATURE]
    for name, part in png_chunks(content):
        length = len(part) + 12
        if name in kept:
            parts.append(content[place : place + length])
        place += length
    return b"".join(parts)
