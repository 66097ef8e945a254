"""Formats of picture files: their names, how they are written, and what they can hold in addition to pixels."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

with suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()
with suppress(ImportError):
    import pillow_jxl  # noqa: F401  (registers itself)


@dataclass(frozen=True)
class Format:
    """A format of picture files.

    Attributes:
        suffixes: Suffixes of its files, the usual one first.
        holds: Names of what it can hold in addition to pixels: the fields of
            `hirl_experiments.pictures.metadata.Metadata`, ``alpha``, ``16 bits``, ``black and white`` and ``pages``.
        quality: Default quality of lossy saving, 1 to 100; None if saving is lossless.
        lossless: Arguments of Pillow's ``save`` for lossless saving, if the format can do both.
        options: Arguments of Pillow's ``save`` in any case.
        longest: Most bytes of what it can hold, by the names in `holds`; names that are missing have no limit.
        writable: Whether results can be saved in it, if Pillow can.
    """

    suffixes: tuple[str, ...]
    holds: frozenset[str] = frozenset()
    quality: int | None = None
    lossless: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    longest: Mapping[str, int] = field(default_factory=dict)
    writable: bool = True


_CAMERA = frozenset({"exif", "icc", "xmp"})

# By the names that Pillow gives them.
FORMATS: dict[str, Format] = {
    "PNG": Format(
        (".png", ".apng"), _CAMERA | {"cicp", "comment", "dpi", "text", "colour", "alpha", "16 bits", "black and white"}
    ),
    "JPEG": Format(
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        _CAMERA | {"iptc", "comment", "dpi", "segments"},
        95,
        longest={"exif": 65_533, "xmp": 65_504, "comment": 65_533},  # a segment, less its heading
    ),
    "TIFF": Format(
        (".tif", ".tiff"), _CAMERA | {"iptc", "dpi", "tags", "alpha", "16 bits", "black and white", "pages"}
    ),
    "WEBP": Format((".webp",), _CAMERA | {"alpha"}, 95, {"lossless": True}, {"exact": True}),
    "BMP": Format((".bmp", ".dib"), frozenset({"dpi", "black and white"})),
    "PPM": Format((".ppm", ".pgm", ".pbm", ".pnm"), frozenset({"16 bits", "black and white"})),
    "AVIF": Format((".avif",), _CAMERA | {"alpha"}, 90),
    "HEIF": Format((".heic", ".heif", ".hif"), _CAMERA | {"cicp", "alpha"}, 90),
    "JXL": Format((".jxl",), frozenset({"exif", "xmp", "alpha"}), 95, {"lossless": True}),
    "JPEG2000": Format((".jp2", ".j2k", ".jpx"), frozenset({"comment", "alpha"}), longest={"comment": 65_531}),
    "TGA": Format((".tga",), frozenset({"alpha"}), None, None, {"compression": "tga_rle"}),
    "GIF": Format((".gif",), writable=False),
}
# Phones' MPO is a JPEG with further pictures behind it.
ALIASES = {"MPO": "JPEG", "DIB": "BMP"}
# What to do about formats that may be unknown here.
_EXTRA = "the extra formats reads and writes more: pip install 'hirl-restore[formats]'"
REMEDIES = {"HEIF": _EXTRA, "JXL": _EXTRA, "AVIF": "newer versions of Pillow read and write it: pip install -U pillow"}
FALLBACK = "PNG"  # in which results are saved whose own format cannot be written


def format_named(name: str) -> str:
    """The format that a user means by ``jpg``, ``jpeg`` or ``JPEG``.

    Raises:
        ValueError: If there is none of that name, or it cannot be written here.
    """
    wanted = name.lower().lstrip(".")
    for known, kind in FORMATS.items():
        if wanted == known.lower() or f".{wanted}" in kind.suffixes:
            if can_write(known):
                return known
            why = "cannot be written" + (f" here; {REMEDIES[known]}" if known in REMEDIES else "")
            raise ValueError(f"--format {name} {why}; known are: {_writable()}")
    raise ValueError(f"unknown --format {name!r}; known are: {_writable()}")


def _writable() -> str:
    return ", ".join(sorted(map(str.lower, filter(can_write, FORMATS))))


def can_write(name: str) -> bool:
    """Whether pictures can be saved in a format, which may need a plugin of Pillow."""
    Image.init()
    return FORMATS[name].writable and name in Image.SAVE


def of_suffix(suffix: str) -> str | None:
    """The format whose files have a suffix."""
    return next((name for name, kind in FORMATS.items() if suffix.lower() in kind.suffixes), None)


def advice(suffix: str) -> str:
    """What to do about a file that cannot be read, by its suffix; empty where nothing is known."""
    known = of_suffix(suffix)
    Image.init()
    return f"; {REMEDIES[known]}" if known in REMEDIES and known not in Image.OPEN else ""
