"""`hirl score`: how good pictures are, by any measure, and where they are bad."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import matplotlib.image
import numpy as np
import tyro
from tqdm import tqdm

from hirl_env.data.images import read_image, to_tensor
from hirl_env.files import atomic_write
from hirl_env.quality import BlindNetwork, as_measure
from hirl_env.tools.toolset import available_device
from hirl_experiments.io.output import check_free, check_targets, print_table, write_json
from hirl_experiments.io.picture_files import found_pictures

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
) -> None:
    """Score pictures; larger is better.

    Args:
        pictures: Files, folders (with their sub-folders), and patterns such as "holiday/*.jpg".
        measure: Blind: hirl-biqa, paq2piq, brisque. With --references also psnr, ssim, ms-ssim, vif, fsim, vsi, mdsi,
            haarpsi, gmsd. Or a weighted sum: "0.5*psnr + 10*ssim".
        references: Folder with the clean originals under the same names.
        map: Also save where a picture is good (bright) and bad (dark), as NAME.map.png in --out.
        out: Folder for the maps.
        force: Overwrite maps that are there already.
        device: Where to compute: cpu, cuda, mps.
        json: Also write settings and rows to this file.
    """
    settings = {key: value for key, value in locals().items() if key != "json"}
    if not pictures:
        raise ValueError("name at least one picture, folder or pattern")
    judge = as_measure(measure)
    if judge.needs_reference and references is None:
        raise ValueError(f"the measure {measure} compares with clean originals: give their folder by --references")
    if references is not None and not judge.needs_reference:
        raise ValueError(f"the measure {measure} sees no --references; name one that does, such as ssim")
    if map and not isinstance(judge.function, BlindNetwork):
        raise ValueError(f"--map: the measure {measure} has no quality map; hirl-biqa and paq2piq have one")
    where = available_device(device)
    found = dict(pair for text in pictures for pair in found_pictures(text, out))
    maps = {file: (out / name).with_suffix(".map.png") for file, name in found.items()} if map else {}
    check_targets([(str(file), target) for file, target in maps.items()], {file.resolve() for file in found})
    check_free(maps.values(), force)
    rows: list[dict[str, Any]] = []
    failed = 0
    for file, name in tqdm(found.items(), disable=None):
        try:
            image = to_tensor(read_image(file))[None].to(where)
            clean = None if references is None else to_tensor(read_image(references / name))[None].to(where)
            row = {"picture": str(file), "score": float(judge.score(image, clean)[0])}
            if map:
                values = judge.quality_map(image)[0].cpu().numpy()
                pixels = np.kron(values, np.ones((CELL, CELL)))
                with atomic_write(maps[file]) as drawn:
                    matplotlib.image.imsave(drawn, pixels, vmin=0, vmax=100, cmap="viridis", format="png")
            rows.append(row)
        except ValueError as error:
            # One bad picture does not stop the rest.
            tqdm.write(f"hirl: {file}: {error}".replace(f"{file}: {file}", str(file)), file=sys.stderr)
            failed += 1
    if rows:
        print_table(measure, rows, {"score": 2})
    if json is not None:
        write_json(json, settings, rows)
    if failed:
        raise ValueError(f"{failed} of {failed + len(rows)} pictures could not be scored")
