"""JPEG XL: what its plugin of Pillow does not read."""

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from hirl_experiments.pictures.boxes import is_lossless_jxl, jxl_boxes
from hirl_experiments.pictures.encoding import encoded
from hirl_experiments.pictures.reading import read_picture
from tests.conftest import colours

if not imagecodecs.JPEGXL.available:
    pytest.skip("imagecodecs is without JPEG XL here", allow_module_level=True)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("shape", [(8, 8, 3), (100, 130, 3), (7, 2000, 4), (64, 64)])
def test_lossless_pictures_are_known(shape, container):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert is_lossless_jxl(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=container))
    assert not is_lossless_jxl(imagecodecs.jpegxl_encode(pixels, level=80, usecontainer=container))
    if len(shape) == 3 and shape[2] == 3:
        jpeg = imagecodecs.jpeg8_encode(pixels, level=90)
        assert not is_lossless_jxl(imagecodecs.jpegxl_encode_jpeg(jpeg)), "it was a JPEG"
    assert is_lossless_jxl(b"\xff"), "nothing is lost of what is not understood"


def test_what_was_saved_without_loss_stays_so():
    pytest.importorskip("pillow_jxl")
    Path("a.jxl").write_bytes(imagecodecs.jpegxl_encode(colours(32, 32, 3), lossless=True))
    found = read_picture(Path("a.jxl"))
    content, notes = encoded(found, [found.pixels])
    assert (imagecodecs.jpegxl_decode(content) == colours(32, 32, 3)).all()
    assert (found.notes, notes) == ((), [])


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def test_compressed_boxes_are_read_and_damaged_ones_said():
    pytest.importorskip("pillow_jxl")
    whole = imagecodecs.jpegxl_encode(colours(32, 32, 3), lossless=True, usecontainer=True)
    xmp = b"<x:xmpmeta>A title</x:xmpmeta>"
    Path("a.jxl").write_bytes(whole + box(b"brob", b"xml " + bytes(imagecodecs.brotli_encode(xmp))))
    assert jxl_boxes(Path("a.jxl").read_bytes())[b"xml "] == xmp
    found = read_picture(Path("a.jxl"))
    assert found.pages[0].metadata.xmp == xmp
    assert found.notes == ()
    Path("a.jxl").write_bytes(whole + box(b"brob", b"xml damaged"))
    assert read_picture(Path("a.jxl")).notes == ("saved without its boxes brob",)


def test_a_picture_that_the_decoder_has_turned_is_not_turned_again():
    """In a JPEG XL, EXIF's orientation says nothing: the codestream has its own, which decoders apply."""
    pytest.importorskip("pillow_jxl")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    whole = imagecodecs.jpegxl_encode(colours(16, 24, 3), lossless=True, usecontainer=True)
    Path("a.jxl").write_bytes(whole + box(b"Exif", bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0")))
    found = read_picture(Path("a.jxl"))
    assert (found.pixels == colours(16, 24, 3)).all()
    with Image.open(io.BytesIO(encoded(found, [found.pixels])[0])) as result:
        assert result.getexif()[0x010F] == "A maker"
        assert result.getexif().get(0x0112, 1) == 1
