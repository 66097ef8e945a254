"""`hirl demo`: restores the embedded photographs with every search and with the agent, and draws what was done."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal, get_args

from hirl_agents.restorer import Restorer
from hirl_agents.search import SearchResult
from hirl_env.data.degradations import LEVELS
from hirl_env.data.photographs import image_sources
from hirl_env.data.samples import Sample
from hirl_env.devices import AnyPrecision, Precision, available_precision
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import at_least, check_writable, some
from hirl_experiments.command_line.results import print_table, write_json
from hirl_experiments.evaluation.method import Method
from hirl_experiments.evaluation.methods import BruteForce, Follow, Greedy, open_methods
from hirl_experiments.evaluation.runner import DECIMALS, Row, Runner, as_json
from hirl_experiments.evaluation.sampling import evaluation_samples
from hirl_experiments.reporting.figures import save_figure
from hirl_experiments.reporting.gallery import gallery
from hirl_experiments.reporting.paths import Result, draw_paths

Part = Literal["gallery", "levels"]
FIGURES: dict[Part, tuple[str, ...]] = {"gallery": ("gallery",), "levels": LEVELS}


def demo(
    out: Path = Path("demo"),
    depth: int = 2,
    crop: int = 128,
    seed: int = 0,
    precision: AnyPrecision = "float32",
    parts: tuple[Part, ...] = get_args(Part),
) -> None:
    """Degrade the embedded photographs, restore them, and draw what was done.

    The gallery (gallery.png) is eight pictures before and after: what people bring, and what needs nothing, restored by
    the agent. At the three levels, searches and the agent restore crops of all photographs: a figure of their paths for
    each level, and a table, which is printed and saved as demo.json. Needs no data and no network.

    Args:
        out: Folder for the figures and the table.
        depth: Longest path that greedy and brute force try; 3 takes sixteen times as long.
        crop: Side of the crops in pixels; twice the side takes four times as long.
        seed: Seed of the crops and of the noise.
        precision: Precision of the tools' convolutions: float32, bf16, or auto (bf16 where the hardware has it).
        parts: Parts to draw: gallery, levels.
    """
    precision = available_precision(precision, "cpu")
    at_least(0, seed=seed)
    at_least(1, depth=depth, crop=crop)
    some(parts=parts)
    check_writable(folder=out)
    for part in parts:
        for figure in FIGURES[part]:
            check_writable(figure=out / f"{figure}.png")
    if "levels" in parts:
        check_writable(json=out / "demo.json")
    if "gallery" in parts:
        save_figure(gallery(Restorer("hirl", precision=precision), seed), out / "gallery.png")
        print(f"wrote {out / 'gallery.png'}")
    if "levels" in parts:
        _levels(out, depth, crop, seed, precision)


def _levels(out: Path, depth: int, crop: int, seed: int, precision: Precision) -> None:
    """A figure for each level, and a table of all."""
    photographs = image_sources.resolve("photos")
    toolset = toolsets.resolve("hirl")
    own: dict[str, Method] = {"greedy": Greedy(depth), "brute-force": BruteForce(depth), "hirl": Follow()}
    methods = open_methods(("distorted", "single", "reverse"), toolset)
    methods |= {name: method.open(name, toolset) for name, method in own.items()}
    rows: list[Row] = []
    for level in LEVELS:
        results: list[Result] = []
        samples = evaluation_samples(photographs, level, crop, 1, seed)
        runner = Runner(methods, toolset, precision, on_batch=partial(_collect, results))
        rows += runner.rows(samples, len(photographs), level)
        figure = out / f"{level}.png"
        draw_paths(results, toolset, level, figure)
        print(f"wrote {figure}")
    print_table(f"{len(photographs)} photographs, crops of {crop}x{crop}", as_json(rows), DECIMALS)
    write_json(out / "demo.json", {"depth": depth, "crop": crop, "seed": seed, "precision": precision}, as_json(rows))


def _collect(results: list[Result], batch: list[Sample], found: dict[str, SearchResult]) -> None:
    results.extend((sample, found, row) for row, sample in enumerate(batch))
