import struct
import warnings

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from hirl_env.data.images import UnreadablePicture, mirrored, opened, read_image, rgb_to_grey, to_pixels, to_tensor


def test_grey_becomes_three_equal_channels(tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "grey.png")
    pixels = read_image(tmp_path / "grey.png")
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == np.arange(64).reshape(8, 8, 1)).all()


def test_a_file_that_may_not_be_read_is_said_to_be_that(tmp_path, monkeypatch):
    def refused(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(UnreadablePicture, match=r"a\.png: no permission to read it$"):
        read_image(tmp_path / "a.png")


def test_alpha_is_dropped(tmp_path):
    rgba = np.full((4, 5, 4), (10, 20, 30, 0), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    assert (read_image(tmp_path / "rgba.png") == (10, 20, 30)).all()


def test_palette_pictures_are_looked_up(tmp_path):
    Image.new("RGB", (4, 4), (200, 10, 60)).quantize(4).save(tmp_path / "palette.png")
    assert (read_image(tmp_path / "palette.png") == (200, 10, 60)).all()


def test_greys_of_an_unknown_range_are_refused(tmp_path):
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "float.tiff")
    with pytest.raises(UnreadablePicture, match="its pixels are floating point"):
        read_image(tmp_path / "float.tiff")


@pytest.mark.parametrize(
    ("dtype", "storage"),
    [
        (np.uint16, {"photometric": "rgb", "planarconfig": "separate"}),
        (np.uint16, {"photometric": "miniswhite"}),
        (np.uint32, {"photometric": "minisblack"}),
        (np.int16, {"photometric": "minisblack"}),
    ],
)
def test_tiffs_that_pillow_misreads_are_refused(dtype, storage, tmp_path):
    shape = (3, 8, 8) if "planarconfig" in storage else (8, 8)
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    tifffile.imwrite(tmp_path / "deep.tif", values, **storage)
    with pytest.raises(UnreadablePicture, match=r"deep.tif: .*save it as PNG"):
        read_image(tmp_path / "deep.tif")


@pytest.mark.parametrize("storage", [{"photometric": "miniswhite"}, {"photometric": "rgb", "planarconfig": "separate"}])
def test_tiffs_of_8_bits_are_read_however_they_are_stored(storage, tmp_path):
    shape = (3, 9, 7) if "planarconfig" in storage else (9, 7)
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, **storage)
    wanted = np.moveaxis(values, 0, -1) if values.ndim == 3 else np.repeat(255 - values[..., None], 3, axis=2)
    assert (read_image(tmp_path / "a.tif") == wanted).all()


def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 1, 128, 255]


def damaged_exif() -> bytes:
    """An orientation, and a width that is no number."""

    def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
        return struct.pack("<HHI", tag, kind, count) + value

    entries = entry(0x0100, 2, 2, b"a\0\0\0") + entry(0x0112, 3, 1, struct.pack("<HH", 6, 0))
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4)


def test_damaged_exif_leaves_a_picture_as_it_lies(tmp_path):
    Image.new("RGB", (20, 10), (200, 10, 60)).save(tmp_path / "picture.jpg", exif=damaged_exif())
    assert read_image(tmp_path / "picture.jpg").shape == (10, 20, 3)


def test_exif_rotation_is_applied(tmp_path):
    pixels = np.zeros((10, 20, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 6  # to be shown rotated by 90 degrees
    picture.save(tmp_path / "rotated.jpg", exif=exif)
    assert read_image(tmp_path / "rotated.jpg").shape == (20, 10, 3)


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:3000])
    for name in ("text.png", "cut.png", "absent.png"):
        with pytest.raises(UnreadablePicture, match=name):
            read_image(tmp_path / name)


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_pixels_survive_the_way_to_a_tensor_and_back(pixels):
    tensor = to_tensor(pixels)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, *pixels.shape[:2])
    assert 0 <= tensor.min() <= tensor.max() <= 1
    assert (to_pixels(tensor) == pixels).all()


def test_pixels_that_may_not_be_written_to():
    lent = np.zeros((1, 1, 3), np.uint8)
    lent.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_tensor(lent).shape == (3, 1, 1)


def test_to_pixels_rounds_and_clamps():
    assert to_pixels(torch.tensor([-0.1, 0.4 / 255, 0.6 / 255, 1.2]).view(1, 1, 4).expand(3, 1, 4))[
        0, :, 0
    ].tolist() == [0, 0, 1, 255]


def test_grey_of_colours():
    image = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5]]).T[:, None]
    grey = rgb_to_grey(image)
    assert torch.allclose(grey[0, 0], torch.tensor([0.299, 0.587 + 0.057]))
    assert torch.equal(grey[0], grey[2])
    assert torch.allclose(rgb_to_grey(grey), grey, atol=1e-6)


def test_small_pictures_are_mirrored():
    image = torch.tensor([[1.0, 2.0, 3.0]]).expand(1, 3, 1, 3)
    continued = mirrored(image, 8)
    assert continued.shape == (1, 3, 8, 8)
    assert continued[0, 0, 5].tolist() == [1, 2, 3, 3, 2, 1, 1, 2]


def test_pillows_limit_is_back_when_the_last_of_several_pictures_is_closed(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "a.png")
    limit = Image.MAX_IMAGE_PIXELS
    first, second = opened(tmp_path / "a.png"), opened(tmp_path / "a.png")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert Image.MAX_IMAGE_PIXELS is None
    second.__exit__(None, None, None)
    assert limit == Image.MAX_IMAGE_PIXELS
