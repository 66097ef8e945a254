"""`hirl evaluate`: measures restoration methods on a folder of photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import tyro

from hirl_agents.common.tiling import tiled
from hirl_agents.registry import AGENT_OF_TOOLSET
from hirl_env.data.degradations import LEVELS, degradations
from hirl_env.data.photographs import image_sources
from hirl_env.devices import AnyPrecision, available_device, available_precision
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, check_writable, some
from hirl_experiments.command_line.results import print_table, write_json
from hirl_experiments.distributed.parallel import map_on_cluster
from hirl_experiments.evaluation.methods import open_methods
from hirl_experiments.evaluation.runner import DECIMALS, Row, Runner, as_json
from hirl_experiments.evaluation.sampling import evaluation_samples

Part = tuple[str, tuple[str, ...]]  # a degradation, and methods to measure on it


@dataclass(frozen=True)
class EvaluationSettings:
    """The settings that the results of `hirl evaluate` depend on.

    Attributes:
        images: Photographs: a folder, or a name (photos, div2k-valid, cbsd68, kodak24, ...).
        degradations: Names of degradations: mild, moderate, severe, unknown, light, noise-25, jpeg-10, blur-15, ...
        methods: Methods to run. Default: distorted, single, reverse, greedy, brute-force, and the toolset's shipped
            agent alone, with stop=reference, and in a search.
        crop: Side of the crops in pixels, or None for whole photographs.
        per_image: Number of crops of each photograph.
        seed: Seed of the crops and of the noise.
        toolset: Tools: the name of a toolset, a YAML file that describes one, or the path of RL-Restore's twelve tools
            (.npz, .safetensors, or a folder).
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        trust: Whether agents may be .zip files of Stable-Baselines3: loading one runs code that it holds.
    """

    images: str
    degradations: tuple[str, ...] = LEVELS
    methods: tuple[str, ...] | None = None
    crop: int | None = 64
    per_image: int = 1
    seed: int = 0
    toolset: str = "paper"
    precision: AnyPrecision = "float32"
    device: str = "cpu"
    trust: bool = False


def evaluate(
    settings: Annotated[EvaluationSettings, tyro.conf.arg(name="")],
    json: Path | None = None,
    address: str | None = None,
) -> None:
    """Distort photographs, restore them with every method, and print what each gains in PSNR (at most 50 dB) and costs.

    A method is NAME or NAME:OPTION=VALUE,OPTION=VALUE. Agents: hirl-paper, flat-dqn and rl-restore-paper (for the
    toolset paper), hirl (for the toolset hirl), or a file of hirl train, Stable-Baselines3 (.zip) or RL-Restore's
    authors (.npz); their options are stop (value, reference, quality, steps), max_steps and measure. Searches that see
    the reference: greedy and brute-force (depth), search (agent, budgets, max_steps), as in
    search:agent=own.safetensors,budgets=9+90; and reverse, which knows the degradations.
    Others: distorted, single (every tool alone), chain (tools, as in chain:tools=deblur-2+dejpeg-0), pixel-rl (weights;
    five steps, shown as trials); with their authors' weights, owan:FILE and ffdnet:FILE (given the noise that was
    added).

    Args:
        settings: Settings of the evaluation.
        json: File to write settings and rows to, after each degradation; - for standard output.
        address: Address of a Ray cluster to run on, many methods at a time: HOST:PORT, or "auto" for the one that this
            machine is part of. All its nodes must have this package and see the files at the same paths. Default: this
            machine alone.
    """
    distortions = tuple(dict.fromkeys(settings.degradations))
    methods = tuple(dict.fromkeys(_default_methods(settings.toolset) if settings.methods is None else settings.methods))
    device = str(available_device(settings.device))
    precision = available_precision(settings.precision, device)
    settings = replace(settings, degradations=distortions, methods=methods, device=device, precision=precision)
    check_writable(json)
    at_least(1, per_image=settings.per_image)
    at_least(0, seed=settings.seed)
    some(degradations=distortions, methods=methods)
    measured = _opened(settings)  # everything is opened now, so that mistakes show before hours of computation
    if address is None:
        parts: list[Part] = [(distortion, methods) for distortion in distortions]
        results: Iterable[tuple[Part, list[Row]]] = map(measured, parts)
    else:
        parts = [(distortion, (method,)) for distortion in distortions for method in methods]
        results = map_on_cluster(address, settings.device, partial(_opened, settings), _lost, parts)
    finished: dict[Part, list[Row]] = {}
    rows: list[Row] = []
    for part, found in results:
        finished[part] = found
        rows = [row for one in parts for row in finished.get(one, ())]
        if json is not None:
            write_json(json, asdict(settings), as_json(rows))
    name = image_sources.resolve(settings.images).name
    print_table(f"{name}: means per image; seconds are for all", as_json(rows), DECIMALS)


def _default_methods(toolset: str) -> tuple[str, ...]:
    agent = AGENT_OF_TOOLSET.get(toolset)
    with_agent = () if agent is None else (agent, f"{agent}:stop=reference", f"search:agent={agent}")
    return ("distorted", "single", "reverse", "greedy", "brute-force", *with_agent)


def _lost(part: Part) -> NoReturn:
    distortion, methods = part
    raise OSError(
        f"{methods[0]} on {distortion}: workers died at it again and again; it may need more memory than they have"
    )


def _opened(settings: EvaluationSettings) -> Callable[[Part], tuple[Part, list[Row]]]:
    """A function that measures some methods on a degradation; raises ValueError if a setting is invalid."""
    resolved = {name: degradations.resolve(name) for name in settings.degradations}
    photographs = image_sources.resolve(settings.images)
    tools = tiled(toolsets.resolve(settings.toolset).to(settings.device))
    opened = open_methods(settings.methods or (), tools, settings.trust)
    precision = available_precision(settings.precision, settings.device)

    def measured(part: Part) -> tuple[Part, list[Row]]:
        name, methods = part
        samples = evaluation_samples(photographs, resolved[name], settings.crop, settings.per_image, settings.seed)
        runner = Runner({method: opened[method] for method in methods}, tools, precision)
        return part, runner.rows(samples, len(photographs) * settings.per_image, name)

    return measured
