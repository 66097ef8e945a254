"""`hirl evaluate-measures`: whether blind measures agree with those that see the reference, and cannot be gamed."""

from __future__ import annotations

from pathlib import Path

import hirl_env
from hirl_env.data.photographs import image_sources
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, blind_measure, check_writable, some
from hirl_experiments.command_line.results import print_table, write_json
from hirl_experiments.evaluation.agreement import CASES, FAMILIES, TRIED, measure_agreement


def evaluate_measures(
    images: str,
    measures: tuple[str, ...] = ("hirl-biqa",),
    against: tuple[str, ...] = ("fsim", "vsi", "ssim"),
    crop: int | None = 64,
    per_image: int = 1,
    seed: int = 0,
    precision: AnyPrecision = "float32",
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Compare blind measures with those that see the reference, on distorted and on restored pictures.

    Prints Spearman's rank correlation per distortion, on pictures of the three levels after random tools, and on both
    together. Also prints in how many cases a measure orders versions of a picture correctly (clean, mild, moderate,
    severe) and cannot be gamed: a tool applied five times to a clean picture, a stronger blur, and noise in the hues
    must each lower its score.

    Args:
        images: Clean photographs: a folder, or a name (photos, cbsd68, ...).
        measures: Blind measures.
        against: Measures that see the reference.
        crop: Side of the crops in pixels; None for whole photographs.
        per_image: Number of crops of each photograph.
        seed: Seed of crops, noise and tools.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device to compute on: cpu, cuda, mps, or auto.
        json: File to write settings and rows to; - for standard output.
    """
    precision = available_precision(precision, device)
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    at_least(1, per_image=per_image)
    at_least(0, seed=seed)
    some(measures=measures, against=against)
    blind = [blind_measure(name, "--measures") for name in measures]
    seeing = [hirl_env.measures.resolve(name) for name in against]
    toolset = toolsets.resolve("paper").to(device)
    photographs = image_sources.resolve(images)
    agreement = measure_agreement(photographs, crop, per_image, seed, toolset, precision, blind, seeing)
    correlations = [
        agreement.correlations(measure, seeing, group) for measure in blind for group in (*FAMILIES, *TRIED)
    ]
    cases = [agreement.rates(measure) for measure in blind]
    size = "whole" if crop is None else f"{agreement.count} crops of {crop}x{crop}"
    title = f"{photographs.name}, {size}"
    print_table(f"{title}: Spearman's rank correlation", correlations, {truth.name: 3 for truth in seeing})
    print_table(f"{title}: percent of cases", cases, dict.fromkeys(CASES, 1))
    if json is not None:
        write_json(json, settings, [*correlations, *cases])
