"""`hirl evaluate-tools`: measures every tool on its own distortion."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from hirl_agents.common.tiling import tiled
from hirl_env.data.photographs import image_sources
from hirl_env.data.samples import Sample
from hirl_env.quality import ssim
from hirl_env.tools.known import toolsets
from hirl_env.tools.toolset import AnyPrecision, Cell, Precision, Toolset, available_precision
from hirl_experiments.evaluation.sampling import begin, evaluation_samples
from hirl_experiments.io.output import at_least, print_table, write_json

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
    at_least(0, seed=seed)
    photographs = image_sources.resolve(images)
    tools = tiled(toolsets.resolve(toolset).on(device))
    rows = []
    for family, names in SETTINGS.items():
        for name in names:
            cells = [cell for cell in tools.cells if (own := tools[cell].undoes) is not None and own.family == family]
            sums = {cell: Sums() for cell in cells}
            starts = evaluation_samples(photographs, name, crop, 1, seed)
            for start in tqdm(starts, desc=name, total=len(photographs), unit="image", leave=False, disable=None):
                for cell in cells:
                    sums[cell].add(start, tools, cell, precision)
            rows += [{"distortion": name, "tool": tools[cell].name, **sums[cell].means()} for cell in cells]
    print_table(f"{photographs.name}: every tool on its own distortion", rows, DECIMALS)
    if json is not None:
        write_json(json, settings, rows)


class Sums:
    """Adds up what one tool does to images."""

    def __init__(self) -> None:
        self.totals = dict.fromkeys(("psnr_before", "psnr", "ssim_before", "ssim"), 0.0)
        self.images = 0

    def add(self, start: Sample, tools: Toolset, cell: Cell, precision: Precision) -> None:
        """Applies the tool to one image."""
        restoration = begin([start], tools, precision)
        for after in (False, True):
            if after:
                restoration.step([cell])
            suffix = "" if after else "_before"
            self.totals[f"psnr{suffix}"] += float(restoration.state.scores[0])
            self.totals[f"ssim{suffix}"] += ssim(restoration.state.images, restoration.state.references).item()
        self.images += 1

    def means(self) -> dict[str, float]:
        """PSNR (dB) and SSIM before and after, the gain in PSNR, and the number of images."""
        means = {name: total / self.images for name, total in self.totals.items()}
        return {**means, "gain": means["psnr"] - means["psnr_before"], "images": self.images}
