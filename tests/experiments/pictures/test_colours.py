"""Formats that hold no colour profile: the colours look as they did."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from hirl_experiments.pictures.encoding import encoded
from hirl_experiments.pictures.reading import read_picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_red(*xyz: float) -> bytes:
    """The profile sRGB with another red."""
    profile = bytearray(SRGB)
    for number in range(struct.unpack_from(">I", profile, 128)[0]):
        name, place, _ = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if name == b"rXYZ":
            struct.pack_into(">3i", profile, place + 8, *(round(value * 65536) for value in xyz))
    return bytes(profile)


def saved(pixels: np.ndarray, profile: bytes, format: str, tmp_path: Path) -> tuple[Image.Image, list[str]]:
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    found = read_picture(tmp_path / "a.png")
    content, notes = encoded(found, [found.pixels], format)
    return Image.open(io.BytesIO(content)), notes


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("format", ["BMP", "PPM", "TGA", "JPEG2000"])
def test_colours_by_a_profile_become_those_of_screens(format, alpha, tmp_path):
    pixels = np.full((8, 8, 4), (0, 200, 100, 255), dtype=np.uint8)
    pixels[4:] = (200, 10, 30, 255)
    profile = with_red(0.3, 0.15, 0.01)
    result, notes = saved(pixels if alpha else pixels[..., :3], profile, format, tmp_path)
    assert "saved in sRGB instead of by its colour profile" in notes
    wanted = ImageCms.profileToProfile(
        Image.fromarray(pixels[..., :3]), io.BytesIO(profile), ImageCms.createProfile("sRGB")
    )
    assert (np.asarray(result)[..., :3] == np.asarray(wanted)).all()
    assert np.abs(np.asarray(result)[7, 7, :3].astype(int) - pixels[7, 7, :3]).max() > 20


def test_what_is_in_srgb_stays_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    result, notes = saved(pixels, SRGB, "BMP", tmp_path)
    assert (np.asarray(result) == pixels).all()
    assert notes == []


def test_a_profile_that_cannot_be_read_is_said(tmp_path):
    result, notes = saved(np.full((8, 8), 90, dtype=np.uint8), b"no profile" * 20, "BMP", tmp_path)
    assert (np.asarray(result) == 90).all()
    assert notes == ["saved without its colour profile, which cannot be read"]


@pytest.mark.parametrize("format", ["BMP", "TGA"])
def test_a_profile_of_colours_on_greys_is_said_to_be_that(format, tmp_path):
    result, notes = saved(np.full((8, 8), 90, dtype=np.uint8), SRGB, format, tmp_path)
    assert (np.asarray(result) == 90).all()
    assert notes == ["saved without its colour profile, which is not one of greys"]
