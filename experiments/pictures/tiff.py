"""Writing TIFFs: 8 and 16 bits, several pages, compressed without loss, with EXIF and all other tags.

Pillow writes all of EXIF into uncompressed TIFFs of 8 bits only, tifffile writes none.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hirl_experiments.pictures.exif import (
    FOLDERS,
    HEADER,
    IPTC_TAG,
    LONG,
    SHORT,
    Directory,
    directory_bytes,
    read_directory,
)
from hirl_experiments.pictures.metadata import ICC_TAG, PHOTOSHOP_TAG, STORAGE_TAGS, XMP_TAG, Metadata, iptc_of

BYTE, RATIONAL, UNDEFINED = 1, 5, 7  # types of tags
DEFLATE, HORIZONTAL = 8, 2  # compression, and its predictor: differences of neighbours
STRIP = 2**22  # bytes before compression


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
        directory, strips = _page(pixels, metadata)
        directory[273] = _longs(*(0 for _ in strips))
        begin = start + len(directory_bytes(directory, 0))
        if begin + sum(map(len, strips)) >= 2**32:  # offsets have 32 bits
            raise OSError("a TIFF holds 4 GB at most; choose another --format")
        if follows:
            content = content[:follows] + struct.pack("<I", start) + content[follows + 4 :]
        directory[273] = _longs(*(begin + sum(map(len, strips[:index])) for index in range(len(strips))))
        follows = start + 2 + 12 * len(directory)
        content += directory_bytes(directory, start) + b"".join(strips)
        content += b"\0" * (len(content) % 2)
    return content


def _page(pixels: npt.NDArray[np.uint8 | np.uint16 | np.bool_], metadata: Metadata) -> tuple[Directory, list[bytes]]:
    """The directory of a page, less where its strips are, and its strips."""
    if pixels.shape[2] == 2 and pixels.dtype == np.uint16:
        pixels = pixels[..., [0, 0, 0, 1]]  # Pillow opens no greys of 16 bits with alpha
    height, width, channels = pixels.shape
    rows = max(1, STRIP // max(1, pixels[0].nbytes))
    strips = [_compressed(pixels[top : top + rows]) for top in range(0, height, rows)]
    directory = _tags(metadata) | {
        **{256: _longs(width), 257: _longs(height)},
        258: _shorts(*[1 if pixels.dtype == bool else pixels.dtype.itemsize * 8] * channels),
        **{259: _shorts(DEFLATE), 317: _shorts(1 if pixels.dtype == bool else HORIZONTAL)},
        262: _shorts(2 if channels > 2 else 1),
        **{277: _shorts(channels), 278: _longs(rows), 284: _shorts(1)},
        279: _longs(*map(len, strips)),
    }
    if channels in (2, 4):
        directory[338] = _shorts(2)  # alpha, by which the colours are not multiplied
    return directory, strips


def _shorts(*numbers: int) -> tuple[int, bytes]:
    return SHORT, struct.pack(f"<{len(numbers)}H", *numbers)


def _longs(*numbers: int) -> tuple[int, bytes]:
    return LONG, struct.pack(f"<{len(numbers)}I", *numbers)


def _compressed(pixels: npt.NDArray[np.uint8 | np.uint16 | np.bool_]) -> bytes:
    if pixels.dtype == bool:
        return zlib.compress(np.packbits(pixels[..., 0], axis=1).tobytes(), 9)
    differences = pixels.copy()
    differences[:, 1:] -= pixels[:, :-1]
    return zlib.compress(differences.astype(pixels.dtype.newbyteorder("<")).tobytes(), 6)


def _tags(metadata: Metadata) -> Directory:
    """What belongs to a picture as a directory."""
    tags = {} if metadata.exif is None else read_directory(metadata.exif)
    tags = {tag: entry for tag, entry in tags.items() if tag in FOLDERS or tag not in STORAGE_TAGS}
    tags |= {tag: (kind, content) for tag, kind, content in metadata.tags}
    if metadata.dpi:
        across, down = ((RATIONAL, struct.pack("<II", round(dpi * 1000), 1000)) for dpi in metadata.dpi)
        tags |= {282: across, 283: down, 296: _shorts(2)}
    iptc = iptc_of(metadata.iptc or b"")
    for tag, content in (
        (XMP_TAG, metadata.xmp),
        (PHOTOSHOP_TAG, metadata.iptc),
        (IPTC_TAG, iptc),  # once more, for readers that know no resources
        (ICC_TAG, metadata.icc),
    ):
        if content:
            tags[tag] = (BYTE if tag == XMP_TAG else UNDEFINED, content)
    return tags
