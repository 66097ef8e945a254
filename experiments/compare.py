"""`hirl compare`: learning curves of finished or running trainings, several seeds to a curve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import tyro
import yaml
from scipy.stats import bootstrap

from experiments.output import print_table
from experiments.tracking import CsvLog
from hirl_env.data.degradations import LEVELS
from hirl_env.files import written_whole

CONFIDENCE = 0.95
DECIMALS = {"seeds": 0, "step": 0, "best": 2, "last": 2, "spread": 2}


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")],
    out: Path = Path("curves.png"),
) -> None:
    """Draw the learning curves of trainings: gain on held-out photographs over environment steps.

    Runs of one label (see hirl train; the preset's name unless given) make one curve: their mean, in a band that is the
    bootstrap interval (95%) of the mean over seeds.

    Args:
        runs: Folders that hirl train wrote.
        out: The figure.
    """
    if not runs:
        raise ValueError("name at least one folder that hirl train wrote")
    groups: dict[str, list[list[dict[str, float]]]] = {}
    for run in runs:
        groups.setdefault(_label(run), []).append(_curve(run))
    rows = [_summary(label, curves) for label, curves in groups.items()]
    draw_curves(groups, out)
    print_table("gain in dB on the photographs kept apart, by which the best was chosen", rows, DECIMALS)
    print(f"wrote {out}")


def _label(run: Path) -> str:
    """What the run is called, but for its seed."""
    try:
        config: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{run}: no run of hirl train ({error})") from None
    if not isinstance(config, dict) or "label" not in config:
        raise ValueError(f"{run}/config.yaml is not that of a run")
    return str(config["label"])


def _curve(run: Path) -> list[dict[str, float]]:
    rows = CsvLog(run / "evaluation.csv").read()
    if not rows:
        raise ValueError(f"{run}: nothing was evaluated yet")
    return [{key: float(value) for key, value in row.items()} for row in rows]


def _common(curves: list[list[dict[str, float]]]) -> tuple[list[float], np.ndarray]:
    """The steps that all curves of a group have, and their gains there, (seeds, steps, 1 + levels)."""
    steps = sorted(set.intersection(*({row["step"] for row in curve} for curve in curves)))
    gains = [
        [[row[key] for key in ("gain", *LEVELS)] for row in curve if row["step"] in set(steps)] for curve in curves
    ]
    return steps, np.array(gains)


def _summary(label: str, curves: list[list[dict[str, float]]]) -> dict[str, Any]:
    """Mean over seeds of each seed's best and last gain, and the standard deviation of the best."""
    best = [max(row["gain"] for row in curve) for curve in curves]
    last = [curve[-1]["gain"] for curve in curves]
    return {
        "preset": label,
        "seeds": len(curves),
        "step": min(curve[-1]["step"] for curve in curves),
        "best": float(np.mean(best)),
        "spread": float(np.std(best, ddof=1)) if len(best) > 1 else None,
        "last": float(np.mean(last)),
    }


def draw_curves(groups: dict[str, list[list[dict[str, float]]]], path: Path) -> None:
    """Saves a figure: a panel for the mean of the levels and one for each; a curve with its band for each group.

    Args:
        groups: Rows of evaluation.csv, per run, per name.
        path: Of the PNG.
    """
    matplotlib.use("agg")
    titles = ("mean of the levels", *LEVELS)
    figure, axes = plt.subplots(1, len(titles), figsize=(4 * len(titles), 3.6), sharex=True, layout="constrained")
    for label, curves in groups.items():
        steps, gains = _common(curves)
        for panel, axis in enumerate(axes):
            (line,) = axis.plot(steps, gains[:, :, panel].mean(axis=0), label=f"{label} ({len(curves)})")
            if len(curves) > 1:
                seeds = gains[:, :, panel]
                interval = bootstrap(
                    (seeds,), np.mean, axis=0, confidence_level=CONFIDENCE, method="percentile", rng=0
                ).confidence_interval
                axis.fill_between(steps, interval.low, interval.high, color=line.get_color(), alpha=0.2, linewidth=0)
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title)
        axis.set_xlabel("environment steps")
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("gain (dB)")
    axes[0].legend(title="preset (seeds)", fontsize=8)
    with written_whole(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    plt.close(figure)
