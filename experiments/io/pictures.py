"""Picture files: reading them with all that belongs to them, and making the restored ones."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import ExifTags, Image, JpegImagePlugin
from scipy import ndimage

from hirl_env.data.images import UnreadablePicture, check_size, opened, upright
from hirl_experiments.io.formats import ALIASES, FALLBACK, FORMATS, advice, can_write
from hirl_experiments.io.metadata import (
    SIGNATURE,
    Metadata,
    pillow_arguments,
    png_chunks,
    read_metadata,
    with_png_chunks,
)
from hirl_experiments.io.tiff import tiff_bytes

Pixels = npt.NDArray[np.uint8 | np.uint16]

GREY_MODES = ("1", "L", "LA", "La")
# Modes whose colour profile does not describe RGB.
OTHER_COLOURS = ("CMYK", "LAB", "HSV", "YCbCr")
TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    **{2: np.fliplr, 3: lambda pixels: np.rot90(pixels, 2), 4: np.flipud},
    **{5: lambda pixels: np.swapaxes(pixels, 0, 1), 6: lambda pixels: np.rot90(pixels, -1)},
    **{7: lambda pixels: np.rot90(np.swapaxes(pixels, 0, 1), 2), 8: lambda pixels: np.rot90(pixels, 1)},
}  # by EXIF's orientation
INTEGERS = {"u2": 1, "u4": 2**16 + 1}  # what 16 bits are times, to be as white as the type can be


@dataclass(frozen=True, eq=False)
class Page:
    """A picture in a file, upright.

    Attributes:
        pixels: uint8 or uint16, (H, W, 3) in RGB, or (H, W) where there are greys only, however they are stored.
        alpha: Of the same type, (H, W), or None.
        grey: Whether the file stores greys.
        metadata: What belongs to it.
    """

    pixels: Pixels
    alpha: Pixels | None
    grey: bool
    metadata: Metadata

    def visible(self) -> Pixels:
        """The pixels; where they are fully transparent, the colour of the nearest that are not."""
        return self.uncovered(self.pixels)

    def uncovered(self, pixels: Pixels) -> Pixels:
        """Pixels of this page's size; where this page is fully transparent, the nearest of the others."""
        if self.alpha is None or self.alpha.shape != pixels.shape[:2]:
            return pixels
        hidden = self.alpha == 0
        if hidden.all() or not hidden.any():
            return pixels
        nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
        return pixels[tuple(nearest)]


@dataclass(frozen=True, eq=False)
class Picture:
    """What a file holds.

    Attributes:
        pages: One; several of a TIFF.
        format: As Pillow names it.
        lossless: Whether the file's format, or its way of using it, loses nothing.
        options: How it was saved, as arguments of Pillow's ``save`` in the same format.
        notes: What will not be the same in the restored file.
    """

    pages: tuple[Page, ...]
    format: str
    lossless: bool
    options: dict[str, Any]
    notes: tuple[str, ...]

    def first_page(self) -> Picture:
        """This picture without its other pages."""
        return replace(self, pages=self.pages[:1])

    @property
    def pixels(self) -> Pixels:
        """Of the first page."""
        return self.pages[0].pixels


def read_picture(path: Path, max_pixels: int | None = None) -> Picture:
    """Reads a file with all that is to be kept.

    Args:
        path: Of the file.
        max_pixels: As of `hirl_env.data.images.opened`.

    Raises:
        UnreadablePicture: If it is missing, damaged, too large, or of a kind that is not known here.
    """
    try:
        with opened(path, max_pixels) as picture:
            format = ALIASES.get(picture.format or "", picture.format or "")
            if format not in FORMATS:
                raise ValueError(f"its format is {picture.format}; known are: {', '.join(FORMATS)}")
            frames, data, notes = getattr(picture, "n_frames", 1), path.read_bytes(), []
            count = frames if "pages" in FORMATS[format].holds else 1
            if frames > count:
                notes.append(f"holds {frames} pictures; only the first is restored and saved")
            pages = []
            for index in range(count):
                if index:
                    picture.seek(index)
                    check_size(picture.width, picture.height, max_pixels)
                page, lost = _read_page(picture, data, index)
                pages.append(page)
                notes += [note for note in lost if note not in notes]
            options = _options(picture)
            lossless = FORMATS[format].quality is None or _is_lossless_webp(data)
            return Picture(tuple(pages), format, lossless, options, tuple(notes))
    except UnreadablePicture as error:
        raise UnreadablePicture(f"{error}{advice(path.suffix)}") from None


def _options(picture: Image.Image) -> dict[str, Any]:
    if not isinstance(picture, JpegImagePlugin.JpegImageFile):
        return {}
    sampling = JpegImagePlugin.get_sampling(picture)
    # Of kinds that Pillow cannot write, nothing of the colours is to be lost.
    return {"subsampling": max(sampling, 0)} | ({"progressive": True} if picture.info.get("progressive") else {})


def _is_lossless_webp(data: bytes) -> bool:
    place = 12
    while data.startswith(b"RIFF") and place + 8 <= len(data):
        name, (length,) = data[place : place + 4], struct.unpack("<I", data[place + 4 : place + 8])
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        # What frames of an animation hold lies within them.
        place += 8 + 16 if name == b"ANMF" else 8 + length + length % 2
    return False


def _read_page(picture: Image.Image, data: bytes, index: int) -> tuple[Page, list[str]]:
    orientation = _orientation(picture)  # before Pillow turns the picture and forgets it
    turned = upright(picture)
    metadata, notes = read_metadata(picture, turned, data)
    deep = _deep(picture, data, index)
    if deep is None:
        pixels, alpha, grey, said = _shallow(turned)
        if turned.mode in OTHER_COLOURS:
            metadata = Metadata(**{**vars(metadata), "icc": None})
        notes += said
    else:
        pixels, alpha, said = _split(deep)
        grey = pixels.ndim == 2
        notes += said
        if orientation in TURNS and "damaged_exif" not in turned.info:
            pixels = np.ascontiguousarray(TURNS[orientation](pixels))
            alpha = None if alpha is None else np.ascontiguousarray(TURNS[orientation](alpha))
    if (bits := turned.info.get("bit_depth", 8)) > 8 and deep is None:
        notes.append(f"saved with 8 bits instead of {bits}")
    # Greys that are stored as colours would come back tinted.
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    return Page(np.ascontiguousarray(pixels), alpha, grey, metadata), notes


def _orientation(picture: Image.Image) -> int | None:
    try:
        return picture.getexif().get(ExifTags.Base.Orientation)
    except (struct.error, TypeError, ValueError, AttributeError, LookupError, SyntaxError):
        return None  # damaged


def _shallow(turned: Image.Image) -> tuple[Pixels, Pixels | None, bool, list[str]]:
    """Pixels, alpha and notes of a picture as Pillow decodes it, with 8 bits."""
    mode, notes = turned.mode, []
    if mode in OTHER_COLOURS:
        notes.append(f"saved as RGB instead of {mode}, without a colour profile")
    if mode in ("P", "PA"):
        notes.append("saved with all colours instead of a palette")
    if mode == "1":
        notes.append("saved as greys instead of black and white")
    pixels = np.asarray(turned.convert("RGBA" if turned.has_transparency_data else "RGB"))
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    grey = mode in GREY_MODES
    pixels = pixels[..., :3]
    return pixels[..., 0] if grey else pixels, alpha, grey, notes


def _deep(picture: Image.Image, data: bytes, index: int) -> npt.NDArray[Any] | None:
    """The pixels of a picture of more than 8 bits as they are stored, (H, W) or (H, W, channels); None of others."""
    try:
        return _decoded(picture, data, index)
    except ValueError:
        raise
    except Exception as error:  # what imagecodecs and tifffile raise where a file is damaged is not documented
        raise ValueError(str(error) or type(error).__name__) from None


def _decoded(picture: Image.Image, data: bytes, index: int) -> npt.NDArray[Any] | None:
    if picture.format == "PNG" and data[24] == 16:
        import imagecodecs

        return _with_transparent_colour(imagecodecs.png_decode(data), data)
    if picture.format == "TIFF":
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[index]
            assert isinstance(page, tifffile.TiffPage)
            if page.dtype is None or (page.dtype.itemsize * 8 <= 8 and page.dtype.kind != "i"):
                return None
            pixels = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
                pixels = np.moveaxis(pixels, 0, -1)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
                pixels = np.iinfo(pixels.dtype).max - pixels
            if page.photometric not in (0, 1, 2):
                name = getattr(page.photometric, "name", page.photometric)
                raise ValueError(f"its colours are {name} of 16 bits; convert it to RGB")
            return pixels
    if picture.mode.startswith("I"):
        return np.asarray(picture).clip(0, 65535).astype(np.uint16)
    return np.asarray(picture) if picture.mode == "F" else None


def _with_transparent_colour(pixels: npt.NDArray[Any], data: bytes) -> npt.NDArray[Any]:
    colour = dict(png_chunks(data)).get(b"tRNS")
    if colour is None or (pixels.ndim == 3 and pixels.shape[2] in (2, 4)):
        return pixels
    stacked = pixels if pixels.ndim == 3 else pixels[..., None]
    hidden = (stacked == np.frombuffer(colour[: 2 * stacked.shape[2]], ">u2")).all(axis=2, keepdims=True)
    return np.concatenate([stacked, np.where(hidden, 0, 65535).astype(np.uint16)], axis=2)


def _split(deep: npt.NDArray[Any]) -> tuple[Pixels, Pixels | None, list[str]]:
    """Pixels as uint16, alpha and notes of a picture of more than 8 bits.

    Raises:
        ValueError: If nobody can say which of its numbers is white.
    """
    notes = []
    if deep.dtype.kind == "f":
        if not (np.isfinite(deep).all() and deep.min() >= 0 and deep.max() <= 1):
            raise ValueError("its pixels are floating point numbers outside 0 to 1; convert it to 16 bits per channel")
        notes.append(f"saved with 16 bits instead of {deep.dtype.itemsize * 8}-bit floating point numbers")
        deep = np.round(deep.astype(np.float64) * 65535).astype(np.uint16)
    elif deep.dtype.kind == "i":
        raise ValueError("its pixels are signed numbers, of which none is known to be white; convert it to 16 bits")
    elif deep.dtype.itemsize > 2:
        bits = deep.dtype.itemsize * 8
        if int(deep.max()) < 2 ** (bits - 8):
            raise ValueError(
                f"its pixels have {bits} bits and use the lowest {int(deep.max()).bit_length()}; convert it"
            )
        notes.append(f"saved with 16 bits instead of {bits}")
        deep = (deep >> (bits - 16)).astype(np.uint16)
    if deep.ndim == 2:
        return deep, None, notes
    colours, rest = (3, deep.shape[2] - 3) if deep.shape[2] >= 3 else (1, deep.shape[2] - 1)
    if rest > 1:
        notes.append(f"saved without {rest - 1} of its channels")
    pixels = deep[..., :3] if colours == 3 else deep[..., 0]
    return pixels, np.ascontiguousarray(deep[..., colours]) if rest else None, notes


def saved_format(picture: Picture, wanted: str | None) -> str:
    """The format that a picture is saved in: what is wanted, else its own, else PNG."""
    return wanted or (picture.format if can_write(picture.format) else FALLBACK)


def encoded(
    picture: Picture, results: Sequence[Pixels], format: str | None = None, quality: int | None = None
) -> tuple[bytes, list[str]]:
    """The file of a restored picture, with everything else of the one that it was made from.

    Args:
        picture: Where format, transparency and metadata come from.
        results: Restored pixels of each page, of the shape and type of its pixels.
        format: Another format than the picture's. Where the picture's cannot be written: PNG.
        quality: Of lossy formats, 1 to 100. Default: the format's own; nothing is lost of what has lost nothing yet.

    Returns:
        What to write, and notes on what is not the same.

    Raises:
        OSError: If the format cannot hold it.
    """
    name = saved_format(picture, format)
    kind, notes = FORMATS[name], []
    if name != picture.format and format is None:
        notes.append(f"saved as {name} instead of {picture.format}")
    pages = list(zip(picture.pages, results, strict=True))
    if len(pages) > 1 and "pages" not in kind.holds:
        notes.append(f"holds {len(pages)} pages; only the first is saved as {name}")
        pages = pages[:1]
    drawn = []
    for page, result in pages:
        metadata, lost = page.metadata.kept_in(kind.holds)
        pixels = _stored(page, result, name, notes)
        if lost and (note := f"saved without its {', '.join(lost)}") not in notes:
            notes.append(note)
        drawn.append((pixels, metadata))
    if name == "TIFF":
        return tiff_bytes(drawn), notes
    pixels, metadata = drawn[0]
    if name == "PNG":
        return with_png_chunks(_png(pixels), metadata), notes
    arguments = _arguments(picture, name, quality)
    try:
        return _saved(pixels, name, arguments | pillow_arguments(metadata)), notes
    except ValueError as error:
        if "EXIF" not in str(error):
            raise
        notes.append("saved without its EXIF, which is too long")
        return _saved(pixels, name, arguments | pillow_arguments(Metadata(**{**vars(metadata), "exif": None}))), notes


def _png(pixels: Pixels) -> bytes:
    """A PNG of nothing but pixels."""
    if pixels.dtype == np.uint16:
        import imagecodecs

        return _bare_png(bytes(imagecodecs.png_encode(np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels)))
    return _bare_png(_saved(pixels, "PNG", {}))


def _arguments(picture: Picture, name: str, quality: int | None) -> dict[str, Any]:
    """How to save in a format: what Pillow's ``save`` is to be given."""
    kind = FORMATS[name]
    arguments = dict(kind.options)
    if kind.lossless is not None and picture.lossless and quality is None:
        arguments |= kind.lossless
    elif kind.quality is not None:
        arguments["quality"] = quality or kind.quality
    if name == "JPEG":
        arguments |= {"subsampling": 0} | picture.options
    return arguments


def _stored(page: Page, result: Pixels, name: str, notes: list[str]) -> Pixels:
    """Pixels as a format stores them, (H, W, channels); adds to the notes what it cannot."""
    holds = FORMATS[name].holds
    pixels = result if result.ndim == 3 else result[..., None]
    if pixels.shape[2] == 1 and not page.grey:
        pixels = np.repeat(pixels, 3, axis=2)
    alpha = page.alpha
    if pixels.dtype == np.uint16 and "16 bits" not in holds and not (pixels.shape[2] == 1 and "16-bit greys" in holds):
        notes.append("saved with 8 bits instead of 16")
        pixels = np.round(pixels / 257).astype(np.uint8)
        alpha = None if alpha is None else np.round(alpha / 257).astype(np.uint8)
    if alpha is None:
        return pixels
    if "alpha" in holds:
        return np.concatenate([pixels, alpha[..., None]], axis=2)
    notes.append("saved on white instead of with transparency")
    white = np.iinfo(pixels.dtype).max
    share = alpha[..., None] / white
    return np.round(pixels * share + white * (1 - share)).astype(pixels.dtype)


def _saved(pixels: Pixels, name: str, arguments: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels, _mode(pixels)).save(
        file, format=name, **arguments
    )
    return file.getvalue()


def _mode(pixels: Pixels) -> str:
    return "I;16" if pixels.dtype == np.uint16 else ("L", "LA", "RGB", "RGBA")[pixels.shape[2] - 1]


def _bare_png(content: bytes) -> bytes:
    """A PNG without chunks that an encoder adds by itself."""
    kept = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    place, bare = len(SIGNATURE), SIGNATURE
    for name, part in png_chunks(content):
        length = len(part) + 12
        bare += content[place : place + length] if name in kept else b""
        place += length
    return bare
