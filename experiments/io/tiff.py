"""Writing TIFFs: 8 and 16 bits, several pages, compressed without loss, with EXIF and all other tags.

Pillow writes all of EXIF into uncompressed TIFFs of 8 bits only, tifffile writes none. Pillow's directories are used.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin, TiffTags

from hirl_experiments.io.metadata import EXIF_FOLDERS, ICC_TAG, PHOTOSHOP_TAG, XMP_TAG, Metadata

DEFLATE, HORIZONTAL = 8, 2  # compression, and its predictor: differences of neighbours
STRIP = 2**22  # bytes before compression
HEADER = b"II*\0\x08\0\0\0"


def tiff_bytes(pages: Sequence[tuple[npt.NDArray[np.uint8 | np.uint16 | np.bool_], Metadata]]) -> bytes:
    """A TIFF.

    Args:
        pages: Pixels of each, uint8 or uint16, (H, W, channels) of 1 to 4 (2 and 4 with alpha), or bool, (H, W, 1), of
            which True is white; and what belongs to it.

    Raises:
        OSError: If it grows beyond 4 GB, which a TIFF cannot hold.
    """
    content, follows = HEADER, 0
    for pixels, metadata in pages:
        start = len(content)
        if follows:
            content = content[:follows] + struct.pack("<I", start) + content[follows + 4 :]
        directory, strips = _page(pixels, metadata)
        follows = start + 2 + 12 * len(directory)
        content += directory.tobytes(start) + strips
        content += b"\0" * (len(content) % 2)
        if len(content) >= 2**32:
            raise OSError("a TIFF holds 4 GB at most; choose another --format")
    return content


def _page(
    pixels: npt.NDArray[np.uint8 | np.uint16 | np.bool_], metadata: Metadata
) -> tuple[TiffImagePlugin.ImageFileDirectory_v2, bytes]:
    height, width, channels = pixels.shape
    rows = max(1, STRIP // max(1, pixels[0].nbytes))
    strips = [_compressed(pixels[top : top + rows]) for top in range(0, height, rows)]
    places = np.cumsum([0, *map(len, strips)])[:-1]
    directory = TiffImagePlugin.ImageFileDirectory_v2(HEADER)
    for tag, kind, value in _tags(metadata):
        directory.tagtype[tag] = kind
        directory[tag] = value
    storage: dict[int, tuple[int, int | tuple[int, ...]]] = {
        **{256: (TiffTags.LONG, width), 257: (TiffTags.LONG, height)},
        258: (TiffTags.SHORT, (1 if pixels.dtype == bool else pixels.dtype.itemsize * 8,) * channels),
        **{259: (TiffTags.SHORT, DEFLATE), 317: (TiffTags.SHORT, 1 if pixels.dtype == bool else HORIZONTAL)},
        262: (TiffTags.SHORT, 2 if channels > 2 else 1),
        273: (TiffTags.LONG, tuple(int(place) for place in places)),
        **{277: (TiffTags.SHORT, channels), 278: (TiffTags.LONG, rows), 284: (TiffTags.SHORT, 1)},
        279: (TiffTags.LONG, tuple(map(len, strips))),
    }
    if channels in (2, 4):
        storage[338] = (TiffTags.SHORT, 2)  # alpha, by which the colours are not multiplied
    for tag, (kind, number) in storage.items():
        directory.tagtype[tag] = kind
        directory[tag] = number
    return directory, b"".join(strips)


def _compressed(pixels: npt.NDArray[np.uint8 | np.uint16 | np.bool_]) -> bytes:
    if pixels.dtype == bool:
        return zlib.compress(np.packbits(pixels[..., 0], axis=1).tobytes(), 9)
    differences = pixels.copy()
    differences[:, 1:] -= pixels[:, :-1]
    return zlib.compress(differences.astype(pixels.dtype.newbyteorder("<")).tobytes(), 6)


def _tags(metadata: Metadata) -> list[tuple[int, int, object]]:
    """What belongs to a picture as tags: number, type and value."""
    tags: dict[int, tuple[int, object]] = {}
    if metadata.exif:
        exif = Image.Exif()
        exif.load(metadata.exif)
        for tag, value in exif.items():
            known = TiffTags.lookup(tag)
            if tag not in EXIF_FOLDERS and known.type is not None:
                tags[tag] = (known.type, value)
        for folder in EXIF_FOLDERS:
            if values := exif.get_ifd(folder):
                tags[folder] = (TiffTags.LONG, dict(values))
    tags |= {tag: (kind, value) for tag, kind, value in metadata.tags}
    if metadata.dpi:
        across, down = (TiffImagePlugin.IFDRational(round(dpi * 1000), 1000) for dpi in metadata.dpi)
        tags |= {282: (TiffTags.RATIONAL, across), 283: (TiffTags.RATIONAL, down), 296: (TiffTags.SHORT, 2)}
    for tag, content in ((XMP_TAG, metadata.xmp), (PHOTOSHOP_TAG, metadata.iptc), (ICC_TAG, metadata.icc)):
        if content:
            tags[tag] = (TiffTags.BYTE if tag == XMP_TAG else TiffTags.UNDEFINED, content)
    return [(tag, kind, value) for tag, (kind, value) in tags.items()]
