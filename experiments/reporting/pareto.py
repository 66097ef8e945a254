"""The figure of gains over costs, which shows what choosing tools is worth if compute has a price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from hirl_experiments.evaluation.entrants import without_price
from hirl_experiments.reporting.figures import FONT


def gain_over_cost(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Mean gain over mean GFLOP of every entrant, a panel for each suite.

    An entrant at several prices is a line. Entrants without cost are left out, because the axis is logarithmic. A
    staircase marks the Pareto front: no entrant lies above it.

    Args:
        rows: Rows of `hirl benchmark`; for a suite of several parts, those of all parts together are drawn.

    Raises:
        ValueError: If no entrant costs anything.
    """
    suites: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in rows:
        suites.setdefault(row["suite"], {}).setdefault(row["part"], []).append(row)
    drawn = {
        name: [row for row in parts.get("all", [*parts.values()][-1]) if row["GFLOP"]] for name, parts in suites.items()
    }
    if not any(drawn.values()):
        raise ValueError("--figure: no entrant costs anything; name one that applies tools")
    figure = Figure(figsize=(6 * len(drawn), 5), layout="constrained")
    for axis, (name, points) in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn.items(), strict=True):
        axis.set_title(name)
        axis.set_xlabel("GFLOP of tools, an image")
        axis.set_ylabel("gain in PSNR, dB")
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.margins(x=0.12)
        axis.grid(alpha=0.3)
        _draw(axis, points)
    return figure


def _draw(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    families: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        families.setdefault(without_price(row["entrant"])[0], []).append(row)
    for name, members in families.items():
        members.sort(key=lambda row: row["GFLOP"])
        costs, gains = ([row[column] for row in members] for column in ("GFLOP", "gain"))
        several = len(members) > 1
        axis.plot(costs, gains, "o-" if several else ".", color=None if several else "grey")
        for row in members:
            price = without_price(row["entrant"])[1]
            label = (f"{price:g}" if price else name) if several else name
            axis.annotate(
                label,
                (row["GFLOP"], row["gain"]),
                (3, 3),
                textcoords="offset points",
                fontsize=FONT - 1,
                color="dimgrey",
            )
    best = unbeaten(rows)
    axis.step([row["GFLOP"] for row in best], [row["gain"] for row in best], where="post", color="k", lw=0.6, ls=":")


def unbeaten(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The Pareto front: rows that gain more than any that costs as much or less, cheapest first."""
    best: list[Mapping[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row["GFLOP"], -row["gain"])):
        if not best or row["gain"] > best[-1]["gain"]:
            best.append(row)
    return best
