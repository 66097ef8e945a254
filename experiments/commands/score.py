"""`hirl score`: how good pictures are, by any measure, and where they are bad."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import tyro
from tqdm import tqdm

from hirl_env.data.images import as_batch
from hirl_env.devices import available_device
from hirl_env.files import atomic_write
from hirl_env.quality import BlindNetwork, Measure, measures
from hirl_env.quality.full_reference import capped_psnr, psnr
from hirl_env.quality.sums import parts_of
from hirl_experiments.command_line.checks import check_free, check_targets, check_writable
from hirl_experiments.command_line.names import shown
from hirl_experiments.command_line.results import print_table, write_json
from hirl_experiments.pictures.hidden import bounding_box, filled
from hirl_experiments.pictures.reading import Page, Pixels, of_pages, read_picture
from hirl_experiments.restoring.finding import find_pictures, reference_of
from hirl_experiments.restoring.one_picture import reason

MEANS = (psnr, capped_psnr)  # measures that are means over pixels, which may lie anywhere
CELL = 16  # pixels of a quality map's cell in its picture


def score(
    pictures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURES...")],
    measure: str = "hirl-biqa",
    references: Path | None = None,
    map: bool = False,
    out: Path = Path("scores"),
    force: bool = False,
    device: str = "cpu",
    json: Path | None = None,
    max_pixels: int | None = None,
) -> None:
    """Score pictures; larger is better. Fully transparent pixels do not count.

    PSNR is the mean over the pixels that are visible in the picture and in its reference. Every other measure looks at
    the smallest rectangle around these that it can score, in which visible pixels, mirrored, stand for the others.

    Args:
        pictures: Files, folders (with their sub-folders), and patterns such as "holiday/*.jpg".
        measure: Blind: hirl-biqa, paq2piq, brisque. With --references also psnr, ssim, ms-ssim, vif, fsim, vsi, mdsi,
            haarpsi, gmsd. Or a weighted sum: "0.5*psnr + 10*ssim".
        references: Folder with the clean originals under the same names; their suffixes may differ.
        map: Whether to save a map of where a picture is good (bright) and bad (dark), as NAME.map.png in --out
            (a.jpg.map.png).
        out: Folder for the maps.
        force: Whether to overwrite existing maps.
        device: Device to compute on: cpu, cuda, mps, or auto.
        json: File to write settings and rows to; - for standard output.
        max_pixels: Most pixels of a picture. Default: as many as fit into free memory.
    """
    settings = {key: value for key, value in locals().items() if key != "json"}
    judge = measures.resolve(measure)
    _check(measure, judge, references, map)
    where = available_device(device)
    found = find_pictures(pictures, out, results=True)
    maps = {file: out / name.with_name(f"{name.name}.map.png") for file, name in found.files.items()} if map else {}
    targets = [(str(file), target) for file, target in maps.items()] + ([("--json", json)] if json else [])
    check_targets(targets, {Path(os.path.realpath(file)) for file in found.files})
    check_free(maps.values(), force)
    check_writable(json, folder=out if map else None)
    rows: list[dict[str, Any]] = []
    failed = 0
    for file, name in tqdm(found.files.items(), disable=None):
        try:
            original = None if references is None else reference_of(references, name)
            page, clean = _first_pages(file, original, max_pixels)
            row = {"picture": str(file), "score": _score(judge, page, clean, where)}
            if map:
                _save_map(judge.quality_map(as_batch(page.visible).to(where))[0], maps[file])
            rows.append(row)
        except Exception as error:  # whatever fails in one picture (memory, a decoder), the others are still scored
            tqdm.write(f"hirl: {shown(reason(file, error))}", file=sys.stderr)
            failed += 1
    if map and rows:
        print(f"maps are in {out}")
    if found.left_out:
        print(f"hirl: left out: {found.summary()}", file=sys.stderr)
    if json is not None:
        write_json(json, settings, rows)
    if rows:
        print_table(measure, rows, {"score": 2})
    if failed:
        raise ValueError(f"{failed} of {failed + len(rows)} pictures could not be scored")


def _check(name: str, measure: Measure, references: Path | None, map: bool) -> None:
    if measure.needs_reference and references is None:
        raise ValueError(f"the measure {name} compares with clean originals: give their folder by --references")
    if references is not None and not measure.needs_reference:
        raise ValueError(f"the measure {name} sees no --references; name one that does, such as ssim")
    if map and not isinstance(measure.function, BlindNetwork):
        raise ValueError(f"--map: the measure {name} has no quality map; hirl-biqa and paq2piq have one")
    if references is not None and not references.is_dir():
        raise ValueError(f"--references {references}: no such folder")


def _first_pages(file: Path, original: Path | None, max_pixels: int | None) -> tuple[Page, Page | None]:
    """The first page of a picture and, if given, of its clean original; notes that others are not scored."""
    pages = read_picture(file, max_pixels).pages
    cleans = None if original is None else read_picture(original, max_pixels).pages
    if cleans is not None and len(cleans) != len(pages):
        note = f"{of_pages(pages)}, and its reference {of_pages(cleans)}; only the first of each are compared"
        tqdm.write(f"hirl: {shown(file)}: has {note}", sys.stderr)
    elif len(pages) > 1:
        tqdm.write(f"hirl: {shown(file)}: only the first of {len(pages)} pages is scored", sys.stderr)
    return pages[0], None if cleans is None else cleans[0]


def _score(judge: Measure, page: Page, clean: Page | None, device: torch.device) -> float:
    """The score of what is visible of a page and, if given, of its clean original."""
    pixels, visible = _visible([page] if clean is None else [page, clean], judge.smallest)
    images = [as_batch(each).to(device) for each in pixels]
    if visible.all():
        return float(judge.score(*images)[0])
    alone = [image[..., torch.from_numpy(visible).to(device)][:, :, None] for image in images]
    score = 0.0
    for part, weight in parts_of(judge):
        score += weight * float(part.score(*(alone if part.function in MEANS else images))[0])
    return score


def _visible(pages: Sequence[Page], smallest: int) -> tuple[list[Pixels], npt.NDArray[np.bool_]]:
    """Pixels of pages in the rectangle around what is visible in all, and where that is.

    The rectangle has sides of at least ``smallest`` pixels, where the pages have them.
    """
    everywhere = np.ones(pages[0].pixels.shape[:2], dtype=bool)
    if any(page.pixels.shape[:2] != everywhere.shape for page in pages):
        return [page.pixels for page in pages], everywhere  # which the measure refuses
    hidden = ~everywhere
    for page in pages:
        if page.alpha is not None:
            hidden |= page.alpha == 0
    if hidden.all():
        return [np.full_like(page.pixels, np.iinfo(page.pixels.dtype).max) for page in pages], everywhere
    box = bounding_box(~hidden, smallest)
    return [filled(page.pixels[box], hidden[box]) for page in pages], ~hidden[box]


def _save_map(values: torch.Tensor, path: Path) -> None:
    import matplotlib.image  # which takes a second

    pixels = np.kron(values.cpu().numpy(), np.ones((CELL, CELL)))
    with atomic_write(path) as drawn:
        matplotlib.image.imsave(drawn, pixels, vmin=0, vmax=100, cmap="viridis", format="png")
