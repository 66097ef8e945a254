"""`hirl calibrate`: fits the stop margin of a trained agent to photographs, within a bound on harm."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hirl_agents.agent import q_agent
from hirl_agents.calibration import doubt_and_margins, full_paths
from hirl_agents.loading import check_tools
from hirl_agents.networks import SUFFIX, FlatQ, TwoLevelQ, save_q
from hirl_agents.registry import agents
from hirl_env.data.photographs import Photographs, image_sources
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, check_free, check_writable, some
from hirl_experiments.evaluation.sampling import batches, begin, evaluation_samples
from hirl_experiments.evaluation.scores import CAP
from hirl_experiments.training.seeds import spaced_seeds

PARTS = 4  # of the photographs, for cross-validation


def calibrate(
    agent: str,
    images: str,
    out: Path,
    degradations: tuple[str, ...] = ("everything", "light"),
    harm: float = 0.02,
    per_image: int = 4,
    seed: int = 0,
    toolset: str = "hirl",
    precision: AnyPrecision = "float32",
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Fit the stop margin of an agent to photographs, within a bound on harm.

    The margin is how far above zero the best value must be for a step to be taken; doubt asks for so many standard
    deviations between the turns of an image beyond that. Written is the same network with the doubt and the margins
    (one for each tool used last, where the network sees it) that gain most in PSNR (at most 50 dB an image) among those
    that harm no more images than may be: by over 0.1 dB, or by any step on a clean one.

    Args:
        agent: HIRL or a flat DQN: a name, or a file that hirl train wrote.
        images: Clean photographs that were not trained on, at least two: a folder or a name.
        out: File to write, .safetensors.
        degradations: Names of degradations; crops of each photograph are distorted by each of them.
        harm: Largest share of images that may be harmed, 0 to 1.
        per_image: Number of crops of each photograph and degradation.
        seed: Seed of crops and degradations.
        toolset: Toolset that the agent was trained with, as of hirl restore.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        force: Whether a file may be overwritten.
    """
    precision = available_precision(precision, device)
    at_least(1, per_image=per_image)
    at_least(0, seed=seed)
    some(degradations=degradations)
    if not 0 <= harm <= 1:
        raise ValueError(f"--harm must lie in 0 to 1, got {harm}")
    if out.suffix != SUFFIX:
        raise ValueError(f"--out {out}: name a file that ends in {SUFFIX}")
    check_free([out], force)
    check_writable(file=out)
    tools = toolsets.resolve(toolset).to(device)
    network = agents.resolve(agent)
    if not isinstance(network, TwoLevelQ | FlatQ):
        raise ValueError(f"--agent {agent}: has no stop margin; give one of HIRL or of a flat DQN")
    check_tools(network, tools)
    network.to(tools.device)
    photographs = image_sources.resolve(images).readable(network.view)
    if len(photographs) < 2:
        raise ValueError(f"--images {images}: cross-validation needs at least two photographs")
    no_margins = np.zeros(len(network.stop_margin))
    sure, doubting = (q_agent(network.with_stop_margin(no_margins, doubt)) for doubt in (0, 1))
    total = len(degradations) * per_image * len(photographs)
    with tqdm(total=total, desc="paths", unit="crop", leave=False, disable=None) as bar:

        def starts(part: Photographs, own_seed: int) -> Iterator[Restoration]:
            for degradation in degradations:
                for batch in batches(evaluation_samples(part, degradation, network.view, per_image, own_seed)):
                    yield begin(batch, tools, precision)
                    bar.update(len(batch))

        folds = _parts(photographs)
        # Parts are numbered from their first photograph on: with one seed they would all draw the same distortions.
        seeds = spaced_seeds(seed, len(folds), width=1)
        parts = [
            full_paths(starts(part, own_seed), sure, network.max_steps, CAP, doubting)
            for part, own_seed in zip(folds, seeds, strict=True)
        ]
    doubt, margins = doubt_and_margins(parts, network.sees_tool, harm)
    save_q(network.with_stop_margin(margins, doubt).trained_with(tools), out)
    harmed = reduce(add, parts).doubted(doubt).harm(margins)
    print(
        f"wrote {out}; its doubt: {doubt}; its stop margins: {' '.join(f'{margin:.3f}' for margin in margins)}; of the "
        f"crops that they were fitted to, it harms {harmed:.1%}"
    )


def _parts(photographs: Photographs) -> list[Photographs]:
    """Parts of about equal size."""
    parts, rest = [], photographs
    for left in range(min(PARTS, len(photographs)), 1, -1):
        rest, part = rest.split(len(rest) // left)
        parts.append(part)
    return [*parts, rest]
