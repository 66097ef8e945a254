"""`hirl evaluate-tools`: measures every tool on its own distortion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hirl_agents.common.tiling import tiled
from hirl_env.data.photographs import image_sources
from hirl_env.tools.known import toolsets
from hirl_env.tools.toolset import AnyPrecision, Toolset, available_precision
from hirl_experiments.evaluation.methods import Chain, Distorted, Run
from hirl_experiments.evaluation.runner import Row, evaluate_level
from hirl_experiments.evaluation.sampling import evaluation_samples
from hirl_experiments.io.output import at_least, check_writable, print_table, write_json

# The three settings at which the paper trains and tests the tools of each type (section 3.1).
SETTINGS = {
    "noise": ("noise-15", "noise-25", "noise-35"),
    "jpeg": ("jpeg-30", "jpeg-20", "jpeg-10"),
    "blur": ("blur-5", "blur-10", "blur-15"),
}
DECIMALS = {"psnr_before": 2, "psnr": 2, "gain": 2, "ssim_before": 4, "ssim": 4, "images": 0}


def evaluate_tools(
    images: str,
    json: Path | None = None,
    crop: int | None = None,
    seed: int = 0,
    toolset: str = "paper",
    precision: AnyPrecision = "float32",
    device: str = "cpu",
) -> None:
    """Measure every tool on its own distortion at the paper's three settings, before and after.

    Args:
        images: Photographs: a folder, or a name (photos, cbsd68, kodak24, ...).
        json: File to write settings and rows to.
        crop: Side of a random crop of each photograph; default: whole photographs.
        seed: Seed of the noise and the crops.
        toolset: Tools to measure, as of hirl evaluate.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device that they run on: cpu, cuda, mps, or auto.
    """
    precision = available_precision(precision, device)
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    at_least(0, seed=seed)
    photographs = image_sources.resolve(images)
    tools = tiled(toolsets.resolve(toolset).on(device))
    rows: list[dict[str, Any]] = []
    for family, names in SETTINGS.items():
        methods = _specialists(tools, family)
        for name in names if methods else ():
            samples = evaluation_samples(photographs, name, crop, 1, seed)
            everything = {"distorted": Distorted().open("distorted", tools), **methods}
            before, *after = evaluate_level(samples, len(photographs), name, everything, tools, precision)
            rows += [_row(before, one) for one in after]
    print_table(f"{photographs.name}: every tool on its own distortion", rows, DECIMALS)
    if json is not None:
        write_json(json, settings, rows)


def _specialists(tools: Toolset, family: str) -> dict[str, Run]:
    """Each tool that is made for a family of distortions, applied once, by its name."""
    chosen = [cell for cell in tools.cells if (own := tools[cell].undoes) is not None and own.family == family]
    return {
        tools[cell].name: Chain((f"{tools.types[cell[0]]}-{cell[1]}",)).open(tools[cell].name, tools) for cell in chosen
    }


def _row(before: Row, after: Row) -> dict[str, Any]:
    """A row of the table, from what was measured before and after a tool."""
    return {
        **{"distortion": after.level, "tool": after.method},
        **{"psnr_before": before.psnr, "psnr": after.psnr, "ssim_before": before.ssim, "ssim": after.ssim},
        **{"gain": after.gain, "images": after.images},
    }
