"""`hirl fixed-path`: finds the path of tools that gains most on a suite when every image takes it."""

from __future__ import annotations

from collections.abc import Iterator

from tqdm import tqdm

from hirl_agents.common.tiling import tiled
from hirl_agents.search import best_chain
from hirl_env.data.photographs import image_sources
from hirl_env.data.suites import suites
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least
from hirl_experiments.evaluation.sampling import batches, begin
from hirl_experiments.evaluation.scores import CAP


def fixed_path(
    images: str,
    suite: str = "unknown-v1",
    length: int = 2,
    crop: int = 64,
    per_image: int = 1,
    seed: int = 1,
    toolset: str = "hirl",
    precision: AnyPrecision = "float32",
    device: str = "cpu",
) -> None:
    """Find the path of tools that gains most on a suite when every image takes it.

    The fixed paths that hirl benchmark scores against were found this way, once, on training photographs.

    Args:
        images: Clean photographs: a folder or a name.
        suite: Suite whose degradations are applied.
        length: Longest path.
        crop: Side of the crops in pixels.
        per_image: Number of crops of each photograph and part of the suite.
        seed: Seed of crops and degradations.
        toolset: Tools to choose among, as in hirl evaluate.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
    """
    precision = available_precision(precision, device)
    at_least(1, length=length, crop=crop, per_image=per_image)
    at_least(0, seed=seed)
    tools = tiled(toolsets.resolve(toolset).to(device))
    photographs, chosen = image_sources.resolve(images), suites.resolve(suite)
    total = len(chosen.parts) * per_image * len(photographs)
    with tqdm(total=total, desc="paths", unit="crop", leave=False, disable=None) as bar:

        def starts() -> Iterator[Restoration]:
            for part in chosen.parts:
                for batch in batches(chosen.samples(photographs, part, crop, per_image, seed)):
                    yield begin(batch, tools, precision)
                    bar.update(len(batch))

        path, gain = best_chain(starts(), length, CAP)
    names = ",".join(map(tools.name_of, path))
    print(f"{chosen.name}: {names or 'doing nothing'} gains {gain:+.2f} dB")
