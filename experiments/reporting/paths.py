"""The figure of the results of each method on the same pictures, with its path."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from hirl_agents.search import SearchResult
from hirl_env.data.samples import Sample
from hirl_env.tools.toolset import Toolset
from hirl_experiments.reporting.figures import save_figure, show

COLUMNS = {
    "distorted": "distorted",
    "reverse": "reverse order",
    "greedy": "greedy",
    "brute-force": "brute force",
    "hirl": "HIRL, blind",
}
PANEL = 2.4  # inches
Result = tuple[
    Sample, dict[str, SearchResult], int
]  # an image, the results of its batch by method, and its row in these


def draw_paths(results: list[Result], toolset: Toolset, level: str, path: Path) -> None:
    """Saves a figure: a row per photograph, a column per method with its path and gain, the reference last.

    Args:
        results: Results, one per image.
        toolset: Tools of all paths.
        level: Name of the level, for the title.
        path: PNG file to write.
    """
    columns = [*COLUMNS, "reference"]
    figure = Figure(figsize=(PANEL * len(columns), (PANEL + 0.75) * len(results) + 0.5), layout="constrained")
    axes = figure.subplots(len(results), len(columns), squeeze=False)
    for (sample, found, row), line in zip(results, axes, strict=True):
        for method, axis in zip(COLUMNS, line, strict=False):
            restored = found[method].state
            decibels = f"{restored.scores[row]:.2f} dB"
            if method != "distorted":
                decibels += f" ({restored.gains[row]:+.2f})"
            steps = "\n".join(toolset[cell].name for cell in restored.paths[row]) or (
                "nothing gains" if method != "distorted" else ""
            )
            show(axis, restored.images[row], f"{COLUMNS[method]}: {decibels}\n{steps}")
        assert sample.reference is not None
        show(line[-1], sample.reference, f"reference: {sample.name}")
    figure.suptitle(f"{level}: what each method does, step by step, and what it gains")
    save_figure(figure, path)
