"""EXIF and the directories of TIFFs as bytes, so that unknown entries survive, too.

Pillow reads directories into values and guesses types when it writes them: texts lose non-ASCII characters, undefined
bytes become numbers, and if one value is expected, only the first of several is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TypeAlias

from PIL import ExifTags

Directory: TypeAlias = "dict[int, tuple[int, bytes | Directory]]"  # number: type, and content in little-endian order

PREFIX = b"Exif\0\0"
HEADER = b"II*\0\x08\0\0\0"
# Bytes of the numbers that a type consists of, and of one value.
UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
SIZES = UNITS | {5: 8, 10: 8}
SHORT, LONG = 3, 4
FOLDERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)
DEPTH = 3  # of directories in directories: the first, that of the camera, and that of interoperability
ORIENTATION, IPTC_TAG, MAKER_NOTE = ExifTags.Base.Orientation, 33723, ExifTags.Base.MakerNote
# Tags that cameras write into the first directory in addition to those of TIFF 6: copyright, ratings, Windows' texts.
MAIN_TAGS = {*(tag for tag in ExifTags.TAGS if tag < 18000), 18246, 18249, 33432, *range(40091, 40096)}


def read_directory(data: bytes, index: int = 0) -> Directory:
    """A directory of a TIFF or of EXIF, less what is damaged.

    Args:
        data: Content from the header on, ``II`` or ``MM``; of EXIF with its prefix or without.
        index: Number of the page.
    """
    data = data.removeprefix(PREFIX)
    order = _order(data)
    try:
        place = _begin(data, order)
        for _ in range(index):
            place = _entries(data, place, order)[1]
        return _read(data, place, order, set())
    except struct.error:
        return {}


def exif_bytes(directory: Directory) -> bytes:
    """EXIF as of a JPEG."""
    return PREFIX + HEADER + directory_bytes(directory, len(HEADER))


def directory_bytes(directory: Directory, start: int) -> bytes:
    """A directory and all that it points to, as it stands ``start`` bytes after a little-endian header."""
    table, rest = struct.pack("<H", len(directory)), b""
    end = start + 2 + 12 * len(directory) + 4
    for tag, (kind, content) in sorted(directory.items()):
        here = end + len(rest)
        if isinstance(content, dict):
            table += struct.pack("<HHII", tag, LONG, 1, here)
            rest += directory_bytes(content, here)
        elif len(content) <= 4:
            table += struct.pack("<HHI", tag, kind, len(content) // SIZES[kind]) + content.ljust(4, b"\0")
        else:
            table += struct.pack("<HHII", tag, kind, len(content) // SIZES[kind], here)
            rest += content + b"\0" * (len(content) % 2)
    return table + bytes(4) + rest


def upright_exif(exif: bytes) -> bytes:
    """EXIF without a rotation, every other byte where it was; a thumbnail, which would be rotated, is left out.

    Args:
        exif: EXIF with or without its prefix; if damaged, it is returned unchanged.
    """
    start = len(PREFIX) if exif.startswith(PREFIX) else 0
    data, order = bytearray(exif), _order(exif[start:])
    try:
        entries, _ = _entries(exif[start:], begin := _begin(exif[start:], order), order)
        for number, (tag, kind, _, _) in enumerate(entries):
            if tag == ORIENTATION and kind in (SHORT, LONG):
                value = start + begin + 2 + 12 * number + 8
                struct.pack_into(f"{order}{'H' if kind == SHORT else 'I'}", data, value, 1)
                struct.pack_into(f"{order}I", data, start + begin + 2 + 12 * len(entries), 0)
    except struct.error:
        return exif
    return bytes(data)


def has_makers_note(exif: bytes) -> bool:
    """Whether a camera's maker left a note, which often counts bytes from the beginning of the file."""
    _, camera = read_directory(exif).get(ExifTags.IFD.Exif, (0, b""))
    return isinstance(camera, Mapping) and MAKER_NOTE in camera


def _order(data: bytes) -> str:
    return ">" if data.startswith(b"MM") else "<"


def _is_big(data: bytes, order: str) -> bool:
    return data[2:4] == struct.pack(f"{order}H", 43)


def _begin(data: bytes, order: str) -> int:
    return int(struct.unpack_from(f"{order}{'Q' if (big := _is_big(data, order)) else 'I'}", data, 8 if big else 4)[0])


def _entries(data: bytes, place: int, order: str) -> tuple[list[tuple[int, int, int, int]], int]:
    """Number, type, count and place of the content of each entry of a directory, and where the next directory is."""
    count_as, entry_as, room = ("Q", "HHQ", 8) if _is_big(data, order) else ("H", "HHI", 4)
    (count,) = struct.unpack_from(f"{order}{count_as}", data, place)
    place += struct.calcsize(f"={count_as}")
    head = struct.calcsize(f"={entry_as}")
    entries = []
    for _ in range(count):
        tag, kind, values = struct.unpack_from(f"{order}{entry_as}", data, place)
        inline = values * SIZES.get(kind, 1) <= room
        where = place + head
        if not inline:
            (where,) = struct.unpack_from(f"{order}{'Q' if room == 8 else 'I'}", data, where)
        entries.append((tag, kind, values, where))
        place += head + room
    return entries, int(struct.unpack_from(f"{order}{'Q' if room == 8 else 'I'}", data, place)[0])


def _read(data: bytes, place: int, order: str, seen: set[int], depth: int = 1) -> Directory:
    directory: Directory = {}
    seen.add(place)
    for tag, kind, count, where in _entries(data, place, order)[0]:
        content = data[where : where + count * SIZES.get(kind, 0)]
        if not content or len(content) < count * SIZES[kind]:
            continue
        # Of IPTC only the name says that it is numbers.
        content = content if order == "<" or tag == IPTC_TAG else _swapped(content, UNITS[kind])
        if tag not in FOLDERS:
            directory[tag] = (kind, content)
        elif len(content) == 4 and (below := int.from_bytes(content, "little")) not in seen and depth < DEPTH:
            try:
                directory[tag] = (LONG, _read(data, below, order, seen, depth + 1))
            except struct.error:
                continue
    return directory


def _swapped(content: bytes, unit: int) -> bytes:
    return b"".join(content[place : place + unit][::-1] for place in range(0, len(content), unit))
