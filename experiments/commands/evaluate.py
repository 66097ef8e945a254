"""`hirl evaluate`: measures restoration methods on a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hirl_agents.common.tiling import tiled
from hirl_env.data.degradations import LEVELS, degradations
from hirl_env.data.photographs import open_photographs
from hirl_env.tools.known import open_toolset
from hirl_env.tools.toolset import Precision
from hirl_experiments.evaluation.methods import (
    Options,
    Row,
    as_json,
    blind_measure,
    evaluate_level,
    load_agents,
    load_peers,
)
from hirl_experiments.evaluation.sampling import starts_of
from hirl_experiments.io.output import at_least, check_writable, print_table, write_json

# The keys of METHODS, spelt out for --help.
MethodName = Literal[
    "distorted",
    "single",
    "chain",
    "reverse",
    "greedy",
    "brute-force",
    "hirl",
    "hirl-stops",
    "flat-dqn",
    "hirl-search",
    "pixel-rl",
    "rl-restore",
]
DECIMALS = {"psnr": 2, "ssim": 4, "gain": 2, "trials": 1, "seconds": 1, "images": 0}


def evaluate(
    images: str,
    levels: tuple[str, ...] = LEVELS,
    methods: tuple[MethodName, ...] = (
        "distorted",
        "single",
        "reverse",
        "greedy",
        "brute-force",
        "hirl",
        "hirl-search",
    ),
    chain: tuple[str, ...] = ("deblur-2", "dejpeg-0"),
    depth: int = 3,
    max_steps: int | None = None,
    budgets: tuple[int, ...] = (9, 90),
    measure: str = "hirl-biqa",
    agent: str = "hirl-paper",
    flat_dqn: Path | None = None,
    pixel_rl: Path | None = None,
    rl_restore: Path | None = None,
    crop: int | None = 64,
    per_image: int = 1,
    seed: int = 0,
    toolset: str = "paper",
    precision: Precision = "float32",
    device: str = "cpu",
    json: Path | None = None,
) -> None:
    """Distort photographs, restore them with every method, and print what each gains and costs.

    Args:
        images: Photographs: a folder, or a name (photos, div2k-valid, cbsd68, kodak24, ...).
        levels: Degradations: mild, moderate, severe, noise-25, jpeg-10, blur-15, rl-restore-moderate, ...
        methods: What to run. single runs every tool alone, chain the same few on every picture; reverse, greedy,
            brute-force and hirl-search see the reference; hirl and flat-dqn stop by their values, rl-restore by its own
            action, without one (of hirl and rl-restore, "reference stop" is shown beside); hirl-stops stops by blind
            quality, and not at all. rl-restore uses its own twelve tools. pixel-rl uses none: it takes five steps,
            shown as trials, and every pixel chooses among nine filters.
        chain: Tools of the method chain, as TYPE-DEGREE.
        depth: Longest path that greedy and brute force try.
        max_steps: Longest path of the agents and of hirl-search. Default: that of the agents' training.
        budgets: Trials an image that hirl-search may spend; a row for each.
        measure: Blind measure by which hirl-stops stops.
        agent: Who chooses in the methods hirl, hirl-stops and hirl-search: hirl, or a .safetensors file that hirl train
            wrote.
        flat_dqn: Who chooses in the method flat-dqn: a .safetensors file written by hirl train --preset flat-dqn.
            Default: the shipped one.
        pixel_rl: Who acts in the method pixel-rl: a .safetensors file written by hirl train-pixel-rl. Default: the
            shipped one.
        rl_restore: Who chooses in the method rl-restore: a .safetensors file written by hirl train --preset rl-restore,
            or the authors' weights as an .npz file (see agents/rl_restore/released.py).
        crop: Side of the crops in pixels, or None for whole photographs.
        per_image: Crops of each photograph.
        seed: Of the crops and of the noise.
        toolset: Name of the toolset, or where RL-Restore's twelve tools are: an .npz or .safetensors file, or a folder.
        precision: In which the tools run.
        device: Where they run: cpu, cuda, mps.
        json: Also write settings and rows to this file, after each level.
    """
    levels, methods = tuple(dict.fromkeys(levels)), tuple(dict.fromkeys(methods))
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    at_least(1, per_image=per_image, depth=depth, max_steps=max_steps)
    at_least(0, seed=seed)
    if not levels or not methods:
        raise ValueError("--levels and --methods need at least one each")
    # All that may be wrong is looked at now: what is asked last runs hours later.
    for method, weights in {"flat-dqn": flat_dqn, "pixel-rl": pixel_rl, "rl-restore": rl_restore}.items():
        if weights is not None and method not in methods:
            raise ValueError(f"--{method} {weights} is for the method {method}: name it in --methods")
    if "hirl-search" in methods and (not budgets or budgets[0] < 1 or list(budgets) != sorted(set(budgets))):
        raise ValueError(f"--budgets must be positive and rising, got {' '.join(map(str, budgets)) or 'none'}")
    judge = blind_measure(measure, "--measure") if "hirl-stops" in methods else None
    distortions = {level: degradations.resolve(level) for level in levels}
    photographs = open_photographs(images)
    tools = tiled(open_toolset(toolset).on(device))
    cells = tuple(tools.cell(name) for name in chain) if "chain" in methods else ()
    options = Options(
        chain=cells,
        depth=depth,
        max_steps=max_steps,
        budgets=budgets,
        measure=judge,
        **load_agents(methods, tools, agent, flat_dqn),
        **load_peers(methods, tools, pixel_rl, rl_restore),
    )
    rows: list[Row] = []
    for level, distortion in distortions.items():
        starts = starts_of(photographs, distortion, crop, per_image, seed)
        rows += evaluate_level(starts, len(photographs) * per_image, level, methods, options, tools, precision)
        if json is not None:
            write_json(json, settings, as_json(rows))
    print_table(f"{photographs.name}: means per image; seconds are for all", as_json(rows), DECIMALS)
