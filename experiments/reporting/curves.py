"""Learning curves: summaries over the seeds of one label, and their figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from scipy.stats import bootstrap, trim_mean

from hirl_experiments.reporting.figures import save_figure
from hirl_experiments.training.config import TrainConfig
from hirl_experiments.training.validation import NOT_LEVELS

CONFIDENCE = 0.95
TRIMMED = 0.25  # of the seeds, at either end, rounded down
SETTINGS = (  # of a run
    *("algo", "env", "algorithm", "n_envs", "lr_schedule", "total_steps", "every", "start_from", "hold_out"),
)
FOLDERS = ("images", "validate", "memory")  # which may lie elsewhere on another machine
_MEASURED = ("best", "low", "high", "spread", "last", "last low", "last high")
DECIMALS = {"seeds": 0, "step": 0} | dict.fromkeys(_MEASURED, 2)
CurvesByLabel = Mapping[str, list[list[dict[str, float]]]]  # rows of evaluation.csv, per run, per label


def check_alike(configs: Mapping[Path, TrainConfig]) -> None:
    """Checks that gains are in one unit, and that runs of one label differ in their seeds, and in those alone.

    Args:
        configs: Configurations by the runs' folders.

    Raises:
        ValueError: If they do not; names two runs and what differs.
    """
    first_of: dict[str, Path] = {}
    of_seed: dict[tuple[str, int], Path] = {}
    for run, config in configs.items():
        twin = of_seed.setdefault((config.label, config.seed), run)
        if twin != run:
            raise ValueError(
                f"{twin} and {run} are both called {config.label!r}, and have the same seed: give one of the two"
            )
        first = first_of.setdefault(config.label, run)
        other = configs[first]
        differ = [key for key in SETTINGS if getattr(config, key) != getattr(other, key)]
        differ += [key for key in FOLDERS if _names(getattr(config, key)) != _names(getattr(other, key))]
        if differ:
            raise ValueError(
                f"{first} and {run} are both called {config.label!r}, and differ in {', '.join(differ)}: give runs "
                "of other settings another --label (or change it in their config.yaml)"
            )
    measures = {str(config.env.reward): run for run, config in configs.items()}
    if len(measures) > 1:
        (name, one), (another, other_run), *_ = measures.items()
        raise ValueError(f"{one} gains in {name}, {other_run} in {another}: compare runs of one reward")


def measured_unlike(configs: Mapping[Path, TrainConfig]) -> list[str]:
    """The settings that decide how a run is evaluated, and that are not the same in all runs."""
    evaluations = [
        {
            "validate": _names(config.validate) if config.validate else (_names(config.images), config.hold_out),
            "env.crop_size": config.env.crop_size,
            "every": config.every,  # the best of many evaluations is larger than that of few
        }
        for config in configs.values()
    ]
    first = evaluations[0]
    return [setting for setting in first if any(one[setting] != first[setting] for one in evaluations)]


def _names(folders: str | tuple[str, ...] | None) -> list[str]:
    """The name of one folder, or of several."""
    return [Path(folder).name for folder in (folders if isinstance(folders, tuple) else (folders or "",))]


def summary(
    label: str, curves: list[list[dict[str, float]]], column: str = "gain", maximize: bool = True
) -> dict[str, Any]:
    """A summary of the results of all seeds of one label.

    Args:
        label: Label of the row.
        curves: Rows of evaluation.csv, per seed.
        column: Column of evaluation.csv.
        maximize: Whether larger values are better.

    Returns:
        ``step``: the last step that all seeds have reached, and no row after it counts; ``best``, ``last``:
        interquartile mean over seeds of each seed's best value, and of its last; ``low``, ``high`` and ``last low``,
        ``last high``: their bootstrap intervals, and ``spread`` the standard deviation of the best (all None for one
        seed).
    """
    step = min(curve[-1]["step"] for curve in curves)
    curves = [[row for row in curve if row["step"] <= step] for curve in curves]
    best = np.array([(max if maximize else min)(row[column] for row in curve) for curve in curves])
    last = np.array([curve[-1][column] for curve in curves])
    several = len(curves) > 1
    low, high = bootstrap_interval(best) if several else (None, None)
    last_low, last_high = bootstrap_interval(last) if several else (None, None)
    return {
        "label": label,
        "seeds": len(curves),
        "step": step,
        "best": float(interquartile_mean(best)),
        "low": low,
        "high": high,
        "spread": float(best.std(ddof=1)) if several else None,
        "last": float(interquartile_mean(last)),
        "last low": last_low,
        "last high": last_high,
    }


def gain_columns(groups: CurvesByLabel) -> dict[str, str]:
    """The columns of evaluation.csv that are gains, by their titles: the mean of the levels, and what all runs share.

    Raises:
        ValueError: If the runs were not evaluated on the same levels.
    """
    levels = {tuple(key for key in curve[0] if key not in NOT_LEVELS) for curves in groups.values() for curve in curves}
    shared = [level for level in next(iter(levels)) if all(level in each for each in levels)]
    if not shared:
        raise ValueError(
            f"the runs were evaluated on different levels ({' | '.join(', '.join(each) for each in sorted(levels))}); "
            "compare those that share them"
        )
    return {"mean of the levels": "gain"} | {level: level for level in shared}


def interquartile_mean(seeds: npt.NDArray[np.float64], axis: int = 0) -> Any:
    """The mean of the middle half (of fewer than four, of all), as Agarwal et al. (NeurIPS 2021) compare agents."""
    return trim_mean(seeds, TRIMMED, axis=axis)


def bootstrap_interval(seeds: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    """The bootstrap interval (percentiles, 95%) of the interquartile mean over the first axis, of at least two."""
    interval = bootstrap(
        (seeds,), interquartile_mean, axis=0, confidence_level=CONFIDENCE, method="percentile", rng=0
    ).confidence_interval
    return interval.low, interval.high


def draw_curves(groups: CurvesByLabel, path: Path) -> None:
    """Saves a figure: a panel for the mean of the levels and one for each; a curve with its band for each group.

    Args:
        groups: Rows of evaluation.csv, per run, per name.
        path: PNG file to write.

    Raises:
        ValueError: If the runs were not evaluated on the same levels.
    """
    panels = gain_columns(groups)
    figure = Figure(figsize=(4 * len(panels), 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True)
    for label, curves in groups.items():
        steps, gains = common_steps(curves, tuple(panels.values()))
        for panel, axis in enumerate(axes):
            (line,) = axis.plot(steps, interquartile_mean(gains[:, :, panel]), label=f"{label} ({len(curves)})")
            if len(curves) > 1:
                low, high = bootstrap_interval(gains[:, :, panel])
                axis.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    for axis, title in zip(axes, panels, strict=True):
        axis.set_title(title)
        axis.set_xlabel("environment steps")
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("gain (of the reward's measure)")
    axes[0].legend(title="label (seeds)", fontsize=8)
    save_figure(figure, path)


def common_steps(
    curves: list[list[dict[str, float]]], columns: tuple[str, ...]
) -> tuple[list[float], npt.NDArray[np.float64]]:
    """The steps at which every curve was measured, and some columns there.

    Args:
        curves: Rows of evaluation.csv, per seed.
        columns: Names of the columns.

    Returns:
        Steps, and float64 (seeds, steps, columns).
    """
    steps = sorted(set.intersection(*({row["step"] for row in curve} for curve in curves)))
    gains = [[[row[key] for key in columns] for row in curve if row["step"] in set(steps)] for curve in curves]
    return steps, np.array(gains)
