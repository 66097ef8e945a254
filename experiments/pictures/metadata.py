"""Metadata of a picture: EXIF, XMP, IPTC, texts, colour profile, resolution."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from PIL import ExifTags, Image, TiffImagePlugin

from hirl_experiments.pictures.boxes import boxes, jxl_boxes
from hirl_experiments.pictures.exif import (
    FOLDERS,
    IPTC_TAG,
    MAIN_TAGS,
    PREFIX,
    Directory,
    exif_bytes,
    read_directory,
    upright_exif,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"tIME")
COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
# Chunks that say how the pixels are stored, or are kept by other names.
STORAGE_CHUNKS = (
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"),
    *(b"pHYs", b"iCCP", b"eXIf"),
)
WEBP_CHUNKS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ")
XMP_KEYWORD = b"XML:com.adobe.xmp"
# Texts that hold what has chunks of its own: an old EXIF would turn the picture once more.
KEPT_ELSEWHERE = (XMP_KEYWORD, b"Raw profile type exif", b"Raw profile type APP1")
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
KNOWN_SEGMENTS = (b"JFIF", b"JFXX", b"Exif", b"http://ns.adobe.com/xap/1.0/", b"ICC_PROFILE", b"MPF", b"Adobe")
METADATA_BOXES = (b"xml ", b"uuid", b"brob", b"jumb", b"mpvd")  # of containers; EXIF's is read; mpvd is a film
SEGMENT = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")  # begins a JPEG's segment, or its end; never found within pixels
END_OF_JPEG = b"\xff\xd9"
MOST = 65_000  # bytes of a JPEG's segment
PHOTOSHOP_TAG, XMP_TAG, ICC_TAG, PAGE_KIND = 34377, 700, 34675, 254
IPTC_RESOURCE = b"8BIM\x04\x04"
# Tags of a TIFF that say how its pixels are stored, or are kept elsewhere; all others are carried over.
STORAGE_TAGS = {
    *range(254, 267),
    *(273, 274, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292, 293, 301, 317, 320, 321, *range(322, 326)),
    *(330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 342, 347, *range(512, 522), *range(529, 533), 559),
    *(XMP_TAG, ICC_TAG, IPTC_TAG, PHOTOSHOP_TAG, *FOLDERS),
    37724,
}
# Those of them that hold the picture once more, as it was before, and are left out.
FORMER_TAGS = {330: "smaller pictures", 37724: "Photoshop layers"}
DPI_TAGS = (ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit)
WORDS = {"exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "icc": "colour profile", "dpi": "resolution"} | {
    "text": "PNG texts",
    "cicp": "colour description (CICP)",
    "colour": "gamma and primaries (gAMA, cHRM)",
    "comment": "comment",
    "segments": "further JPEG segments",
    "tags": "further TIFF tags",
}


@dataclass(frozen=True)
class Metadata:
    """Metadata of a picture, without an orientation that was applied; fields are None or empty if there is none.

    Attributes:
        exif: EXIF, as a JPEG holds it.
        icc: Colour profile.
        cicp: Primaries and transfer function by ITU-T H.273, unless they are sRGB's, unknown, or told by a profile.
        xmp: XMP packet.
        iptc: Photoshop's resources (8BIM), in which a JPEG holds its IPTC.
        comment: Comment of a JPEG or a GIF.
        dpi: Pixels per inch, each way.
        text: Chunks of a PNG that hold texts and the time.
        colour: Chunks of a PNG that say what its colours mean.
        segments: Segments of a JPEG that hold extended XMP.
        tags: Tags of a TIFF that EXIF does not have, too: number, type and content in little-endian order.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    cicp: tuple[int, int] | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[bytes, bytes], ...] = ()
    colour: tuple[tuple[bytes, bytes], ...] = ()
    segments: tuple[bytes, ...] = ()
    tags: tuple[tuple[int, int, bytes], ...] = ()

    def kept_in(self, holds: frozenset[str]) -> tuple[Metadata, list[str]]:
        """The metadata that a format can hold, and the names of what is lost."""
        there = [field.name for field in fields(self) if getattr(self, field.name)]
        return self._without([name for name in there if name not in holds])

    def within(self, longest: Mapping[str, int]) -> tuple[Metadata, list[str]]:
        """The metadata within a format's limits on bytes, given by name, and the names of what is lost."""
        return self._without([name for name, most in longest.items() if len(getattr(self, name) or b"") > most])

    def _without(self, lost: list[str]) -> tuple[Metadata, list[str]]:
        nothing: dict[str, Any] = {name: () if name in _LISTS else None for name in lost}
        return replace(self, **nothing), [WORDS[name] for name in lost]


# What Pillow raises where EXIF is damaged.
DAMAGE = (struct.error, TypeError, ValueError, AttributeError, LookupError, SyntaxError)
_LISTS = ("text", "colour", "segments", "tags")


def read_metadata(picture: Image.Image, turned: Image.Image, data: bytes, index: int) -> tuple[Metadata, list[str]]:
    """Reads the metadata of a picture.

    Args:
        picture: Picture as it was opened, at the page in question.
        turned: The same picture, upright.
        data: Content of its file.
        index: Number of the page.

    Returns:
        The metadata that is kept, and notes on what is not.
    """
    info, notes = turned.info, []
    exif = _exif_of(picture, turned, data, index)
    if "damaged_exif" in info:
        notes.append("saved without its EXIF, which is damaged")
        exif = None
    found = Metadata(
        exif=exif,
        icc=info.get("icc_profile") or None,
        xmp=_xmp(info),
        comment=_comment(info.get("comment")),
        dpi=_dpi(info.get("dpi")),
    )
    if picture.format not in _READERS:
        return found, notes
    found, lost = _READERS[picture.format](picture, info, data, index, found)
    return found, notes + ([f"saved without its {lost}"] if lost else [])


def _of_jpeg(
    picture: Image.Image, info: dict[Any, Any], data: bytes, index: int, found: Metadata
) -> tuple[Metadata, str]:
    """The metadata with what only JPEGs have, and the names of what is lost; the readers below do the same."""
    segments = [(name, part) for name, part in getattr(picture, "applist", []) if name != "COM"]
    iptc = b"".join(part.removeprefix(PHOTOSHOP) for name, part in segments if name == "APP13")
    extended = tuple(part for name, part in segments if name == "APP1" and part.startswith(EXTENDED_XMP))
    if not info.get("jfif_unit") and DPI_TAGS[0] not in read_directory(found.exif or b""):
        found = replace(found, dpi=None)  # Pillow's own 72
    lost = sorted({name for name, part in segments if _unknown(name, part)})
    behind = data[_end_of_jpegs(data, getattr(picture, "n_frames", 1)) :]
    return replace(found, iptc=iptc or None, segments=extended), _listed("segments", lost, behind)


def _of_png(
    picture: Image.Image, info: dict[Any, Any], data: bytes, index: int, found: Metadata
) -> tuple[Metadata, str]:
    there = png_chunks(data)
    chunks = [chunk for chunk in there if not chunk[1].startswith(KEPT_ELSEWHERE)]
    text = tuple(chunk for chunk in chunks if chunk[0] in TEXT_CHUNKS)
    colour = tuple(chunk for chunk in chunks if chunk[0] in COLOUR_CHUNKS)
    known = {*TEXT_CHUNKS, *COLOUR_CHUNKS, *STORAGE_CHUNKS}
    lost = sorted({name.decode("latin-1") for name, _ in chunks if name not in known})
    behind = data[len(SIGNATURE) + sum(12 + len(content) for _, content in there) :]
    return replace(found, text=text, colour=colour, comment=None), _listed("chunks", lost, behind)


def _of_webp(
    picture: Image.Image, info: dict[Any, Any], data: bytes, index: int, found: Metadata
) -> tuple[Metadata, str]:
    end = 8 + int.from_bytes(data[4:8], "little")
    names = {name for name, _ in webp_chunks(data[:end]) if name not in WEBP_CHUNKS}
    return found, _listed("chunks", sorted(name.decode("latin-1").strip() for name in names), data[end:])


def _of_heif(
    picture: Image.Image, info: dict[Any, Any], data: bytes, index: int, found: Metadata
) -> tuple[Metadata, str]:
    if nclx := info.get("nclx_profile"):
        found = _with_cicp(found, nclx["color_primaries"], nclx["transfer_characteristics"])
    elif picture.format == "AVIF" and (place := data.find(b"colrnclx")) >= 0:
        found = _with_cicp(found, data[place + 9], data[place + 11])
    there = dict(boxes(data))
    further = sorted(name.split(":")[-1] for name in info.get("aux", ()))
    further += ["depth"] if info.get("depth_images") else []
    further += ["gain map"] if b"tmap" in there.get(b"ftyp", b"") else []
    lost = (_listed("further pictures", further), _listed("boxes", _lost_boxes(there)))
    return found, ", ".join(filter(None, lost))


def _with_cicp(found: Metadata, primaries: int, transfer: int) -> Metadata:
    usual = found.icc or (primaries in (1, 2) and transfer in (13, 2))  # 2: unknown
    return found if usual else replace(found, cicp=(primaries, transfer))


def _of_jxl(
    picture: Image.Image, info: dict[Any, Any], data: bytes, index: int, found: Metadata
) -> tuple[Metadata, str]:
    there = jxl_boxes(data)
    if xmp := there.pop(b"xml ", None):  # Pillow's plugin writes XMP, and does not read it
        found = replace(found, xmp=xmp)
    return found, _listed("boxes", _lost_boxes(there))


def _of_jpeg_2000(
    picture: Image.Image, info: dict[Any, Any], data: bytes, index: int, found: Metadata
) -> tuple[Metadata, str]:
    return found, _listed("boxes", _lost_boxes(dict(boxes(data))))


def _of_tiff(
    picture: Image.Image, info: dict[Any, Any], data: bytes, index: int, found: Metadata
) -> tuple[Metadata, str]:
    assert isinstance(picture, TiffImagePlugin.TiffImageFile)
    directory = read_directory(data, index)
    tags = tuple(
        (tag, kind, content)
        for tag, (kind, content) in directory.items()
        if isinstance(content, bytes)
        and (any(content) if tag == PAGE_KIND else tag not in STORAGE_TAGS and tag not in MAIN_TAGS)
    )
    if DPI_TAGS[0] not in picture.tag_v2:
        found = replace(found, dpi=None)
    lost = ", ".join(what for tag, what in FORMER_TAGS.items() if tag in directory)
    return replace(found, tags=tags, iptc=_resources(directory)), lost


# By the names that Pillow gives formats.
_READERS = {
    "JPEG": _of_jpeg,
    "MPO": _of_jpeg,
    "PNG": _of_png,
    "WEBP": _of_webp,
    "HEIF": _of_heif,
    "AVIF": _of_heif,
    "JXL": _of_jxl,
    "JPEG2000": _of_jpeg_2000,
    "TIFF": _of_tiff,
}


def _listed(kind: str, names: list[str], behind: bytes = b"") -> str:
    """Names of a kind of parts, and what lies behind the picture in its file, for a note; empty where there is none."""
    parts = [f"{kind} {', '.join(names)}"] if names else []
    parts += ["data behind the picture"] if behind.strip(b"\0") else []
    return ", ".join(parts)


def _lost_boxes(there: Mapping[bytes, bytes]) -> list[str]:
    return sorted(name.decode("latin-1").strip() for name in there if name in METADATA_BOXES)


def _resources(directory: Directory) -> bytes | None:
    """Photoshop's resources of a TIFF, with its IPTC among them."""
    resources, iptc = (directory.get(tag, (0, b""))[1] for tag in (PHOTOSHOP_TAG, IPTC_TAG))
    assert isinstance(resources, bytes) and isinstance(iptc, bytes)
    if iptc and IPTC_RESOURCE not in resources:
        resources += IPTC_RESOURCE + struct.pack(">HI", 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    return resources or None


def iptc_of(resources: bytes) -> bytes:
    """The IPTC among Photoshop's resources; empty where there is none."""
    place = 0
    while resources[place : place + 4] == b"8BIM" and place + 12 <= len(resources):
        name = 1 + resources[place + 6]
        start = place + 6 + name + name % 2 + 4
        (length,) = struct.unpack_from(">I", resources.ljust(start, b"\0"), start - 4)
        if resources.startswith(IPTC_RESOURCE, place):
            return resources[start : start + length]
        place = start + length + length % 2
    return b""


def _dpi(dpi: Any) -> tuple[float, float] | None:
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, LookupError, ZeroDivisionError):
        return None
    return (across, down) if min(across, down) > 0 and max(across, down) < 65536 else None


def _comment(comment: Any) -> bytes | None:
    return (comment if isinstance(comment, bytes) else str(comment).encode()) if comment else None


def _xmp(info: dict[Any, Any]) -> bytes | None:
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(xmp, tuple):
        xmp = xmp[0] if xmp else None
    return (xmp.encode() if isinstance(xmp, str) else xmp) or None


def _unknown(name: str, part: bytes) -> bool:
    kept = (name == "APP13" and part.startswith(PHOTOSHOP)) or part.startswith(EXTENDED_XMP)
    return not kept and not part.startswith(KNOWN_SEGMENTS)


def _exif_of(picture: Image.Image, turned: Image.Image, data: bytes, index: int) -> bytes | None:
    """The EXIF to write, without an orientation that was applied."""
    if picture.format == "TIFF":
        directory = read_directory(data, index)
        main = {tag: entry for tag, entry in directory.items() if tag in MAIN_TAGS and tag not in STORAGE_TAGS}
        main |= {tag: entry for tag, entry in directory.items() if tag in FOLDERS and isinstance(entry[1], dict)}
        return exif_bytes(main) if main else None
    try:
        own = picture.info.get("exif")
        # The bytes as they were: makers' notes and what is not ASCII do not survive being written anew.
        if own and _asks_for_no_turn(upright := upright_exif(own)):
            return upright
        exif = turned.getexif()
        return turned.info.get("exif") or (exif.tobytes() if exif else None)
    except DAMAGE:
        turned.info["damaged_exif"] = True
        return None


def _asks_for_no_turn(exif: bytes) -> bool:
    read = Image.Exif()
    read.load(exif)
    return read.get(ExifTags.Base.Orientation, 1) == 1


def _end_of_jpegs(data: bytes, count: int) -> int:
    """Where so many JPEGs, one after the other, end."""
    place = 0
    for _ in range(count):
        while (segment := SEGMENT.search(data, place)) and segment[0] != END_OF_JPEG:
            place = segment.end() + int.from_bytes(data[segment.end() : segment.end() + 2], "big")
        place = segment.end() if segment else len(data)
    return place


def webp_chunks(data: bytes, start: int = 12) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a WebP, or from ``start`` on those of a frame: name and content."""
    while start + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, start)
        yield name, data[start + 8 : start + 8 + length]
        start += 8 + length + length % 2


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, as far as it is whole: name and content."""
    chunks: list[tuple[bytes, bytes]] = []
    place = len(SIGNATURE)
    while place + 12 <= len(data) and (not chunks or chunks[-1][0] != b"IEND"):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return chunks


def with_png_chunks(data: bytes, metadata: Metadata) -> bytes:
    """A PNG with the metadata of a picture, in front of its pixels.

    Args:
        data: Content of a PNG that holds only pixels.
        metadata: Metadata to put into it.
    """
    chunks: list[tuple[bytes, bytes]] = list(metadata.colour)
    if metadata.icc:
        # A profile and sRGB exclude each other.
        chunks = [chunk for chunk in chunks if chunk[0] != b"sRGB"]
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.cicp:
        chunks.append((b"cICP", bytes((*metadata.cicp, 0, 1))))  # RGB in the full range
    if metadata.dpi:
        metres = [round(dpi / 0.0254) for dpi in metadata.dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *metres, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.removeprefix(PREFIX)))
    if metadata.xmp:
        chunks.append((b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if metadata.comment:
        chunks.append((b"tEXt", b"Comment\0" + metadata.comment.replace(b"\0", b" ")))
    chunks.extend(metadata.text)
    header = len(SIGNATURE) + 25
    return data[:header] + b"".join(_chunk(*chunk) for chunk in chunks) + data[header:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def pillow_arguments(metadata: Metadata, name: str) -> dict[str, Any]:
    """Metadata as arguments of Pillow's ``save``, for formats other than PNG and TIFF.

    Args:
        metadata: Metadata to save.
        name: Format to save in.
    """
    given: dict[str, Any] = {"exif": metadata.exif, "icc_profile": metadata.icc, "xmp": metadata.xmp}
    given |= {"dpi": metadata.dpi}
    given |= dict(zip(("color_primaries", "transfer_characteristics"), metadata.cicp or (), strict=False))
    given |= {"extra": _segments(metadata)} if name == "JPEG" else {"comment": metadata.comment}
    return {argument: value for argument, value in given.items() if value}


def _segments(metadata: Metadata) -> bytes:
    """The JPEG segments that Pillow does not write, and the comment, for which Pillow's buffer may be too small."""
    resources = metadata.iptc or b""
    parts = [(0xE1, part) for part in metadata.segments]
    parts += [(0xED, PHOTOSHOP + resources[start : start + MOST]) for start in range(0, len(resources), MOST)]
    parts += [(0xFE, metadata.comment)] if metadata.comment else []
    return b"".join(_segment(*part) for part in parts)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
