"""Reads picture files with their metadata."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin, TiffImagePlugin

from hirl_env.data.images import UnreadablePicture, check_size, named_problems, opened, upright
from hirl_experiments.pictures.boxes import is_lossless_jxl
from hirl_experiments.pictures.deep import Deep, deep_pixels, stored_bits, tiff_of_16_bits
from hirl_experiments.pictures.exif import upright_exif
from hirl_experiments.pictures.formats import ALIASES, FORMATS, advice
from hirl_experiments.pictures.hidden import filled
from hirl_experiments.pictures.metadata import DAMAGE, PAGE_KIND, Metadata, read_metadata, webp_chunks

SAMPLES = 277  # tag of a TIFF: its channels
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
Pixels = npt.NDArray[np.uint8 | np.uint16]

GREY_MODES = ("1", "L", "LA", "La")
# Modes whose colour profile does not describe RGB.
OTHER_COLOURS = ("CMYK", "LAB", "HSV", "YCbCr")
TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    **{2: np.fliplr, 3: lambda pixels: np.rot90(pixels, 2), 4: np.flipud},
    **{5: lambda pixels: np.swapaxes(pixels, 0, 1), 6: lambda pixels: np.rot90(pixels, -1)},
    **{7: lambda pixels: np.rot90(np.swapaxes(pixels, 0, 1), 2), 8: lambda pixels: np.rot90(pixels, 1)},
}  # by EXIF's orientation


@dataclass(frozen=True, eq=False)
class Page:
    """A picture in a file, upright.

    Attributes:
        pixels: Pixels, uint8 or uint16, (H, W, 3) in RGB, or (H, W) where there are greys only, however they are
            stored.
        alpha: Opacity of each pixel, of the same type, (H, W); None where all are opaque.
        grey: Whether the file stores greys.
        bilevel: Whether the file stores black and white and nothing between.
        metadata: Metadata of the picture.
    """

    pixels: Pixels
    alpha: Pixels | None
    grey: bool
    bilevel: bool
    metadata: Metadata

    @cached_property
    def visible(self) -> Pixels:
        """The pixels; where they are fully transparent, visible ones mirrored at the nearest border, or white.

        (H, W) where only fully transparent ones have a colour.
        """
        return _without_colour(self.uncovered(self.pixels))

    def seen(self, pixels: Pixels) -> Pixels:
        """Pixels of this page's size and type as they look on white paper, (H, W) or (H, W, 3)."""
        if self.alpha is None:
            return pixels
        return on_white(pixels if pixels.ndim == 3 else pixels[..., None], self.alpha).reshape(pixels.shape)

    def uncovered(self, pixels: Pixels) -> Pixels:
        """Pixels of this page's size; where this page is fully transparent, the others mirrored, or white."""
        if self.alpha is None or self.alpha.shape != pixels.shape[:2]:
            return pixels
        hidden = self.alpha == 0
        if hidden.all():
            return np.full_like(pixels, np.iinfo(pixels.dtype).max)
        return filled(pixels, hidden)


def _without_colour(pixels: Pixels) -> Pixels:
    """Pixels; greys that are stored as colours, (H, W, 3), as (H, W), because they would come back tinted."""
    return pixels[..., 0] if pixels.ndim == 3 and (pixels == pixels[..., :1]).all() else pixels


def on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Pixels (H, W, channels) with an alpha of the same type, (H, W), as they look on white paper."""
    white = np.iinfo(pixels.dtype).max
    share = alpha[..., None] / white
    return np.round(pixels * share + white * (1 - share)).astype(pixels.dtype)


@dataclass(frozen=True, eq=False)
class Picture:
    """The content of a picture file.

    Attributes:
        pages: Pages; one, or several of a TIFF.
        format: Format, as Pillow names it.
        lossless: Whether the file's format, or its way of using it, loses nothing.
        subsampling: Chroma subsampling: ``4:4:4`` (none), ``4:2:2``, ``4:2:0``.
        progressive: Whether it is a progressive JPEG.
        notes: Notes on what will not be the same in the restored file.
    """

    pages: tuple[Page, ...]
    format: str
    lossless: bool
    subsampling: str
    progressive: bool
    notes: tuple[str, ...]

    def first_page(self) -> Picture:
        """This picture without its other pages."""
        return replace(self, pages=self.pages[:1])

    @property
    def pixels(self) -> Pixels:
        """Of the first page."""
        return self.pages[0].pixels


def of_pages(pages: Sequence[object]) -> str:
    """How many pages there are, in words."""
    return "1 page" if len(pages) == 1 else f"{len(pages)} pages"


def read_picture(path: Path, max_pixels: int | None = None) -> Picture:
    """Reads a file with everything that is to be kept.

    Args:
        path: File to read.
        max_pixels: Most pixels that it may have, as in `hirl_env.data.images.opened`.

    Raises:
        UnreadablePicture: If it is missing, damaged, too large, or of an unknown kind.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's name no picture; what is lost becomes a note
        try:
            return _read(path, max_pixels)
        except UnreadablePicture as error:
            raise UnreadablePicture(f"{error}{advice(path.suffix)}") from None


def _read(path: Path, max_pixels: int | None) -> Picture:
    with named_problems(path):
        data, notes = tiff_of_16_bits(path.read_bytes(), max_pixels) if _is_tiff(path) else (None, [])
    with opened(path, max_pixels, data) as picture:
        format = ALIASES.get(picture.format or "", picture.format or "")
        if format not in FORMATS:
            raise ValueError(f"its format is {picture.format}; known are: {', '.join(FORMATS)}")
        frames, data = getattr(picture, "n_frames", 1), data or path.read_bytes()
        count = frames if "pages" in FORMATS[format].holds else 1
        if frames > count:
            notes.append(f"holds {frames} pictures; only the first is restored and saved")
        pages = []
        for index in range(count):
            if index:
                picture.seek(index)
                if _is_smaller(picture):
                    notes.append("saved without its smaller pictures")
                    continue
                check_size(picture.width, picture.height, max_pixels)
            page, lost = _read_page(picture, data, index)
            pages.append(page)
            notes += lost
        progressive = bool(picture.info.get("progressive"))
        return Picture(
            tuple(pages),
            format,
            _is_lossless(format, data),
            _subsampling(picture, data),
            progressive,
            tuple(dict.fromkeys(notes)),
        )


def _is_tiff(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0")  # the last with large offsets; Pillow opens no MM of them


def _is_smaller(picture: Image.Image) -> bool:
    """Whether a further page of a TIFF shows another one smaller: a thumbnail, an overview."""
    assert isinstance(picture, TiffImagePlugin.TiffImageFile)
    kind = picture.tag_v2.get(PAGE_KIND, 0)
    return isinstance(kind, int) and bool(kind & 1)


def _subsampling(picture: Image.Image, data: bytes) -> str:
    """As of `Picture`. Of kinds that nothing here writes, nothing of the colours is to be lost."""
    number = 0
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        number = max(JpegImagePlugin.get_sampling(picture), 0)
    elif picture.format == "AVIF" and (place := data.find(b"av1C")) >= 0:
        across, down = data[place + 6] & 0x08, data[place + 6] & 0x04
        number = (2 if down else 1) if across else 0
    elif picture.format == "HEIF":
        number = {422: 1, 420: 2}.get(picture.info.get("chroma", 420), 0)
    return SUBSAMPLINGS[number]


def _is_lossless(format: str, data: bytes) -> bool:
    if format == "JXL":
        return is_lossless_jxl(data)
    return FORMATS[format].quality is None or (format == "WEBP" and _is_lossless_webp(webp_chunks(data)))


def _is_lossless_webp(chunks: Iterable[tuple[bytes, bytes]]) -> bool:
    for name, content in chunks:
        if name == b"ANMF":  # a frame of an animation, with chunks of its own
            return _is_lossless_webp(webp_chunks(content, 16))
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
    return False


def _read_page(picture: Image.Image, data: bytes, index: int) -> tuple[Page, list[str]]:
    if picture.format == "JXL" and not getattr(picture, "jpeg", False) and "exif" in picture.info:
        picture.info["exif"] = upright_exif(picture.info["exif"])  # the decoder has turned it
    orientation = _orientation(picture)  # before Pillow turns the picture and forgets it
    deep, notes = deep_pixels(picture, data, index)
    turned = upright(picture)
    metadata, lost = read_metadata(picture, turned, data, index)
    if deep is None:
        pixels, alpha, more = _shallow(turned)
        if turned.mode in OTHER_COLOURS:
            metadata = replace(metadata, icc=None)
        if (bits := stored_bits(turned, picture.format, data)) > 8:
            more.append(f"saved with 8 bits instead of {bits}")
        channels = len(picture.getbands())
    else:
        pixels, alpha, more = _split(deep)
        channels = (3 if pixels.ndim == 3 else 1) + (alpha is not None)
        if orientation in TURNS and "damaged_exif" not in turned.info:
            pixels, alpha = TURNS[orientation](pixels), None if alpha is None else TURNS[orientation](alpha)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        more += _left_out(picture.tag_v2.get(SAMPLES, 1) - channels)
    grey = pixels.ndim == 2
    pixels = _without_colour(pixels)
    alpha = None if alpha is None else np.ascontiguousarray(alpha)
    return Page(np.ascontiguousarray(pixels), alpha, grey, turned.mode == "1", metadata), [*lost, *notes, *more]


def _orientation(picture: Image.Image) -> int | None:
    try:
        return picture.getexif().get(ExifTags.Base.Orientation)
    except DAMAGE:
        return None


def _shallow(turned: Image.Image) -> tuple[Pixels, Pixels | None, list[str]]:
    """Pixels, alpha and notes of a picture as Pillow decodes it, with 8 bits."""
    mode, notes = turned.mode, []
    if mode in OTHER_COLOURS:
        turned, profile = _as_rgb(turned)
        notes.append(f"saved as RGB instead of {mode}, {profile}")
    if mode in ("P", "PA"):
        notes.append("saved with all colours instead of a palette")
    pixels = np.asarray(turned.convert("RGBA" if turned.has_transparency_data else "RGB"))
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    pixels = pixels[..., 0] if mode in GREY_MODES else pixels[..., :3]
    return pixels, alpha, notes


def _as_rgb(picture: Image.Image) -> tuple[Image.Image, str]:
    """A picture of other colours in those of screens, and by which profile."""
    if picture.mode == "CMYK" and (profile := picture.info.get("icc_profile")):
        with suppress(ImageCms.PyCMSError, OSError):
            inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            screen = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, inks, screen, outputMode="RGB")
            assert converted is not None
            return converted, "its colours as its profile says"
    return picture.convert("RGB"), "without a colour profile"


def _split(deep: Deep) -> tuple[Pixels, Pixels | None, list[str]]:
    """Colours, alpha and notes of pixels (H, W) or (H, W, channels)."""
    if deep.ndim == 2:
        return deep, None, []
    colours, rest = (3, deep.shape[2] - 3) if deep.shape[2] >= 3 else (1, deep.shape[2] - 1)
    pixels = deep[..., :3] if colours == 3 else deep[..., 0]
    return pixels, deep[..., colours] if rest else None, _left_out(rest - 1)


def _left_out(channels: int) -> list[str]:
    return [f"saved without {channels} of its channels"] if channels > 0 else []
