"""Picture files as they are read and written again, their pixels 8 of 255 brighter."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from hirl_env.data.images import read_image
from hirl_experiments.io.finding import find_pictures
from hirl_experiments.io.pictures import encoded, read_picture
from tests.conftest import colours

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)


def _eight(pixels: np.ndarray) -> np.generic:
    """8 of 255, in the pixels' own type."""
    return pixels.dtype.type(8 * (np.iinfo(pixels.dtype).max // 255))


def brightened(path: str, pixels: np.ndarray | Image.Image, **options) -> tuple[Image.Image, tuple[str, ...]]:
    """Saves a picture, reads it, saves it brighter, and opens that; with the notes on what is not the same."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    found = read_picture(Path(path))
    content, notes = encoded(found, [page.pixels + _eight(page.pixels) for page in found.pages])
    Path(f"brighter-{path}").write_bytes(content)
    with Image.open(f"brighter-{path}") as opened, Image.open(path) as original:
        assert opened.format == original.format
        opened.load()
        return opened, (*found.notes, *notes)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.ppm", "A.PNG"])
def test_lossless_formats(name):
    result, notes = brightened(name, colours())
    assert result.mode == "RGB"
    assert (np.asarray(result) == colours() + 8).all()
    assert notes == ()


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_lossy_formats_are_saved_well(name):
    smooth = np.asarray(Image.fromarray(colours(4, 4, 3)).resize((64, 64), Image.Resampling.BICUBIC))
    result, _ = brightened(name, smooth, quality=60)
    with Image.open(name) as original:
        wanted = np.asarray(original.convert("RGB")).astype(int) + 8
    assert np.abs(np.asarray(result).astype(int) - wanted).mean() < 2


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_alpha_is_kept(name):
    options = {"lossless": True} if name == "a.webp" else {}
    result, _ = brightened(name, colours(12, 10, 4), **options)
    assert result.mode == "RGBA"
    assert (np.asarray(result)[..., 3] == colours(12, 10, 4)[..., 3]).all()
    if name != "a.webp":
        assert (np.asarray(result)[..., :3] == colours(12, 10, 4)[..., :3] + 8).all()


def test_grey_with_alpha():
    result, _ = brightened("a.png", Image.merge("LA", [Image.new("L", (5, 4), 70), Image.new("L", (5, 4), 9)]))
    assert result.mode == "LA"
    assert (np.asarray(result) == (78, 9)).all()


def test_palettes_with_and_without_transparency():
    indices = Image.fromarray(np.array([[0, 1], [2, 1]], dtype=np.uint8), "P")
    indices.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    result, notes = brightened("a.png", indices.copy())
    assert result.mode == "RGB"
    assert notes == ("saved with all colours instead of a palette",)
    assert np.asarray(result)[0].tolist() == [[18, 28, 38], [48, 58, 68]]
    result, _ = brightened("b.png", indices, transparency=bytes([255, 7, 0]))
    assert result.mode == "RGBA"
    assert np.asarray(result).tolist() == [
        [[18, 28, 38, 255], [48, 58, 68, 7]],
        [[78, 88, 98, 0], [48, 58, 68, 7]],
    ]


def test_a_transparent_colour_becomes_alpha():
    result, _ = brightened("a.png", np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8), transparency=(4, 5, 6))
    assert np.asarray(result).tolist() == [[[9, 10, 11, 255], [12, 13, 14, 0]]]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_greys_stay_grey(name):
    result, _ = brightened(name, np.full((16, 16), 60, dtype=np.uint8))
    assert result.mode == "L"
    assert (np.asarray(result) == 68).all()


def test_greys_that_are_stored_as_colours_are_read_as_greys_and_saved_as_colours():
    grey = colours(20, 24, 1)
    result, _ = brightened("a.png", np.repeat(grey, 3, axis=2))
    assert (read_picture(Path("a.png")).pixels == grey[..., 0]).all()
    assert result.mode == "RGB"
    assert (np.asarray(result) == grey + 8).all()


def test_16_bit_greys_keep_their_bits():
    values = np.array([[2571, 5140], [7710, 10280]], dtype=np.uint16)
    result, notes = brightened("a.png", values)
    assert result.mode == "I;16"
    assert (np.asarray(result) == values + 8 * 257).all()
    assert notes == ()
    brightened("b.png", values, transparency=5140)
    import imagecodecs

    assert imagecodecs.png_decode(Path("brighter-b.png").read_bytes()).tolist() == [
        [[2571 + 2056, 65535], [5140 + 2056, 0]],
        [[7710 + 2056, 65535], [10280 + 2056, 65535]],
    ]


def test_cmyk_becomes_rgb_without_its_profile():
    result, notes = brightened("a.jpg", Image.new("CMYK", (16, 16), (100, 120, 140, 20)), icc_profile=PROFILE)
    assert result.mode == "RGB"
    assert "icc_profile" not in result.info
    with Image.open("a.jpg") as original:
        wanted = np.asarray(original.convert("RGB")).astype(int) + 8
    assert np.abs(np.asarray(result) - wanted).max() <= 3
    assert notes == ("saved as RGB instead of CMYK, without a colour profile",)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_the_resolution_is_kept(name):
    result, _ = brightened(name, colours(), dpi=(300, 300))
    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_hidden_files_are_no_pictures(tmp_path):
    for name in ("a.jfif", ".b.png", "._a.jfif"):
        Image.fromarray(colours()).save(tmp_path / name, format="PNG")
    found = find_pictures([str(tmp_path)], Path("out"))
    assert list(found.files.values()) == [Path("a.jfif")]
    assert found.summary() == "2 hidden files"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_and_profile_are_kept_and_the_picture_is_upright(name):
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    exif[0x0112] = 6  # to be shown rotated by 90 degrees clockwise
    exif.get_ifd(0x8769)[0x829A] = 0.5  # exposure time
    exif.get_ifd(0x8825)[1] = "N"  # latitude
    pixels = np.repeat(np.repeat(colours(2, 3, 3), 16, axis=0), 16, axis=1)
    result, _ = brightened(name, pixels, exif=exif.tobytes(), icc_profile=PROFILE)
    assert result.size == (32, 48)
    assert result.info["icc_profile"] == PROFILE
    kept = result.getexif()
    assert kept.get(0x0112, 1) == 1
    assert kept[0x010F] == "A maker"
    assert kept.get_ifd(0x8769)[0x829A] == 0.5
    assert kept.get_ifd(0x8825)[1] == "N"
    if name in ("a.png", "a.tif"):
        assert (np.asarray(result) == np.rot90(pixels, -1) + 8).all()


def test_exif_is_not_touched_where_it_need_not_be():
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    data = exif.tobytes() + b"what no parser knows"
    result, _ = brightened("a.jpg", colours(), exif=data)
    assert result.info["exif"] == data


def test_how_a_tiff_was_stored_is_not_carried_over():
    tags = {270: "a title", 317: 2}  # 317: differences of neighbours are stored
    result, _ = brightened("a.tif", colours(40, 30, 3), compression="tiff_lzw", tiffinfo=tags)
    assert (np.asarray(result) == colours(40, 30, 3) + 8).all()
    assert result.getexif()[270] == "a title"


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_of_several_frames_the_first_is_read(name):
    frames = [Image.fromarray(colours() // divisor) for divisor in (1, 2, 3)]
    options = {"lossless": True} if name == "a.webp" else {}
    result, notes = brightened(name, frames[0], save_all=True, append_images=frames[1:], **options)
    assert getattr(result, "n_frames", 1) == 1
    assert notes == ("holds 3 pictures; only the first is restored and saved",)
    if name != "a.webp":
        assert (np.asarray(result) == colours() + 8).all()


def test_the_format_is_that_of_the_content():
    Image.fromarray(colours()).save("a.jpg", format="PNG")
    found = read_picture(Path("a.jpg"))
    Path("b.jpg").write_bytes(encoded(found, [found.pixels])[0])
    with Image.open("b.jpg") as result:
        assert result.format == found.format == "PNG"


def test_reading_agrees_with_the_reader_of_the_environment():
    Image.fromarray(colours()).save("a.jpg")
    Image.fromarray(colours()[..., 0]).save("grey.png")
    assert (read_picture(Path("a.jpg")).pixels == read_image("a.jpg")).all()
    assert (read_picture(Path("grey.png")).pixels[..., None] == read_image("grey.png")).all()
