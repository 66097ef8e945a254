"""The rows of Table 1: three single distortions at five levels each, and the three hybrid ones."""

from __future__ import annotations

import os
from pathlib import Path

from hirl_agents.search import nearest_cell
from hirl_env.data.datasets import DATASETS
from hirl_env.data.degradations import (
    LEVELS,
    Degradation,
    GaussianBlur,
    GaussianNoise,
    JpegCompression,
)
from hirl_env.data.photographs import Photographs
from hirl_env.tools.toolset import Toolset
from hirl_experiments.paper.experiment import Distortion, Experiment

# Five levels of each, for users without CSIQ: the paper's three settings, a milder and a harder one.
MADE: dict[str, dict[str, Degradation]] = {
    "AWGN": {f"noise-{sigma}": GaussianNoise(sigma) for sigma in (5, 15, 25, 35, 45)},
    "JPEG": {f"jpeg-{quality}": JpegCompression(quality) for quality in (40, 30, 20, 10, 5)},
    "blur": {f"blur-{size}": GaussianBlur(size) for size in (3, 5, 10, 15, 20)},
}
CSIQ_NAMES = {"AWGN": "awgn", "JPEG": "jpeg", "blur": "blur"}
# CSIQ numbers its levels without giving their strength: the one of the five made levels that each is taken for.
CSIQ_NOMINAL = (1, 1, 2, 3, 3)
NETWORKS = ("SRCNN", "Fast AR-CNN", "SRN", "FFDNet")  # in the order of the paper's columns


def table1_rows(experiment: Experiment) -> dict[str, list[Distortion]]:
    """The distortions of each row.

    Raises:
        ValueError: If ``--csiq`` is not CSIQ's folder.
    """
    folder = csiq_folder(experiment)
    if folder is None:
        rows = {row: [experiment.made(name, level) for name, level in levels.items()] for row, levels in MADE.items()}
    else:
        rows = {row: _csiq_row(folder, row) for row in MADE}
    return rows | {level: [experiment.made(level, level)] for level in LEVELS}


def csiq_folder(experiment: Experiment) -> Path | None:
    """The folder of CSIQ, if the user has it."""
    if experiment.settings.csiq is not None:
        return experiment.settings.csiq
    usual = Path(os.environ.get("HIRL_DATA", "")) / DATASETS["csiq"].title
    return usual if "HIRL_DATA" in os.environ and usual.is_dir() else None


def _csiq_row(folder: Path, row: str) -> list[Distortion]:
    dataset = DATASETS[f"csiq-{CSIQ_NAMES[row]}"]
    dataset.open(folder)  # says what is missing
    nominal = list(MADE[row].values())
    return [
        Distortion(
            f"csiq-{CSIQ_NAMES[row]}-{number}",
            Photographs(
                [entry for entry in dataset.entries(folder) if entry.name.endswith(f".{number}")], f"CSIQ ({folder})"
            ),
            None,
            nominal[strength],
        )
        for number, strength in enumerate(CSIQ_NOMINAL, 1)
    ]


def network_rows(toolset: Toolset, nominal: Degradation) -> dict[str, str]:
    """The row of the method ``single`` for each network: the tool whose degree fits the distortion.

    That is the network's tool for the nearest strength of its own kind of distortion, or its weakest tool if the
    distortion has nothing of that kind.
    """
    rows = {}
    for network in NETWORKS:
        cells = [cell for cell in toolset.cells if toolset[cell].name.startswith(network)]
        fitting = (nearest_cell(toolset, cells, step) for step in nominal.steps)
        cell = next((cell for cell in fitting if cell is not None), cells[0])
        rows[network] = f"single {toolset[cell].name}"
    return rows


def single_notes(experiment: Experiment) -> list[str]:
    """Notes on how the single distortions were made, and how the single networks were chosen."""
    folder = csiq_folder(experiment)
    if folder is None:
        kinds = "; ".join(f"{row}: {', '.join(levels)}" for row, levels in MADE.items())
        data = (
            f"AWGN, JPEG and blur are made here from the same photographs, at five levels each ({kinds}; noise by its "
            "standard deviation of 255, JPEG by its quality, blur by its taps); the paper's are those of CSIQ, 30 "
            "photographs. Give --csiq its folder to measure on it."
        )
    else:
        data = f"AWGN, JPEG and blur are CSIQ's ({folder}), 30 photographs at five levels, as in the paper."
    rule = (
        "A single network runs once. Where it has several degrees, the one made for the nearest strength of its own "
        "kind of distortion runs, which somebody would have to know; the weakest where there is none of that kind. "
        "The networks here are the toolset's, each trained on its own kind of distortion alone (see their cards); the "
        "paper's single networks were trained on hybrid distortions, too."
    )
    if folder is not None:
        rule += " CSIQ's levels 1 and 2 count as the weakest of three strengths, 3 as the middle, 4 and 5 as the last."
    return [data, rule]
