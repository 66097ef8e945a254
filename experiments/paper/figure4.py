"""Figure 4: pictures without a reference, restored with and without a blind measure to stop by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tqdm import tqdm

from hirl_agents.agent import Agent
from hirl_agents.loading import load_agent
from hirl_agents.rollout import Stopping, rollout
from hirl_env.data.images import read_image, to_tensor
from hirl_env.data.samples import Sample
from hirl_experiments.evaluation.sampling import begin
from hirl_experiments.paper.experiment import Experiment
from hirl_experiments.paper.report import Report, publish
from hirl_experiments.reporting.figures import save_image, show

PANEL = 3.0  # inches
MEASURE = "hirl-biqa"
TITLE = f"Figure 4: pictures without a reference, restored with and without {MEASURE}"
COLUMNS = ("photograph", "column", "score", "path")
STOPS: dict[str, Stopping] = {"without it": "value", "with it": "quality"}


def figure4(experiment: Experiment) -> None:
    """Restores a few pictures as they are, once stopped by HIRL's values and once by the blind measure.

    The pictures are also saved whole, in figure4/.
    """
    agent = load_agent(experiment.settings.agent, experiment.toolset)
    # Other weights would overwrite the pictures.
    settings = {"pictures": experiment.settings.pictures, "weights": experiment.weights(("hirl", MEASURE))}
    records = experiment.records("figure4", (), measure=MEASURE, **settings)
    chosen = list(experiment.chosen(experiment.photographs, None))
    rows: list[dict[str, Any]] = []
    for number, sample in enumerate(tqdm(chosen, desc="figure 4", leave=False, disable=None)):
        key = (number, sample.name)
        if key not in records or not all((experiment.settings.out / one["file"]).exists() for one in records[key]):
            records[key] = _restored(experiment, agent, number, sample)
        rows += records[key]
    notes = [
        f"Data: {experiment.data()}, as they are, without references; the paper's are of CLIVE.",
        f"Scores are what {MEASURE} says: about 0 (worst) to 100. It was trained on computed scores; the paper takes "
        "PaQ-2-PiQ, which people's opinions went into.",
        f"Without it, HIRL stops by its values; with it, at the first step that {MEASURE} does not like better, which "
        "is taken back.",
        *experiment.making(),
    ]
    table = [{key: f"{one[key]:.1f}" if key == "score" else str(one[key]) for key in COLUMNS} for one in rows]
    figure = _figure(experiment, rows)
    publish(Report("figure4", TITLE, table, rows, notes, {"figure4": figure}), experiment)


def _restored(experiment: Experiment, agent: Agent, number: int, sample: Sample) -> list[dict[str, Any]]:
    """The columns of a picture."""
    begun = begin([sample], experiment.toolset, experiment.precision, MEASURE)
    results = {"as given": begun.state}
    for column, stop in STOPS.items():
        results[column] = rollout(begun, agent, stop=stop).state
    made = []
    for column, result in results.items():
        file = Path("figure4", f"{number}-{sample.name}.{column.replace(' ', '-')}.png")
        save_image(result.images[0], experiment.settings.out / file)
        path = " -> ".join(begun.with_state(result).tool_names(0))
        made.append(
            {
                **{"photograph": sample.name, "column": column},
                **{"score": float(result.scores[0]), "path": path, "file": str(file)},
            }
        )
    return made


def _figure(experiment: Experiment, rows: list[dict[str, Any]]) -> Figure:
    columns = 1 + len(STOPS)
    lines = len(rows) // columns
    figure = Figure(figsize=(PANEL * columns, PANEL * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis, one in zip(axes.flat, rows, strict=True):
        path = one["path"].replace(" -> ", "\n-> ") or "-"
        title = f"{one['column']}, {one['score']:.1f}"
        show(axis, to_tensor(read_image(experiment.settings.out / one["file"])), f"{title}\n{path}")
    figure.suptitle(TITLE)
    return figure
