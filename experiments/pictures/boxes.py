"""Boxes of JPEG 2000, JPEG XL, HEIF and AVIF, and what JPEG XL's plugin of Pillow does not read of them."""

from __future__ import annotations

import struct

CODESTREAM = b"\xff\x0a"


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """The outermost boxes of a HEIF or AVIF, or of a JPEG 2000 or JPEG XL that is a container: name and content."""
    found, place = [], 0
    while data[4:8] in (b"jP  ", b"JXL ", b"ftyp") and place + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        if length == 0:  # up to the end
            length = len(data) - place
        if length < 8:  # longer than pictures are
            break
        found.append((name, data[place + 8 : place + length]))
        place += length
    return found


def jxl_boxes(data: bytes) -> dict[bytes, bytes]:
    """The boxes of a JPEG XL, those that are compressed as they were before; damaged, as ``brob``."""
    return dict(_uncompressed(*box) for box in boxes(data))


def _uncompressed(name: bytes, content: bytes) -> tuple[bytes, bytes]:
    if name != b"brob":
        return name, content
    import imagecodecs

    try:
        return content[:4], bytes(imagecodecs.brotli_decode(content[4:]))
    except imagecodecs.BrotliError:
        return name, content


def is_lossless_jxl(data: bytes) -> bool:
    """Whether a JPEG XL has lost nothing that a JPEG had not lost before; True where that cannot be said."""
    parts = boxes(data)
    if any(name == b"jbrd" for name, _ in parts):  # it was made from a JPEG, which it can become again
        return False
    streams = [content[4:] if name == b"jxlp" else content for name, content in parts if name in (b"jxlc", b"jxlp")]
    stream = b"".join(streams) or data
    if not stream.startswith(CODESTREAM):
        return True
    return not _is_xyb(_Bits(stream[len(CODESTREAM) : 200]))


class _Bits:
    """Numbers of so many bits each, the lowest first.

    Args:
        data: Bytes that they are in.
    """

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The number in the next bits."""
        number = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return number

    def choice(self, *ways: tuple[int, int]) -> int:
        """A number in one of four ways: more bits, and what is added."""
        bits, more = ways[self.take(2)]
        return self.take(bits) + more


def _is_xyb(bits: _Bits) -> bool:
    """Whether a codestream's header names the colour space XYB, which lossy encoders use and lossless ones do not."""
    _skip_size(bits)
    if bits.take(1):  # all as by default
        return True
    if bits.take(1):  # extra fields
        bits.take(3)  # orientation
        if bits.take(1):
            _skip_size(bits)
        if bits.take(1) or bits.take(1):  # a preview, an animation
            return False
    _skip_depth(bits)
    bits.take(1)  # buffers of 16 bits suffice
    for _ in range(bits.choice((0, 0), (0, 1), (4, 2), (12, 1))):  # alpha and the like
        if not bits.take(1):
            return False  # as nobody has it by default
    return bool(bits.take(1))


def _skip_size(bits: _Bits) -> None:
    sides = ((9, 1), (13, 1), (18, 1), (30, 1))
    small = bits.take(1)
    bits.take(5) if small else bits.choice(*sides)
    if not bits.take(3):  # no usual ratio of the sides
        bits.take(5) if small else bits.choice(*sides)


def _skip_depth(bits: _Bits) -> None:
    if bits.take(1):  # floating point
        bits.choice((0, 32), (0, 16), (0, 24), (6, 1))
        bits.take(4)
    else:
        bits.choice((0, 8), (0, 10), (0, 12), (6, 1))
