"""`hirl evaluate`: measures restoration methods on a folder of photographs."""

from __future__ import annotations

from pathlib import Path

from hirl_agents.common.tiling import tiled
from hirl_env.data.degradations import LEVELS, degradations
from hirl_env.data.photographs import image_sources
from hirl_env.devices import AnyPrecision, available_precision
from hirl_env.tools.known import toolsets
from hirl_experiments.evaluation.methods import open_methods
from hirl_experiments.evaluation.runner import Row, as_json, evaluate_level
from hirl_experiments.evaluation.sampling import evaluation_samples
from hirl_experiments.io.output import at_least, check_writable, print_table, write_json

DECIMALS = {"psnr": 2, "ssim": 4, "gain": 2, "trials": 1, "seconds": 1, "images": 0}
AGENT = "hirl-paper"  # of the default toolset
METHODS = (
    "distorted",
    "single",
    "reverse",
    "greedy",
    "brute-force",
    AGENT,
    f"{AGENT}:stop=reference",
    f"search:agent={AGENT}",
)


def evaluate(
    images: str,
    levels: tuple[str, ...] = LEVELS,
    methods: tuple[str, ...] = METHODS,
    crop: int | None = 64,
    per_image: int = 1,
    seed: int = 0,
    toolset: str = "paper",
    precision: AnyPrecision = "float32",
    device: str = "cpu",
    json: Path | None = None,
    trust: bool = False,
) -> None:
    """Distort photographs, restore them with every method, and print what each gains and costs.

    A method is NAME or NAME:OPTION=VALUE,OPTION=VALUE. Agents: hirl, hirl-cautious, hirl-paper, flat-dqn, or a file of
    hirl train, Stable-Baselines3 (.zip) or RL-Restore's authors (.npz); their options are stop (value, reference,
    quality, steps), max_steps and measure. Searches that see the reference: reverse, greedy and brute-force (depth),
    search (agent, budgets, max_steps), as in search:agent=own.safetensors,budgets=9+90. Others: distorted, single
    (every tool alone), chain (tools, as in chain:tools=deblur-2+dejpeg-0), pixel-rl (weights; five steps, shown as
    trials).

    Args:
        images: Photographs: a folder, or a name (photos, div2k-valid, cbsd68, kodak24, ...).
        levels: Degradations: mild, moderate, severe, unknown, light, noise-25, jpeg-10, blur-15, ...
        methods: Methods to run.
        crop: Side of the crops in pixels, or None for whole photographs.
        per_image: Number of crops of each photograph.
        seed: Seed of the crops and of the noise.
        toolset: Tools: the name of a toolset, a YAML file that describes one, or where RL-Restore's twelve are (.npz,
            .safetensors, or a folder).
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device that they run on: cpu, cuda, mps, or auto.
        json: File to write settings and rows to, after each level.
        trust: Whether agents may be .zip files of Stable-Baselines3: loading one runs code that it holds.
    """
    precision = available_precision(precision, device)
    levels, methods = tuple(dict.fromkeys(levels)), tuple(dict.fromkeys(methods))
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    at_least(1, per_image=per_image)
    at_least(0, seed=seed)
    if not levels or not methods:
        raise ValueError("--levels and --methods need at least one each")
    # All that may be wrong is looked at now: what is asked last runs hours later.
    distortions = {level: degradations.resolve(level) for level in levels}
    photographs = image_sources.resolve(images)
    tools = tiled(toolsets.resolve(toolset).on(device))
    opened = open_methods(methods, tools, trust)
    rows: list[Row] = []
    for level, distortion in distortions.items():
        samples = evaluation_samples(photographs, distortion, crop, per_image, seed)
        rows += evaluate_level(samples, len(photographs) * per_image, level, opened, tools, precision)
        if json is not None:
            write_json(json, settings, as_json(rows))
    print_table(f"{photographs.name}: means per image; seconds are for all", as_json(rows), DECIMALS)
