"""A thousand odd picture files through `hirl restore`: counts what goes wrong.

    python -m tests.campaigns.odd_files FOLDER

makes them in FOLDER/in, restores them into FOLDER/out with tools that take no time, and prints the counts: tracebacks,
runs that ended otherwise than they should, sources that were touched, files of which nothing was said.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, features

REPOSITORY = Path(__file__).parents[2]
Content = bytes | Callable[[Path], None]


def pixels(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(sum(shape))
    smooth = Image.fromarray(rng.integers(0, 256, (4, 4, 4), dtype=np.uint8)).resize(shape[1::-1])
    drawn = np.asarray(smooth, dtype=np.float64)[..., : shape[2] if len(shape) > 2 else 1]
    return (drawn.reshape(shape) / 255 * np.iinfo(dtype).max).astype(dtype)


def saved(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format=format, **options)
    return file.getvalue()


def tiff(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112], data[0x010F] = orientation, "A maker"
    data.get_ifd(0x8769)[0x829A] = 0.5
    return data.tobytes()


COLOUR = Image.fromarray(pixels(24, 40, 3))
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I;16", "F")
WRITTEN = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM", "GIF", "TGA", "JPEG2000", "ICO", "PCX", "AVIF", "HEIF", "JXL")


def formats() -> Iterator[tuple[str, Content]]:
    """Every mode in every format that can hold it."""
    for format in WRITTEN:
        for mode in MODES:
            with suppress(OSError, ValueError, KeyError, NotImplementedError):
                image = COLOUR.convert("L").convert(mode) if mode in ("I;16", "F") else COLOUR.convert(mode)
                yield f"{mode.replace(';', '')}.{suffix(format)}", saved(image, format)


def suffix(format: str) -> str:
    return {"JPEG": "jpg", "TIFF": "tif", "JPEG2000": "jp2", "HEIF": "heic"}.get(format, format.lower())


def turned() -> Iterator[tuple[str, Content]]:
    for format in ("PNG", "JPEG", "TIFF", "WEBP", *(("AVIF",) if features.check("avif") else ())):
        for orientation in range(10):
            yield f"turned-{orientation}.{suffix(format)}", saved(COLOUR, format, exif=exif(orientation))


def depths() -> Iterator[tuple[str, Content]]:
    for channels in (1, 2, 3, 4):
        deep = pixels(24, 40, channels, dtype=np.uint16)
        yield f"deep-{channels}.png", bytes(imagecodecs.png_encode(deep.squeeze()))
        for compression in ("none", "zlib", "lzw", "lzma"):
            for dtype in (np.uint16, np.uint32, np.int16, np.float32):
                array = pixels(24, 40, channels, dtype=np.uint16).squeeze()
                array = (
                    array / 65535
                    if dtype is np.float32
                    else array.astype(np.uint64) * (np.iinfo(dtype).max // 65535 or 1)
                )
                kind = {"photometric": "rgb" if channels > 2 else "minisblack", "compression": compression}
                kind |= {"planarconfig": "separate"} if compression == "lzma" and channels == 3 else {}
                array = np.moveaxis(array, -1, 0) if "planarconfig" in kind else array
                with suppress(ValueError):
                    yield f"{np.dtype(dtype).name}-{channels}-{compression}.tif", tiff(array.astype(dtype), **kind)
    yield "white-is-zero.tif", tiff(pixels(24, 40, dtype=np.uint16), photometric="miniswhite")
    yield "big.tif", tiff(pixels(24, 40, 3), photometric="rgb", bigtiff=True)


def containers() -> Iterator[tuple[str, Content]]:
    frames = {"save_all": True, "append_images": [COLOUR.rotate(90), COLOUR.rotate(180)]}
    for format in ("PNG", "TIFF", "WEBP", "GIF"):
        yield f"frames.{suffix(format)}", saved(COLOUR, format, **frames)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"{compression}.tif", saved(COLOUR, "TIFF", compression=compression)
    yield "fax.tif", saved(COLOUR.convert("1"), "TIFF", compression="group4")
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            options = {"subsampling": subsampling, "progressive": progressive, "comment": b"hello"}
            yield f"jpeg-{subsampling}-{progressive}.jpg", saved(COLOUR, "JPEG", **options)
    yield "lossless.webp", saved(COLOUR, "WEBP", lossless=True)
    yield "other.jpg", saved(COLOUR, "PNG")
    yield "upper.JPG", saved(COLOUR, "JPEG")


def broken() -> Iterator[tuple[str, Content]]:
    rng = random.Random(0)
    for format in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000"):
        whole = saved(COLOUR, format, **({"exif": exif(6)} if format in ("PNG", "JPEG", "TIFF", "WEBP") else {}))
        for part in (0, 1, 8, 30, len(whole) // 3, len(whole) // 2, len(whole) - 9):
            yield f"cut-{part}.{suffix(format)}", whole[:part]
        for number in range(90):
            damaged = bytearray(whole)
            for _ in range(rng.choice((1, 3, 20))):
                damaged[rng.randrange(len(damaged) if number % 2 else min(200, len(damaged)))] = rng.randrange(256)
            yield f"damaged-{number}.{suffix(format)}", bytes(damaged)
    yield "text.png", b"no picture"
    size = bytearray(saved(COLOUR, "JPEG"))
    at = size.index(b"\xff\xc0") + 5
    size[at : at + 4] = struct.pack(">HH", 65500, 65500)
    yield "huge.jpg", bytes(size)


def hostile() -> Iterator[tuple[str, Content]]:
    content = saved(COLOUR, "PNG")
    names = [
        "-rf.png",
        "a b.png",
        "new\nline.png",
        "esc\x1b[31m.png",
        "%s%n.png",
        "[brackets].png",
        "{0}.png",
        "$(ls).png",
    ]
    names += ["n" * 251 + ".png", "é" * 125 + ".png", "😀.png", "\u202egnp.exe.png", "..png.png", "a.png.png", "*.png"]
    names += [os.fsdecode(b"\xff\xfe.png"), os.fsdecode(b"\xe9t\xe9.png"), "quote'\".png", "back\\slash.png", "nul.png"]
    yield from ((name, content) for name in names)
    yield "no suffix", content
    yield ".hidden.png", content
    yield "sub/folder/deep.png", content
    yield "pipe.png", os.mkfifo
    yield "loop.png", lambda path: path.symlink_to(path.name)
    yield "broken-link.png", lambda path: path.symlink_to("nowhere.png")
    yield "linked-folder", lambda path: path.symlink_to("sub")
    yield "folder.png/inside.png", content
    yield "notes.txt", b"no picture"


KINDS = (formats, turned, depths, containers, broken, hostile)


def make(folder: Path, every: int = 1) -> int:
    """Writes the files, or every n-th of them; returns how many."""
    count = 0
    for kind in KINDS:
        for number, (name, content) in enumerate(kind()):
            if number % every:
                continue
            path = folder / kind.__name__ / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                content(path)
            count += 1
    return count


def state(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def campaign(folder: Path, every: int = 1) -> dict[str, int]:
    """Makes the files, restores them, and counts."""
    source, out = folder / "in", folder / "out"
    made, before = make(source, every), state(source)
    command = [sys.executable, "-m", "tests.campaigns.toy_restore", str(source), "--out", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, cwd=REPOSITORY)
    records = [json.loads(line) for line in (out / "restore.jsonl").read_text().splitlines()]
    rows = [record for record in records if "saved" in record]
    told = {row["file"] for row in rows} | {name for record in records for name in record.get("left_out", ())}
    entries = {str(path) for path in source.rglob("*") if path.is_symlink() or not path.is_dir()}
    untold = sorted(entries - told)
    unreadable = [row["saved"] for row in rows if row["saved"] and not _opens(out / row["saved"])]
    for what in (*untold, *unreadable):
        print("!", ascii(what), file=sys.stderr)
    text = done.stderr.decode(errors="replace")
    return {
        **{"files": made, "restored": sum(row["saved"] is not None for row in rows)},
        **{"refused": sum(row["error"] is not None for row in rows), "left out": len(told) - len(rows)},
        **{"tracebacks": text.count("Traceback"), "exit code": done.returncode},
        **{"sources touched": len(set(before.items()) ^ set(state(source).items()))},
        **{"untold": len(untold), "results that cannot be read": len(unreadable)},
    }


def _opens(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
    except Exception:
        return path.suffix in (".heic", ".jxl")
    return True


if __name__ == "__main__":
    if Path(sys.argv[1]).exists():
        sys.exit(f"{sys.argv[1]} is there already; name a new folder")
    for name, count in campaign(Path(sys.argv[1])).items():
        print(f"{name:>28}: {count}")
