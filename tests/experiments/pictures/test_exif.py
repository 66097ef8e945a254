"""EXIF and the tags of TIFFs: every byte of what belongs to a picture survives, whoever wrote it."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin

from hirl_experiments.pictures.encoding import encoded
from hirl_experiments.pictures.exif import HEADER, PREFIX, directory_bytes, read_directory, upright_exif
from hirl_experiments.pictures.metadata import Metadata
from hirl_experiments.pictures.reading import read_picture
from hirl_experiments.pictures.tiff import tiff_bytes
from tests.conftest import colours


class OneGigabyte(bytes):
    """Bytes that say they are many more than they are."""

    def __len__(self) -> int:
        return 2**30


TEXT = "© Müller".encode() + b"\0"
COMMENT = b"UNICODE\0G\0r\0\xfc\0"
NOTE = b"Maker\0\x01\x02 what nobody else understands"
IPTC = b"\x1c\x02\x05\0\x07A title" + b"\x1c\x02\x19\0\x03one"


def exif(order: str, orientation: int = 6) -> bytes:
    """EXIF of a camera in either byte order: texts, a comment, a note of the maker, a place and a thumbnail."""
    camera = [(0x829A, 5, 1, struct.pack(f"{order}II", 1, 250)), (0x927C, 7, len(NOTE), NOTE)]
    camera += [(0x9286, 7, len(COMMENT), COMMENT)]
    place = [(1, 2, 2, b"N\0\0\0")]
    main = [(0x0112, 3, 1, struct.pack(f"{order}HH", orientation, 0)), (0x8298, 2, len(TEXT), TEXT)]
    size = 8 + 2 + 12 * 4 + 4 + len(TEXT) + len(TEXT) % 2
    first = _folder(order, camera, size)
    second = _folder(order, place, size + len(first))
    main += [
        (0x8769, 4, 1, struct.pack(f"{order}I", size)),
        (0x8825, 4, 1, struct.pack(f"{order}I", size + len(first))),
    ]
    thumbnail = _folder(order, [(0x0103, 3, 1, struct.pack(f"{order}HH", 6, 0))], 0)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    begin = _folder(order, main, 8, after=size + len(first) + len(second))
    return PREFIX + header + begin + first + second + thumbnail


def _folder(order: str, entries: list[tuple[int, int, int, bytes]], start: int, after: int = 0) -> bytes:
    table, rest = struct.pack(f"{order}H", len(entries)), b""
    for tag, kind, count, content in entries:
        here = struct.pack(f"{order}I", start + 6 + 12 * len(entries) + len(rest))
        table += struct.pack(f"{order}HHI", tag, kind, count) + (content if len(content) == 4 else here)
        rest += b"" if len(content) == 4 else content + b"\0" * (len(content) % 2)
    return table + struct.pack(f"{order}I", after) + rest


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def again(name: str, format: str | None = None) -> tuple[bytes, list[str]]:
    found = read_picture(Path(name))
    return encoded(found, [page.pixels for page in found.pages], format)


def belongs(data: bytes) -> dict[int, bytes]:
    """What the tests put into EXIF, as it is found again."""
    main = read_directory(data)
    camera, place = main[0x8769][1], main[0x8825][1]
    return {tag: main[tag][1] for tag in (0x8298,)} | {tag: part[1] for tag, part in (camera | place).items()}


WANTED = {0x8298: TEXT, 0x829A: struct.pack("<II", 1, 250), 0x927C: NOTE, 0x9286: COMMENT, 1: b"N\0"}


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_turned_picture_keeps_every_other_byte(order):
    data, upright = exif(order), upright_exif(exif(order))
    changed = [number for number, (one, two) in enumerate(zip(data, upright, strict=True)) if one != two]
    assert len(changed) == 1 + 1, "the orientation, and where the thumbnail is"
    assert read_directory(upright)[0x0112] == (3, b"\x01\0")
    assert belongs(upright) == belongs(data) == WANTED
    assert upright_exif(data[:40]) == data[:40]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.jxl", "a.heic"])
def test_what_is_no_ascii_and_the_makers_note_survive(name, order):
    if name in ("a.jxl", "a.heic"):
        pytest.importorskip({"a.jxl": "pillow_jxl", "a.heic": "pillow_heif"}[name])
    image = Image.fromarray(colours(16, 24, 3))
    orientation = 1 if name in ("a.jxl", "a.heic") else 6
    image.save(name, exif=exif(order, orientation))
    content, notes = again(name)
    assert notes == []
    with Image.open(io.BytesIO(content)) as result:
        assert result.size == ((24, 16) if orientation == 1 else (16, 24))
        assert belongs(result.info["exif"]) == WANTED
        assert result.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_survives_a_tiff(order):
    moved = "the note of the camera's maker in its EXIF was moved, and may not be readable any more"
    Image.fromarray(colours(16, 24, 3)).save("a.jpg", exif=exif(order))
    content, notes = again("a.jpg", "TIFF")
    assert notes == [moved]
    Path("b.tif").write_bytes(content)
    assert belongs(content) == WANTED
    content, _ = again("b.tif")
    assert belongs(content) == WANTED
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        kinds = {tag.code: tag.dtype for tag in file.pages[0].tags}
        assert kinds[0x8298] == 2
    Path("c.tif").write_bytes(content)
    content, notes = again("c.tif", "JPEG")
    assert notes == [moved]
    with Image.open(io.BytesIO(content)) as result:
        assert belongs(result.info["exif"]) == WANTED


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["I", "B", 7])
def test_iptc_of_a_tiff_survives_in_tiffs_and_jpegs(order, kind):
    padded = IPTC + bytes(-len(IPTC) % 4)
    count = len(padded) // 4 if kind == "I" else len(padded)
    extra = [(33723, kind, count, padded, True), (65000, "H", 2, (513, 2), True)]
    tifffile.imwrite("a.tif", colours(16, 24, 3), photometric="rgb", byteorder=order, extratags=extra, metadata=None)
    content, notes = again("a.tif")
    assert notes == []
    with Image.open(io.BytesIO(content)) as result:
        assert IptcImagePlugin.getiptcinfo(result) == {(2, 5): b"A title", (2, 25): b"one"}
        assert result.tag_v2[65000] == (513, 2)
    content, notes = again("a.tif", "JPEG")
    assert notes == ["saved without its further TIFF tags"]
    with Image.open(io.BytesIO(content)) as result:
        assert IptcImagePlugin.getiptcinfo(result) == {(2, 5): b"A title", (2, 25): b"one"}


def test_damaged_directories_are_read_as_far_as_they_go():
    data = exif("<").removeprefix(PREFIX)
    for length in range(len(data)):
        assert set(read_directory(data[:length])) <= {0x0112, 0x8298, 0x8769, 0x8825}
    itself = bytearray(HEADER + directory_bytes({0x8769: (4, {1: (2, b"N\0")})}, 8))
    struct.pack_into("<I", itself, 18, 8)  # the folder is the directory that it lies in
    assert read_directory(bytes(itself)) == {}
    deep = b"".join(struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8 + 18 * (number + 1), 0) for number in range(3000))
    assert read_directory(HEADER + deep).keys() == {0x8769}
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            damaged[place] = rng.integers(256)
        read_directory(bytes(damaged))
        assert len(upright_exif(bytes(damaged))) == len(data)


def test_a_tiff_beyond_4_gb_is_refused_in_a_line(monkeypatch):
    monkeypatch.setattr("hirl_experiments.pictures.tiff.STRIP", 1)  # a strip for each row
    monkeypatch.setattr("hirl_experiments.pictures.tiff._compressed", lambda pixels: OneGigabyte())
    page = np.zeros((5, 4, 3), dtype=np.uint8), Metadata()
    with pytest.raises(OSError, match="a TIFF holds 4 GB at most; choose another --format"):
        tiff_bytes([page])
