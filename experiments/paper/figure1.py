"""Figure 1: one picture, restored step by step in the reverse order of its distortion, greedily, and by brute force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from hirl_agents.search import SearchResult, brute_force, greedy, reverse_order
from hirl_env.data.degradations import Degradation, GaussianNoise, InOrder, JpegCompression, MotionBlur
from hirl_env.data.samples import Sample
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Cell
from hirl_experiments.evaluation.sampling import begin, evaluation_samples
from hirl_experiments.paper.experiment import Experiment
from hirl_experiments.paper.orderings import rising
from hirl_experiments.paper.report import Report, publish
from hirl_experiments.paper.reported import FIGURE1
from hirl_experiments.reporting.figures import FONT, show

DISTORTION = InOrder((MotionBlur(25), GaussianNoise(15), JpegCompression(10)))
LENGTH = 3
PANEL = 2.6  # inches
STRATEGIES: dict[str, Callable[[Restoration, Degradation], list[SearchResult]]] = {
    "reverse order": lambda start, distortion: reverse_order(start, [distortion]),
    "greedy": lambda start, _: greedy(start, LENGTH),
    "brute force": lambda start, _: brute_force(start, LENGTH, progress=True),
}
TITLE = "Figure 1: three strategies on one picture"


def figure1(experiment: Experiment) -> None:
    """Runs the three strategies and draws their steps.

    Raises:
        ValueError: If there is no photograph of the name that was asked for.
    """
    picture = _chosen_sample(experiment)
    start = begin([picture], experiment.toolset, experiment.precision)
    assert picture.degradation is not None
    records = experiment.records("figure1", (), picture=picture.name)
    steps: dict[str, list[Restoration]] = {}
    rows: list[dict[str, Any]] = []
    for strategy, search in STRATEGIES.items():
        if (strategy,) not in records:
            best = search(start, picture.degradation)[-1]
            records[strategy,] = {"path": best.state.paths[0], "trials": int(best.trials[0])}
        path, trials = records[strategy,]["path"], records[strategy,]["trials"]
        steps[strategy] = _replayed(start, [(kind, degree) for kind, degree in path])
        rows.append(_row(experiment, strategy, start, steps[strategy][-1], trials))
    blur, *_ = picture.degradation.steps
    assert isinstance(blur, MotionBlur)
    notes = [
        f"The picture: {picture.name}, distorted by motion blur of {blur.length} pixels (at {blur.angle:.0f} degrees, "
        "drawn from the seed), noise of standard deviation 15 of 255, and JPEG of quality 10: "
        f"{start.state.scores[0]:.2f} dB. The paper shows another one, and names neither it nor the angle.",
        "All three strategies see the reference. The reverse order takes the tool of each kind that was made for the "
        "nearest strength: FFDNet 15 for this noise, where the paper's took FFDNet 35.",
        *experiment.notes(),
    ]
    claims = list(rising({row["strategy"]: row["gain"] for row in rows}, "this picture"))
    figures = {"figure1": _figure(picture, start, steps, rows)}
    publish(Report("figure1", TITLE, [_table_row(row) for row in rows], rows, notes, figures, claims), experiment)


def _chosen_sample(experiment: Experiment) -> Sample:
    """The picture, distorted."""
    chosen = experiment.settings
    names = []
    for sample in evaluation_samples(experiment.photographs, DISTORTION, chosen.crop, 1, chosen.seed):
        if chosen.picture in (None, sample.name):
            return sample
        names.append(sample.name)
    raise ValueError(
        f"{experiment.photographs.name} has no photograph {chosen.picture!r}; it has {', '.join(names[:5])}"
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    )


def _row(
    experiment: Experiment, strategy: str, start: Restoration, restored: Restoration, trials: int
) -> dict[str, Any]:
    """A strategy's path here, and the gain of the paper's tools on the same picture."""
    papers_path, papers_gain = FIGURE1[strategy]
    names = {experiment.toolset[cell].name: cell for cell in experiment.toolset.cells}
    same = _replayed(start, [names[tool] for tool in papers_path])[-1]
    return {
        "strategy": strategy,
        "tools": list(restored.tool_names(0)),
        "trials": trials,
        "gain": float(restored.state.gains[0]),
        "gain_of_papers_tools": float(same.state.gains[0]),
        "papers_tools": list(papers_path),
        "paper": papers_gain,
    }


def _table_row(row: dict[str, Any]) -> dict[str, str]:
    return {
        "strategy": row["strategy"],
        "tools, here": ", ".join(row["tools"]) or "none",
        "gain, here": f"{row['gain']:+.3f} dB",
        "trials": f"{row['trials']}",
        "tools, the paper": ", ".join(row["papers_tools"]),
        "gain, the paper": f"{row['paper']:+.3f} dB",
        "the paper's tools, here": f"{row['gain_of_papers_tools']:+.3f} dB",
    }


def _replayed(start: Restoration, path: Sequence[Cell]) -> list[Restoration]:
    """The start, and the restoration after each step of a path."""
    steps = [start]
    for cell in path:
        steps.append(steps[-1].branch())
        steps[-1].step([cell])
    return steps


def _figure(
    picture: Sample, start: Restoration, steps: dict[str, list[Restoration]], rows: list[dict[str, Any]]
) -> Figure:
    """On the left the reference and the distorted picture; next to them, a row of steps for each strategy."""
    _, height, width = picture.distorted.shape
    tall = PANEL * height / width
    figure = Figure(figsize=(PANEL * (LENGTH + 1), (tall + 0.45) * len(steps) + 0.7), layout="constrained")
    axes = figure.subplots(len(steps), LENGTH + 1, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    assert picture.reference is not None
    show(axes[0, 0], picture.reference, f"reference: {picture.name}")
    show(axes[1, 0], picture.distorted, f"distorted: {start.state.scores[0]:.2f} dB")
    for (strategy, found), line in zip(steps.items(), axes, strict=True):
        for number, axis in enumerate(line[1:], 1):
            if number < len(found):
                step, before = found[number].state, found[number - 1].state
                tool = found[number].tool_names(0)[-1]
                change = f"{step.scores[0] - before.scores[0]:+.3f} dB, in all {step.gains[0]:+.3f}"
                show(axis, step.images[0], f"{strategy}, step {number}: {tool}\n{change}")
            else:
                axis.set_title(f"{strategy}: nothing gains any more", fontsize=FONT, loc="left")
    here = ", ".join(f"{row['strategy']} {row['gain']:+.3f}" for row in rows)
    paper = ", ".join(f"{row['strategy']} {row['paper']:+.3f}" for row in rows)
    figure.suptitle("motion blur 25, noise 15, JPEG 10", fontsize=FONT + 2)
    figure.supxlabel(f"Gains in dB, here: {here}.\nIn the paper, on another picture: {paper}.", fontsize=FONT + 1)
    return figure
