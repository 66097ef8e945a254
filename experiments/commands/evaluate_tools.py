"""`hirl evaluate-tools`: measures every tool on its own distortion, and whether it shifts the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from hirl_agents.common.tiling import tiled
from hirl_env.data.degradations import GaussianBlur
from hirl_env.data.photographs import Photographs, image_sources
from hirl_env.devices import AnyPrecision, Precision, available_precision
from hirl_env.tools.registry import toolsets
from hirl_env.tools.toolset import Cell, Toolset
from hirl_experiments.command_line.checks import at_least, check_writable, some
from hirl_experiments.command_line.invocation import command_line
from hirl_experiments.command_line.results import markdown_table, print_table, write_json, write_markdown
from hirl_experiments.evaluation.agreement import SETTINGS
from hirl_experiments.evaluation.method import Run
from hirl_experiments.evaluation.methods import Chain, Distorted
from hirl_experiments.evaluation.runner import Row, Runner
from hirl_experiments.evaluation.sampling import evaluation_samples
from hirl_experiments.evaluation.translation import moves

BLURS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # standard deviations of centred blurs, pixels
Part = Literal["gains", "translations"]
Table = tuple[str, list[dict[str, Any]], dict[str, int]]  # title, rows, decimals
DECIMALS = {"psnr_before": 2, "psnr": 2, "gain": 2, "ssim_before": 4, "ssim": 4, "images": 0}


def evaluate_tools(
    images: str,
    json: Path | None = None,
    markdown: Path | None = None,
    crop: int | None = None,
    seed: int = 0,
    toolset: str = "paper",
    precision: AnyPrecision = "float32",
    device: str = "cpu",
    parts: tuple[Part, ...] = ("gains",),
) -> None:
    """Measure every tool on its own distortion at the paper's three settings, and by how much it shifts pictures.

    Prints PSNR and SSIM before and after; and, for centred blurs, by how many pixels the restored image is shifted
    against the original, averaged over the photographs. A tool that only restores does not shift it.

    Args:
        images: Photographs: a folder, or a name (photos, cbsd68, kodak24, ...).
        json: File to write settings and rows to; - for standard output.
        markdown: File to write the tables to in Markdown, under the command that made them.
        crop: Side of a random crop of each photograph; default: whole photographs.
        seed: Seed of the noise and the crops.
        toolset: Tools to measure, as in hirl evaluate.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        parts: Parts to measure: gains, translations.
    """
    precision = available_precision(precision, device)
    arguments = locals()
    settings = {key: value for key, value in arguments.items() if key not in ("json", "markdown")}
    command = command_line(evaluate_tools, {**arguments, "json": None, "markdown": None})
    check_writable(json, markdown)
    at_least(0, seed=seed)
    some(parts=parts)
    photographs = image_sources.resolve(images)
    tools = tiled(toolsets.resolve(toolset).to(device))
    tables: list[str] = []
    rows: list[dict[str, Any]] = []
    for part in parts:
        title, found, decimals = PARTS[part](photographs, crop, seed, tools, precision)
        print_table(f"{photographs.name}: {title}", found, decimals)
        tables.append(f"{title[0].upper()}{title[1:]}:\n\n{markdown_table(found, decimals)}")
        rows += found
    if json is not None:
        write_json(json, settings, rows)
    if markdown is not None:
        write_markdown(markdown, command, tables)


def _gains(photographs: Photographs, crop: int | None, seed: int, tools: Toolset, precision: Precision) -> Table:
    rows: list[dict[str, Any]] = []
    for family, names in SETTINGS.items():
        methods = _specialists(tools, family)
        for name in names if methods else ():
            samples = evaluation_samples(photographs, name, crop, 1, seed)
            everything = {"distorted": Distorted().open("distorted", tools), **methods}
            before, *after = Runner(everything, tools, precision).rows(samples, len(photographs), name)
            rows += [_row(before, one) for one in after]
    return "every tool on its own distortion", rows, DECIMALS


def _translations(photographs: Photographs, crop: int | None, seed: int, tools: Toolset, precision: Precision) -> Table:
    columns: dict[str, dict[Cell | None, float]] = {}
    for sigma in tqdm(BLURS, desc="translations", unit="blur", leave=False, disable=None):
        blurred = evaluation_samples(photographs, GaussianBlur.of_sigma(sigma), crop, 1, seed)
        columns[f"sigma {sigma:g}"] = moves(blurred, tools, precision)
    # Without a tool nothing is shifted, so that row shows the error of the measurement.
    rows: list[dict[str, Any]] = [
        {"tool": "none" if cell is None else tools[cell].name} | {name: by[cell] for name, by in columns.items()}
        for cell in (None, *tools.cells)
    ]
    return "by how many pixels every tool moves centred blurs", rows, dict.fromkeys(columns, 3)


PARTS = {"gains": _gains, "translations": _translations}


def _specialists(tools: Toolset, family: str) -> dict[str, Run]:
    """Runs that apply each tool for a family of distortions once, by the tool's name."""
    chosen = [cell for cell in tools.cells if (own := tools[cell].undoes) is not None and own.family == family]
    return {tools[cell].name: Chain((tools.name_of(cell),)).open(tools[cell].name, tools) for cell in chosen}


def _row(before: Row, after: Row) -> dict[str, Any]:
    """A row of the table, from the measurements before and after a tool."""
    return {
        **{"distortion": after.degradation, "tool": after.method},
        **{"psnr_before": before.psnr, "psnr": after.psnr, "ssim_before": before.ssim, "ssim": after.ssim},
        **{"gain": after.gain, "images": after.images},
    }
