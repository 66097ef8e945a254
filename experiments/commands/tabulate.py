"""`hirl tabulate`: runs all paths of tools on a set of crops, once, and saves the results as a table."""

from __future__ import annotations

import itertools
from pathlib import Path

from hirl_env.data.photographs import image_sources
from hirl_env.data.suites import suites
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tabulate import spec_of
from hirl_env.tabulate import tabulate as fill
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, check_writable
from hirl_experiments.command_line.fingerprints import of_photographs, of_toolset

OBSERVED = 2  # images of longer paths are kept only if asked for


def tabulate(
    images: str,
    out: Path,
    suite: str = "unknown-v1",
    depth: int = 2,
    observed: int | None = None,
    crop: int = 64,
    per_image: int = 1,
    seed: int = 0,
    toolset: str = "hirl",
    measure: str = "psnr",
    precision: AnyPrecision = "float32",
    device: str = "cpu",
) -> None:
    """Run all paths of tools on a set of crops, once, and save the results as a table.

    HIRL-RestoreTable-v0 is the same environment over such a table, without running tools; hirl regret reads the optimal
    paths from it. With m tools a crop has 1 + m + m^2 + ... paths; the size of the table is printed first. Stop it with
    Ctrl-C, and the same command resumes where it stopped.

    Args:
        images: Clean photographs: a folder, or a name (photos, cbsd68, kodak24, ...).
        out: Folder of the table.
        suite: Suite whose degradations are applied, all its parts: unknown-v1, light-v1, levels-v1, rl-restore-v1.
        depth: Number of tools of the longest paths.
        observed: Number of tools of the longest paths whose images are kept, which bounds the episodes of the
            environment. Default: 2, or the depth if that is less.
        crop: Side of the crops in pixels.
        per_image: Number of crops of each photograph and part of the suite.
        seed: Seed of crops and degradations.
        toolset: Tools to choose among, as in hirl evaluate.
        measure: Measure whose gains are the rewards; a price on cost is set later, in the environment. psnr goes up to
            100 dB, so that clean images decide means; psnr-50 bounds it, as hirl benchmark does.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
    """
    precision = available_precision(precision, device)
    at_least(1, depth=depth, crop=crop, per_image=per_image)
    at_least(0, seed=seed, observed=observed)
    check_writable(folder=out)
    observed = min(depth, OBSERVED) if observed is None else observed
    if observed > depth:
        raise ValueError(f"--observed {observed}: paths are no longer than --depth {depth}")
    photographs, chosen = image_sources.resolve(images), suites.resolve(suite)
    tools = toolsets.resolve(toolset).to(device)
    restoration = Restoration(tools, measures.resolve(measure), precision=precision)
    samples = itertools.chain.from_iterable(
        chosen.samples(photographs, part, crop, per_image, seed) for part in chosen.parts
    )
    first = next(samples)  # refuses what cannot be cut before anything is written
    # Counted by reading, because len() includes files that are too small, or damaged and not read yet.
    count = sum(min(photograph.pixels.shape[:2]) >= crop for photograph in photographs) * per_image * len(chosen.parts)
    source = {
        **{"images": photographs.name, "suite": chosen.name, "seed": seed, "per_image": per_image},
        **{"toolset": toolset, "precision": precision},
        **{"photographs": of_photographs(photographs.files), "tools": of_toolset(toolset)},
    }
    spec = spec_of(restoration, count, crop, depth, observed, source)
    runs = count * (spec.nodes(depth) - 1)
    print(
        f"{count} crops with {spec.nodes(depth)} paths each, of up to {depth} of {spec.tools} tools: "
        f"{runs} runs of a tool, {spec.gflop / 1e3:.2f} TFLOP, {spec.bytes / 1e6:.1f} MB in {out}"
    )
    try:
        fill(itertools.chain([first], samples), restoration, spec, out)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on where it was") from None
    print(f"wrote {out}")
