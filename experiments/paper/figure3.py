"""Figure 3: the same distorted pictures restored by each method, for visual comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tqdm import tqdm

from hirl_env.data.images import read_image, to_tensor
from hirl_env.data.samples import Sample
from hirl_env.quality import psnr, ssim
from hirl_experiments.command_line.records import Records
from hirl_experiments.evaluation.method import Run
from hirl_experiments.evaluation.sampling import begin
from hirl_experiments.paper.distortions import network_rows, single_notes, table1_rows
from hirl_experiments.paper.experiment import Distortion, Experiment
from hirl_experiments.paper.report import Report, publish
from hirl_experiments.paper.table1 import COLUMNS
from hirl_experiments.reporting.figures import save_image, show

PANEL = 1.9  # inches
ENLARGED = 64  # side of the part that is shown enlarged, in pixels; half the picture where that is less
TITLE = "Figure 3: the same pictures restored by each method"


def figure3(experiment: Experiment) -> None:
    """Restores a few pictures of each distortion and draws the results.

    The pictures are also saved whole, in figure3/DISTORTION/.
    """
    methods = ("distorted", "single", *experiment.baselines, "hirl")
    opened = experiment.methods(methods)
    # Of the single distortions, the middle one of the five levels.
    distortions = {row: levels[len(levels) // 2] for row, levels in table1_rows(experiment).items()}
    every = [distortion.photographs for distortion in distortions.values()]
    # Other weights would overwrite the pictures.
    settings = {"pictures": experiment.settings.pictures, "weights": experiment.weights(methods)}
    records = experiment.records("figure3", (), *every, **settings)
    rows: list[dict[str, Any]] = []
    table: list[dict[str, str]] = []
    figures: dict[str, Figure] = {}
    for name, distortion in tqdm(distortions.items(), desc="figure 3", leave=False, disable=None):
        lines = []
        for number, sample in enumerate(experiment.chosen(distortion.photographs, distortion.degradation)):
            restored = _restored(experiment, number, sample, distortion, opened, records)
            rows += [
                {"distortion": name, "degradation": distortion.name, "photograph": sample.name, **one}
                for one in restored
            ]
            scores = {one["column"]: f"{one['psnr']:.2f}/{one['ssim']:.4f}" for one in restored}
            table.append({"distortion": name, "photograph": sample.name, **scores})
            lines.append((sample, restored))
        title = name if name == distortion.name else f"{name} ({distortion.name})"
        figures[f"figure3-{name.lower()}"] = _figure(title, lines, experiment.settings.out)
    notes = [
        "Photographs are spread evenly over the source; the part shown enlarged is where the reference varies most.",
        "Of the single distortions, the middle one of five levels. PSNR (dB) / SSIM are of the whole picture or crop.",
        *single_notes(experiment),
        experiment.about_rl_restore(),
        *experiment.notes(),
    ]
    publish(Report("figure3", TITLE, table, rows, notes, figures), experiment)


def _restored(
    experiment: Experiment,
    number: int,
    sample: Sample,
    distortion: Distortion,
    methods: Mapping[str, Run],
    records: Records,
) -> list[dict[str, Any]]:
    """The columns of a picture: scores, and the file of the result."""
    begun = begin([sample], experiment.toolset, experiment.precision)
    networks = {row: network for network, row in network_rows(experiment.toolset, distortion.nominal).items()}
    out, folder = experiment.settings.out, Path("figure3", distortion.name)
    columns: list[dict[str, Any]] = []
    for method, run in methods.items():
        key = (distortion.name, number, method)
        if key not in records or not all((out / one["file"]).exists() for one in records[key]):
            made = []
            for found in run(begun, [distortion.nominal]):
                for row, result in found.items():
                    column = COLUMNS.get(networks.get(row, row))
                    if column is not None:
                        file = folder / f"{number}-{sample.name}.{row.replace(' ', '-')}.png"
                        # Tools need not clamp, but a picture has values in [0, 1].
                        restored, references = result.state.images.clamp(0, 1), result.state.references
                        save_image(restored[0], out / file)
                        scores = {"psnr": float(psnr(restored, references)), "ssim": float(ssim(restored, references))}
                        made.append({"column": column, **scores, "file": str(file)})
            records[key] = made
        columns += records[key]
    order = list(COLUMNS.values())
    return sorted(columns, key=lambda one: order.index(one["column"]))


def _figure(title: str, lines: Sequence[tuple[Sample, Sequence[Mapping[str, Any]]]], out: Path) -> Figure:
    """A row per picture: the reference with a frame, then what is in the frame, restored by each method."""
    columns = 2 + len(lines[0][1])
    figure = Figure(figsize=(PANEL * columns, (PANEL + 0.4) * len(lines) + 0.4), layout="constrained")
    axes = figure.subplots(len(lines), columns, squeeze=False)
    for (sample, restored), line in zip(lines, axes, strict=True):
        assert sample.reference is not None
        top, left, side = _busiest(sample.reference)
        part = (slice(None), slice(top, top + side), slice(left, left + side))
        show(line[0], sample.reference, sample.name)
        line[0].add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor="yellow", linewidth=1.5))
        show(line[1], sample.reference[part], "reference")
        for one, axis in zip(restored, line[2:], strict=True):
            image = to_tensor(read_image(out / one["file"]))
            show(axis, image[part], f"{one['column']}\n{one['psnr']:.2f} dB / {one['ssim']:.4f}")
    figure.suptitle(title)
    return figure


def _busiest(image: torch.Tensor) -> tuple[int, int, int]:
    """Top, left and side of the square of an image (3, H, W) in which its pixels vary most."""
    side = min(ENLARGED, min(image.shape[1:]) // 2)
    grey = image.mean(dim=0)[None, None]
    mean, square = (torch.nn.functional.avg_pool2d(each, side, stride=1) for each in (grey, grey.square()))
    variance = (square - mean.square())[0, 0]
    top, left = divmod(int(variance.argmax()), variance.shape[1])
    return top, left, side
