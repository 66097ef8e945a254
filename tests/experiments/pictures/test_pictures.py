"""Picture files as they are read and written again, their pixels 8 of 255 brighter."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, ImageDraw, IptcImagePlugin, JpegImagePlugin, PngImagePlugin
from scipy import ndimage

from hirl_env.data.images import UnreadablePicture, read_image
from hirl_experiments.pictures.encoding import encoded
from hirl_experiments.pictures.metadata import png_chunks
from hirl_experiments.pictures.reading import read_picture
from hirl_experiments.restoring.finding import find_pictures
from hirl_experiments.restoring.one_picture import covered
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


def profile_of_inks() -> bytes:
    """A colour profile of inks that are all invisible but the black one, whose share L* falls with."""
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table += bytes(range(256)) * 4 + bytes((255, 128, 128, 0, 128, 128)) * 8 + bytes(range(256)) * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"x" + bytes(80)
    parts, place = [], 128 + 4 + 12 * 3
    for name, content in ((b"A2B0", table), (b"wtpt", white), (b"desc", text)):
        parts.append((name, place, content + bytes(-len(content) % 4)))
        place += len(parts[-1][2])
    header = struct.pack(">I4sI4s4s4s", place, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ") + bytes(12) + b"acsp"
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    tags = b"".join(struct.pack(">4sII", name, at, len(content)) for name, at, content in parts)
    return header.ljust(128, b"\0") + struct.pack(">I", 3) + tags + b"".join(content for _, _, content in parts)


def test_cmyk_becomes_rgb_by_its_profile():
    result, notes = brightened("a.jpg", Image.new("CMYK", (16, 16), (100, 120, 140, 20)), icc_profile=profile_of_inks())
    assert np.abs(np.asarray(result).astype(int) - (232 + 8)).max() <= 3, "L* of 92"
    assert "icc_profile" not in result.info
    assert notes == ("saved as RGB instead of CMYK, its colours as its profile says",)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_the_resolution_is_kept(name):
    result, _ = brightened(name, colours(), dpi=(300, 300))
    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_hidden_files_are_no_pictures(tmp_path):
    for name in ("a.jfif", ".b.png", "._a.jfif"):
        Image.fromarray(colours()).save(tmp_path / name, format="PNG")
    found = find_pictures([str(tmp_path)], Path("out"))
    assert list(found.files.values()) == [Path("a.jfif")]
    assert found.summary() == "hidden files (2)"


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


def saved_again(path: str, format: str | None = None) -> tuple[bytes, tuple[str, ...]]:
    """The file of a picture with which nothing was done, and the notes."""
    found = read_picture(Path(path))
    content, notes = encoded(found, [page.pixels for page in found.pages], format)
    return content, (*found.notes, *notes)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:li>A title</rdf:li></x:xmpmeta>'
IPTC = b"8BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02\x05\0\x07A title"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif", "a.jxl"])
def test_xmp_is_kept(name):
    if name == "a.jxl":
        pytest.importorskip("pillow_jxl")
    if name == "a.avif" and ".avif" not in Image.registered_extensions():
        pytest.skip("this version of Pillow knows no AVIF")
    image = Image.fromarray(colours(16, 16, 3))
    if name == "a.png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        image.save(name, pnginfo=info)
    elif name == "a.tif":
        image.save(name, tiffinfo={700: XMP})
    else:
        image.save(name, xmp=XMP)
    content, notes = saved_again(name)
    Path(f"again-{name}").write_bytes(content)
    assert read_picture(Path(f"again-{name}")).pages[0].metadata.xmp == XMP
    if name != "a.jxl":  # which Pillow does not read
        with Image.open(io.BytesIO(content)) as result:
            assert (result.info.get("xmp") or result.info["XML:com.adobe.xmp"].encode()) == XMP
    assert notes == ()


def with_much_of(kind: str) -> Path:
    """A picture with 70 kB of EXIF, XMP, or a comment."""
    image, much = Image.fromarray(colours(16, 16, 3)), b"x" * 70_000
    if kind == "EXIF":
        exif = Image.Exif()
        exif[ExifTags.Base.ImageDescription] = much.decode()
        image.save("a.png", exif=exif)
        return Path("a.png")
    if kind == "XMP":
        image.save("a.tif", tiffinfo={700: much})
        return Path("a.tif")
    image.save("a.gif", comment=much)
    return Path("a.gif")


@pytest.mark.parametrize(
    ("kind", "format"), [("EXIF", "JPEG"), ("XMP", "JPEG"), ("comment", "JPEG"), ("comment", "JPEG2000")]
)
def test_what_is_too_long_for_a_format_is_left_out_and_said(kind, format):
    found = read_picture(with_much_of(kind))
    content, notes = encoded(found, [page.pixels for page in found.pages], format)
    assert f"saved without its {kind}, which is too long" in notes
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        assert "x" * 100 not in str(opened.info)


def test_what_fits_each_for_itself_fits_together():
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 60_000
    image = Image.fromarray(colours(16, 16, 3))
    extra = b"\xff\xfe" + (60_002).to_bytes(2, "big") + b"y" * 60_000
    image.save("a.jpg", exif=exif, xmp=b"z" * 60_000, extra=extra)
    content, notes = saved_again("a.jpg")
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.info["comment"] == b"y" * 60_000
        assert opened.info["xmp"] == b"z" * 60_000
        assert opened.getexif()[ExifTags.Base.ImageDescription] == "x" * 60_000
    assert notes == ()


def test_iptc_comment_and_subsampling_of_a_jpeg_are_kept():
    segment = b"Photoshop 3.0\0" + IPTC
    extra = b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment
    Image.fromarray(colours(32, 32, 3)).save("a.jpg", extra=extra, comment=b"hello", subsampling=2, progressive=True)
    content, notes = saved_again("a.jpg")
    with Image.open(io.BytesIO(content)) as result, Image.open("a.jpg") as original:
        assert IptcImagePlugin.getiptcinfo(result) == IptcImagePlugin.getiptcinfo(original) == {(2, 5): b"A title"}
        assert result.info["comment"] == b"hello"
        assert result.info["progressive"]
        assert JpegImagePlugin.get_sampling(result) == 2
    assert notes == ()
    Path("a.tif").write_bytes(saved_again("a.jpg", "TIFF")[0])
    with Image.open(io.BytesIO(saved_again("a.tif", "JPEG")[0])) as result:
        assert IptcImagePlugin.getiptcinfo(result) == {(2, 5): b"A title"}, "through another format, too"


@pytest.mark.parametrize(("name", "given"), [("a.avif", "subsampling"), ("a.heic", "chroma")])
def test_colours_are_as_fine_as_they_were(name, given):
    pytest.importorskip("pillow_heif")
    if ".avif" not in Image.registered_extensions():
        pytest.skip("this version of Pillow knows no AVIF")
    for sampling in ("4:4:4", "4:2:0"):
        value = sampling if given == "subsampling" else int(sampling.replace(":", ""))
        Image.fromarray(colours(32, 32, 3)).save(name, **{given: value})
        assert read_picture(Path(name)).subsampling == sampling
        Path(f"again-{name}").write_bytes(saved_again(name)[0])
        assert read_picture(Path(f"again-{name}")).subsampling == sampling
    Image.fromarray(colours(32, 32, 3)).save("a.png")
    Path(name).write_bytes(saved_again("a.png", "AVIF" if name == "a.avif" else "HEIF")[0])
    assert read_picture(Path(name)).subsampling == "4:4:4", "a PNG has all of them"


def test_no_resolution_is_made_up():
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    Image.fromarray(colours(16, 16, 3)).save("a.jpg", exif=exif.tobytes())
    assert "dpi" in Image.open("a.jpg").info, "of Pillow's own"
    assert read_picture(Path("a.jpg")).pages[0].metadata.dpi is None
    exif[0x011A], exif[0x011B], exif[0x0128] = 300, 300, 2
    Image.fromarray(colours(16, 16, 3)).save("a.jpg", exif=exif.tobytes())
    assert read_picture(Path("a.jpg")).pages[0].metadata.dpi == (300, 300)


def test_texts_and_colours_of_a_png_are_kept():
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "of no matter")
    info.add_itxt("Author", "Ä", "de", "Autor")
    info.add_text("Long", "x" * 500, zip=True)
    gamma, primaries = (45455).to_bytes(4, "big"), bytes(range(32))
    info.add(b"gAMA", gamma)
    info.add(b"cHRM", primaries)
    Image.fromarray(colours()).save("a.png", pnginfo=info)
    content, notes = saved_again("a.png")
    chunks = png_chunks(content)
    assert (b"gAMA", gamma) in chunks
    assert (b"cHRM", primaries) in chunks
    with Image.open(io.BytesIO(content)) as result:
        assert result.text == {"Title": "of no matter", "Author": "Ä", "Long": "x" * 500}
    assert notes == ()
    assert saved_again("a.png", "JPEG")[1] == ("saved without its PNG texts, gamma and primaries (gAMA, cHRM)",)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_are_kept(name, channels):
    pytest.importorskip("imagecodecs")
    values = np.random.default_rng(0).integers(0, 60_000, (9, 7, channels), dtype=np.uint16).squeeze()
    if name == "a.png":
        import imagecodecs

        Path(name).write_bytes(imagecodecs.png_encode(values))
    else:
        tifffile.imwrite(name, values, photometric="rgb" if channels > 1 else "minisblack", compression="zlib")
    colour = values if channels == 1 else values[..., :3]
    content, notes = saved_again(name)
    Path(f"again-{name}").write_bytes(content)
    assert notes == ()
    assert (read_picture(Path(f"again-{name}")).pixels == colour).all()
    other = "TIFF" if name == "a.png" else "PNG"
    Path("other").write_bytes(saved_again(name, other)[0])
    again = read_picture(Path("other")).pages[0]
    assert again.pixels.dtype == np.uint16
    assert (again.pixels == colour).all()
    if channels == 4:
        assert again.alpha is not None
        assert (again.alpha == values[..., 3]).all()
    assert saved_again(name, "JPEG")[1][0] == "saved with 8 bits instead of 16"


def test_16_bits_are_turned_upright():
    values = np.random.default_rng(0).integers(0, 60_000, (9, 7, 3), dtype=np.uint16)
    tifffile.imwrite("a.tif", values, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    assert (read_picture(Path("a.tif")).pixels == np.rot90(values, -1)).all()


def ramp(channels: int) -> np.ndarray:
    """From 0 to 1, (9, 7, channels) or (9, 7)."""
    return np.linspace(0, 1, 63 * channels).reshape(9, 7, channels).squeeze()


@pytest.mark.parametrize(
    ("dtype", "white", "note"),
    [
        (np.uint32, 2**32 - 1, "saved with 16 bits instead of 32"),
        (np.float32, 1, "saved with 16 bits instead of 32-bit floating point numbers, 1 of which is white"),
        (np.float16, 1, "saved with 16 bits instead of 16-bit floating point numbers, 1 of which is white"),
        (np.int16, 32767, "saved with 16 bits instead of 16-bit signed numbers, 32767 of which is white"),
    ],
)
@pytest.mark.parametrize(
    ("channels", "storage"),
    [
        (1, {}),
        (1, {"photometric": "miniswhite", "byteorder": ">"}),
        (3, {"photometric": "rgb", "compression": "zlib", "predictor": True}),
        (3, {"photometric": "rgb", "planarconfig": "separate"}),
        (4, {"photometric": "rgb", "tile": (16, 16), "extrasamples": ["unassalpha"]}),
    ],
)
def test_tiffs_of_other_numbers_are_restored_with_16_bits(dtype, white, note, channels, storage):
    numbers = (ramp(channels) * white).astype(dtype)
    wanted = ramp(channels) * 65535
    if storage.get("photometric") == "miniswhite":
        wanted = 65535 - wanted
    if "planarconfig" in storage:
        numbers = np.moveaxis(numbers, -1, 0)
    tifffile.imwrite("a.tif", numbers, description="a title", resolution=(300, 300), metadata=None, **storage)
    content, notes = saved_again("a.tif")
    assert notes == (note,)
    Path("again.tif").write_bytes(content)
    for name in ("a.tif", "again.tif"):
        page = read_picture(Path(name)).pages[0]
        assert page.pixels.dtype == np.uint16
        deep = page.pixels if page.alpha is None else np.dstack([page.pixels, page.alpha])
        assert np.abs(deep - wanted).max() < (20 if dtype is np.float16 else 3)
    with Image.open("again.tif") as again:
        assert again.tag_v2[270] == "a title"
        assert again.info["dpi"] == (300, 300)


@pytest.mark.parametrize("storage", [{}, {"tile": (16, 16)}])
@pytest.mark.parametrize(("dtype", "white"), [(np.uint32, 2**32 - 1), (np.int16, 32767), (np.float32, 1)])
def test_so_are_those_with_large_offsets(dtype, white, storage):
    numbers = (ramp(3) * white).astype(dtype)
    tifffile.imwrite("a.tif", numbers, photometric="rgb", bigtiff=True, metadata=None, **storage)
    found = read_picture(Path("a.tif"))
    assert np.abs(found.pixels - ramp(3) * 65535).max() < 3
    assert found.notes[0].startswith("saved with 16 bits instead of")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_further_channel_that_is_no_alpha_is_left_out_and_that_is_said(dtype):
    values = (ramp(4) * np.iinfo(dtype).max).astype(dtype)
    tifffile.imwrite("a.tif", values, photometric="rgb", extrasamples=["unspecified"])
    found = read_picture(Path("a.tif"))
    assert (found.pixels == values[..., :3]).all()
    assert found.pages[0].alpha is None
    assert found.notes == ("saved without 1 of its channels",)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(("orientation", "turn"), [(5, np.transpose), (6, lambda a: np.rot90(a, -1)), (8, np.rot90)])
def test_greys_of_a_plain_tiff_are_turned_upright(bigtiff, orientation, turn):
    values = np.random.default_rng(0).integers(0, 256, (24, 40), dtype=np.uint8)
    turned = (274, "H", 1, orientation, True)
    tifffile.imwrite("a.tif", values, photometric="minisblack", bigtiff=bigtiff, extratags=[turned])
    assert (read_picture(Path("a.tif")).pixels == turn(values)).all()
    assert (read_image("a.tif")[..., 0] == turn(values)).all()


def test_12_bits_of_a_tiff_are_scaled():
    rows = ["".join(f"{value:012b}" for value in row).ljust(88, "0") for row in (ramp(1) * 4095).astype(int)]
    packed = np.array([[int(row[place : place + 8], 2) for place in range(0, 88, 8)] for row in rows], dtype=np.uint8)
    tifffile.imwrite("a.tif", packed, metadata=None)
    data = bytearray(Path("a.tif").read_bytes())
    with tifffile.TiffFile("a.tif") as file:
        for tag, value in ((256, 7), (258, 12)):
            struct.pack_into("<HHIHH", data, file.pages[0].tags[tag].offset, tag, 3, 1, value, 0)
    Path("a.tif").write_bytes(data)
    assert np.abs(read_picture(Path("a.tif")).pixels - ramp(1) * 65535).max() < 17


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pages_of_a_tiff_that_point_back_are_each_read_once(dtype):
    with tifffile.TiffWriter("a.tif") as file:
        for _ in range(2):
            file.write((ramp(3) * np.iinfo(dtype).max).astype(dtype), photometric="rgb", metadata=None)
    with tifffile.TiffFile("a.tif") as file:
        first, last = (page.offset for page in file.pages)
    data = bytearray(Path("a.tif").read_bytes())
    struct.pack_into("<I", data, last + 2 + 12 * struct.unpack_from("<H", data, last)[0], first)
    Path("a.tif").write_bytes(data)
    assert len(read_picture(Path("a.tif")).pages) == 2


def test_numbers_of_which_nobody_knows_white_are_refused():
    for values, message in (
        ((ramp(1) * 65535).astype(np.uint32), "have 32 bits and use the lowest 16"),
        ((ramp(3) * 65535 - 32768).astype(np.int16), "signed numbers, of which none is known to be white"),
        ((ramp(1) * 4095).astype(np.int16), "signed numbers, of which none is known to be white"),
        ((ramp(3) * 255).astype(np.float32), "floating point numbers outside 0 to 1"),
        (ramp(1).astype(np.float32) - 0.1, "floating point numbers outside 0 to 1"),
    ):
        tifffile.imwrite("a.tif", values)
        with pytest.raises(UnreadablePicture, match=message):
            read_picture(Path("a.tif"))


def test_colours_that_were_multiplied_by_their_alpha_are_divided():
    values = np.full((9, 7, 4), (10_000, 20_000, 0, 32_768), dtype=np.uint16)
    values[0] = 0
    tifffile.imwrite("a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    assert read_picture(Path("a.tif")).pixels[1:].reshape(-1, 3).tolist() == [[20_000, 39_999, 0]] * 56


@pytest.mark.parametrize("bits", [12, 16])
def test_16_bits_of_a_ppm_are_kept(bits):
    numbers = np.random.default_rng(0).integers(0, 2**bits, (9, 7, 3), dtype=np.uint16)
    Path("a.ppm").write_bytes(b"P6\n7 9\n%d\n" % (2**bits - 1) + numbers.astype(">u2").tobytes())
    content, notes = saved_again("a.ppm")
    Path("again.ppm").write_bytes(content)
    assert notes == ()
    for name in ("a.ppm", "again.ppm"):
        assert (read_picture(Path(name)).pixels == np.round(numbers * (65535 / (2**bits - 1)))).all()


def test_16_bits_of_a_ppm_in_plain_text_are_kept():
    numbers = np.random.default_rng(0).integers(0, 1001, (9, 7, 3))
    text = "\n".join(" ".join(map(str, row)) for row in numbers.reshape(9, -1)) + "\n"
    Path("a.ppm").write_text("P3\n7 9\n1000\n# a remark of 12 words\n" + text)
    assert (read_picture(Path("a.ppm")).pixels == np.round(numbers * 65.535)).all()


@pytest.mark.parametrize(
    ("name", "encode", "bits"),
    [
        ("a.jp2", lambda deep, codecs: codecs.jpeg2k_encode(deep, level=0), 16),
        ("a.avif", lambda deep, codecs: codecs.avif_encode(deep >> 6, bitspersample=10), 10),
        ("a.jxl", lambda deep, codecs: codecs.jpegxl_encode(deep), 16),
    ],
)
def test_where_more_than_8_bits_cannot_be_kept_that_is_said(name, encode, bits):
    import imagecodecs

    if name == "a.jxl":
        pytest.importorskip("pillow_jxl")
    if name == "a.avif" and ".avif" not in Image.registered_extensions():
        pytest.skip("this version of Pillow knows no AVIF")
    deep = (ramp(3) * 65535).astype(np.uint16).repeat(8, axis=0).repeat(8, axis=1)
    Path(name).write_bytes(encode(deep, imagecodecs))
    assert saved_again(name)[1].count(f"saved with 8 bits instead of {bits}") == 1


@pytest.mark.parametrize("name", ["a.jp2", "a.j2k"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [10, 16])
def test_colours_of_a_deep_jpeg_2000_are_read_to_their_last_bit(name, channels, bits):
    import imagecodecs

    deep = np.random.default_rng(0).integers(0, 2**bits, (16, 16, channels), dtype=np.uint16)
    deep[:4] = 2**bits - 1  # white, of which Pillow makes black
    content = imagecodecs.jpeg2k_encode(deep.squeeze(), level=0, bitspersample=bits, codecformat=name[2:])
    Path(name).write_bytes(content)
    page = read_picture(Path(name)).pages[0]
    found = page.pixels if page.alpha is None else np.dstack([page.pixels, page.alpha])
    assert (found.reshape(deep.shape) == np.round(deep * (65535 / (2**bits - 1)))).all()


def test_what_a_tiff_holds_beside_its_picture_and_alpha_is_said():
    pixels = np.full((9, 7, 6), 77, dtype=np.uint8)
    layers = (37724, 7, 8, b"8BIMLayr", True)
    with tifffile.TiffWriter("a.tif") as file:
        file.write(pixels, photometric="rgb", extrasamples=["unassalpha", 0, 0], subifds=1, extratags=[layers])
        file.write(pixels[::2, ::2, :3], photometric="rgb", subfiletype=1)
    content, notes = saved_again("a.tif")
    assert set(notes) == {
        "saved without 2 of its channels",
        "saved without its smaller pictures, Photoshop layers",
    }
    assert b"8BIMLayr" not in content


@pytest.mark.parametrize(("dtype", "storage"), [(np.uint8, {}), (np.float32, {"tile": (16, 16)})])
def test_pages_of_a_tiff_that_show_another_one_smaller_are_left_out_and_that_is_said(dtype, storage):
    pixels = (ramp(3).repeat(4, axis=0) * (255 if dtype is np.uint8 else 1)).astype(dtype)
    with tifffile.TiffWriter("a.tif") as file:
        for kind, smaller in ((2, 1), (1, 2), (2, 1), (1, 4)):
            file.write(pixels[::smaller], photometric="rgb", subfiletype=kind, metadata=None, **storage)
    content, notes = saved_again("a.tif")
    assert notes.count("saved without its smaller pictures") == 1
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert [(page.shape, page.subfiletype) for page in file.pages] == [((36, 7, 3), 2)] * 2


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.pbm", "a.bmp"])
def test_a_page_of_black_and_white_stays_so_and_small(name):
    page = Image.new("1", (640, 400), 1)
    ImageDraw.Draw(page).text((20, 20), "We regret to inform you", 0, font_size=40)
    page.save(name, **({"compression": "group4"} if name == "a.tif" else {}))
    found = read_picture(Path(name))
    content, notes = encoded(found, [ndimage.uniform_filter(found.pixels, 3)])
    assert notes == ["its greys saved as black or white, whichever is nearer"]
    assert len(content) < 2 * Path(name).stat().st_size
    with Image.open(io.BytesIO(content)) as result:
        assert result.mode == "1"
        assert (np.asarray(result) == np.asarray(page)).mean() > 0.99
    assert encoded(found, [found.pixels], "JPEG")[1] == ["saved as greys instead of black and white"]


def test_a_photograph_of_black_and_white_dots_becomes_greys_and_that_is_said():
    grey = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    Image.fromarray(grey).convert("1").save("a.png")
    found = read_picture(Path("a.png"))
    content, notes = encoded(found, [grey])
    assert notes == ["saved as greys instead of black and white"]
    with Image.open(io.BytesIO(content)) as result:
        assert (np.asarray(result) == grey).all()


def test_all_pages_of_a_tiff_are_kept_with_what_belongs_to_each():
    pages = [Image.fromarray(colours(20 + number, 30, 3)) for number in range(3)]
    pages[0].save("a.tif", save_all=True, append_images=pages[1:], dpi=(300, 300), compression="tiff_lzw")
    content, notes = saved_again("a.tif")
    assert notes == ()
    with Image.open(io.BytesIO(content)) as result:
        assert result.n_frames == 3
        for number in range(3):
            result.seek(number)
            assert result.info["dpi"] == (300, 300)
            assert (np.asarray(result) == colours(20 + number, 30, 3)).all()
    assert len(content) < 3 * 22 * 30 * 3 + 2000, "compressed as the original was"


def test_what_was_saved_without_loss_stays_so():
    Image.fromarray(colours(32, 32, 3)).save("a.webp", lossless=True)
    with Image.open(io.BytesIO(saved_again("a.webp")[0])) as result:
        assert (np.asarray(result) == colours(32, 32, 3)).all()
    Image.fromarray(colours(32, 32, 3)).save("b.png")
    with Image.open(io.BytesIO(saved_again("b.png", "WEBP")[0])) as result:
        assert (np.asarray(result) == colours(32, 32, 3)).all()


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize(("name", "content"), [(b"caBX", b"abc"), (b"bKGD", bytes(6)), (b"sBIT", bytes((5, 6, 5)))])
def test_what_no_format_here_knows_is_said(name, content):
    Image.fromarray(colours(16, 16, 3)).save("a.png")
    png = Path("a.png").read_bytes()
    Path("a.png").write_bytes(png[:33] + png_chunk(name, content) + png[33:])
    assert read_picture(Path("a.png")).notes == (f"saved without its chunks {name.decode()}",)
    Image.fromarray(colours(16, 16, 3)).save("a.jp2")
    jp2 = Path("a.jp2").read_bytes()
    Path("a.jp2").write_bytes(jp2[:32] + struct.pack(">I4s", 8 + len(XMP), b"xml ") + XMP + jp2[32:])
    assert read_picture(Path("a.jp2")).notes == ("saved without its boxes xml",)


def test_chunks_of_a_webp_that_are_not_known_are_said():
    Image.fromarray(colours(16, 16, 3)).save("a.webp", xmp=XMP, exif=b"Exif\0\0II*\0\x08" + bytes(9))
    assert read_picture(Path("a.webp")).notes == ()
    chunks = Path("a.webp").read_bytes()[12:] + b"C2PA" + struct.pack("<I", 3) + b"abc\0"
    Path("a.webp").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks)
    assert read_picture(Path("a.webp")).notes == ("saved without its chunks C2PA",)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg", "progressive.jpg", "a.mpo"])
def test_data_behind_a_picture_such_as_the_film_of_a_phone_are_left_out_and_that_is_said(name):
    image = Image.fromarray(colours(40, 40, 3))
    if name == "a.mpo":
        image.save(name, save_all=True, append_images=[image])
    else:
        image.save(name, **({"progressive": True, "restart_marker_rows": 1} if name == "progressive.jpg" else {}))
    others = ("holds 2 pictures; only the first is restored and saved",) if name == "a.mpo" else ()
    whole = Path(name).read_bytes()
    assert read_picture(Path(name)).notes == others
    Path(name).write_bytes(whole + bytes(100))
    assert read_picture(Path(name)).notes == others, "zeros are nothing"
    Path(name).write_bytes(whole + b"\0\0\0\x18ftypmp42" + b"\xff\xd9 and a film" * 9)
    assert read_picture(Path(name)).notes == (*others, "saved without its data behind the picture")


@pytest.mark.parametrize(
    ("kind", "brand", "said"),
    [
        (b"urn:mpeg:hevc:2015:auxid:2", b"miaf", "depth"),
        (b"urn:com:apple:aux:gain_map", b"miaf", "gain_map"),
        (b"urn:mpeg:hevc:2015:auxid:1", b"tmap", "gain map"),
    ],
)
def test_depth_and_the_like_of_a_heic_are_left_out_and_that_is_said(kind, brand, said):
    pytest.importorskip("pillow_heif")
    Image.fromarray(colours(32, 32, 4)).save("a.heic")
    assert read_picture(Path("a.heic")).notes == ()
    # Its alpha is renamed to become another auxiliary picture, which no encoder here writes.
    renamed = Path("a.heic").read_bytes().replace(b"urn:mpeg:hevc:2015:auxid:1", kind).replace(b"miaf", brand, 1)
    Path("a.heic").write_bytes(renamed + struct.pack(">I4s", 12, b"mpvd") + b"film")
    assert read_picture(Path("a.heic")).notes == (f"saved without its further pictures {said}, boxes mpvd",)


def test_colours_of_a_heic_that_no_profile_describes_stay_as_described():
    pytest.importorskip("pillow_heif")
    description = {"color_primaries": 12, "transfer_characteristics": 16}  # of Display P3, for bright screens
    Image.fromarray(colours(32, 32, 3)).save("a.heic", **description)
    content, notes = saved_again("a.heic")
    assert notes == ()
    with Image.open(io.BytesIO(content)) as result:
        assert description.items() <= result.info["nclx_profile"].items()
    assert (b"cICP", bytes((12, 16, 0, 1))) in png_chunks(saved_again("a.heic", "PNG")[0])
    assert saved_again("a.heic", "JPEG")[1] == ("saved without its colour description (CICP)",)


def test_colours_of_an_avif_that_no_profile_describes_are_said_to_lose_their_description():
    if ".avif" not in Image.registered_extensions():
        pytest.skip("this version of Pillow knows no AVIF")
    Image.fromarray(colours(32, 32, 3)).save("a.avif")
    assert saved_again("a.avif")[1] == ()
    before, name, after = Path("a.avif").read_bytes().partition(b"colrnclx")
    Path("a.avif").write_bytes(before + name + struct.pack(">HH", 12, 13) + after[4:])
    assert saved_again("a.avif")[1] == ("saved without its colour description (CICP)",)


def test_hidden_colours_do_not_count_and_stay():
    pixels = np.zeros((6, 6, 4), dtype=np.uint8)
    pixels[..., :3] = (255, 0, 255)
    pixels[2:4, 2:4] = (10, 20, 30, 255)
    Image.fromarray(pixels).save("a.png")
    (page,) = read_picture(Path("a.png")).pages
    assert (page.visible == (10, 20, 30)).all()
    assert (page.pixels == pixels[..., :3]).all()


def test_hidden_pixels_are_the_visible_ones_mirrored_again_and_again():
    pixels = np.zeros((4, 12, 4), dtype=np.uint8)
    pixels[:, :3, :3] = np.array([10, 20, 30])[:, None]
    pixels[:, :3, 3] = 255
    Image.fromarray(pixels).save("a.png")
    (page,) = read_picture(Path("a.png")).pages
    assert page.visible[0].tolist() == [10, 20, 30, 20, 10, 20, 30, 20, 10, 20, 30, 20]
    assert page.visible is page.visible, "it takes a while"


def test_a_picture_of_which_hidden_pixels_alone_have_a_colour_is_grey():
    pixels = np.full((6, 6, 4), (255, 0, 0, 0), dtype=np.uint8)
    pixels[2:4, 2:4] = (70, 70, 70, 255)
    Image.fromarray(pixels).save("a.png")
    (page,) = read_picture(Path("a.png")).pages
    assert page.visible.shape == (6, 6)
    saved = covered(page, page.visible + 8)
    assert (saved[2:4, 2:4] == 78).all()
    assert (saved[0] == (255, 0, 0)).all()


def test_16_bit_greys_with_alpha_are_saved_as_a_tiff_that_can_be_read():
    import imagecodecs

    deep = np.dstack([ramp(1), 1 - ramp(1)])
    Path("a.png").write_bytes(imagecodecs.png_encode((deep * 65535).astype(np.uint16)))
    Path("a.tif").write_bytes(saved_again("a.png", "TIFF")[0])
    found, again = (read_picture(Path(name)).pages[0] for name in ("a.png", "a.tif"))
    assert (again.pixels == found.pixels).all()
    assert (again.alpha == found.alpha).all()


def test_black_and_white_with_transparency_keeps_it():
    Image.fromarray(colours()[..., 0] > 127).save("a.png", transparency=0)
    (page,) = read_picture(Path("a.png")).pages
    Path("again.png").write_bytes(saved_again("a.png")[0])
    assert (read_picture(Path("again.png")).pages[0].alpha == page.alpha).all()
    assert (page.alpha == 0).any()


def test_the_best_quality_of_jpeg_xl_loses_nothing():
    pytest.importorskip("pillow_jxl")
    Image.fromarray(colours()).save("a.png")
    found = read_picture(Path("a.png"))
    Path("a.jxl").write_bytes(encoded(found, [found.pixels], "JXL", quality=100)[0])
    assert (read_picture(Path("a.jxl")).pixels == colours()).all()


def test_the_first_frame_of_a_gif_is_saved_as_png_and_that_is_said():
    frames = [Image.fromarray(colours() // divisor) for divisor in (1, 2)]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:])
    content, notes = saved_again("a.gif")
    assert content.startswith(b"\x89PNG")
    assert notes[0] == "holds 2 pictures; only the first is restored and saved"
    assert notes[-1] == "saved as PNG instead of GIF"


@pytest.mark.parametrize(
    ("plugin", "format", "name"), [("pillow_heif", "HEIF", "a.heic"), ("pillow_jxl", "JXL", "a.jxl")]
)
def test_formats_of_the_extra(plugin, format, name):
    pytest.importorskip(plugin)
    smooth = Image.fromarray(colours(4, 4, 3)).resize((64, 48), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    smooth.save(name, format=format, exif=exif.tobytes())
    content, notes = saved_again(name)
    assert notes == ()
    with Image.open(io.BytesIO(content)) as result:
        assert result.format == format
        assert result.getexif()[0x010F] == "A maker"
        assert np.abs(np.asarray(result).astype(int) - np.asarray(smooth)).mean() < 3


def test_a_limit_on_pixels_says_its_remedy(monkeypatch):
    Image.fromarray(colours(20, 30, 3)).save("a.png")
    with pytest.raises(UnreadablePicture, match="30x20 pixels are more than the 599 that are allowed; --max-pixels"):
        read_picture(Path("a.png"), 599)
    assert read_picture(Path("a.png"), 600)
    monkeypatch.setattr("hirl_env.data.images.free_memory", lambda: 40_000)
    with pytest.raises(UnreadablePicture, match=r"take about 0\.0 GB of memory, and 0\.0 GB are free; make"):
        read_picture(Path("a.png"))
    assert read_picture(Path("a.png"), 600)


def test_pictures_beyond_pillows_limit_are_read(monkeypatch):
    Image.fromarray(colours(20, 30, 3)).save("a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_picture(Path("a.png")).pixels.shape == (20, 30, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_damaged_exif_costs_the_exif_alone():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    data = bytearray(exif.tobytes())
    data[14:18] = b"\xff\xff\xff\xff"
    Image.fromarray(colours(32, 48, 3)).save("a.jpg", exif=bytes(data))
    assert read_picture(Path("a.jpg")).pixels.ndim == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_no_picture():
    os.mkfifo("a.png")
    with pytest.raises(UnreadablePicture, match=r"a\.png: not a file"):
        read_picture(Path("a.png"))


def test_everything_in_a_folder_is_found_or_left_out_with_its_reason(tmp_path):
    for name in ("a.png", "a.heic", "a.mpo", "[b]/c.jpg", "raw.cr2", "none", "deep/.hidden.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "in/loop.png").symlink_to("loop.png")
    (tmp_path / "in/link").symlink_to("deep")
    found = find_pictures([str(tmp_path / "in")], tmp_path / "out")
    assert sorted(map(str, found.files.values())) == ["[b]/c.jpg", "a.heic", "a.mpo", "a.png"]
    assert (
        found.summary()
        == ".cr2 files (1), broken links (1), files without a suffix (1), hidden files (1), links to folders (1)"
    )
    with pytest.raises(ValueError, match="none that is empty"):
        find_pictures([""], tmp_path / "out")  # of a variable that is not set, and not the working directory
    by_pattern = find_pictures([str(tmp_path / "in" / "[b]" / "*.jpg")], tmp_path / "out")
    assert list(by_pattern.files.values()) == [Path("c.jpg")]
