"""`hirl regret`: measures how much less agents gain than the best of all paths, which a table knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from tqdm import tqdm

from hirl_agents.common.tiling import tiled
from hirl_env.data.degradations import InOrder
from hirl_env.data.suites import suites
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.table import Table, open_table
from hirl_env.tabulate import PIXELS
from hirl_env.tools.registry import toolsets
from hirl_experiments.command_line.checks import check_writable
from hirl_experiments.command_line.results import print_table, write_json
from hirl_experiments.evaluation.entrants import (
    FIXED,
    Entrant,
    EntrantOptions,
    default_entrants,
    expanded,
    open_entrants,
)

DECIMALS = {"gain": 2, "GFLOP": 2, "return": 2, "best": 2, "regret": 3, "% within 0.1": 1, "trials": 2, "crops": 0}
NEAR = 0.1  # units of the measure: an agent within this distance of the best counts as having found it
DRIFT = 0.01  # units of the measure by which a score may differ on another machine


def regret(
    table: Annotated[Path, tyro.conf.Positional],
    entrants: tuple[str, ...] | None = None,
    price: float = 0.0,
    toolset: str | None = None,
    device: str = "cpu",
    json: Path | None = None,
    trust: bool = False,
) -> None:
    """Measure how much less agents gain than the best of all paths.

    Prints a row for each entrant: its mean gain, GFLOP and return (the gain less the price of the GFLOP) on the crops
    of a table, the best return of all paths of the table, including the empty one, the mean regret, which is the
    difference, and on how many crops it is at most 0.1. Agents and the oracle take at most as many steps as the table
    is deep; other searches may go deeper, and beat it.

    Args:
        table: Folder that hirl tabulate wrote.
        entrants: Entrants to compare, as in hirl benchmark. Default: the shipped agent of the toolset and oracle, and
            fixed if the table names its suite.
        price: Price of a GFLOP, in units of the table's measure, that returns are charged. Agents do not know it: name
            them as hirl@PRICE to charge them.
        toolset: Toolset of the table, if the table names none, or it is no longer found under its name.
        device: Device on which the tools run: cpu, cuda, mps, or auto.
        json: File to write settings and rows to; - for standard output.
        trust: Whether agents may be .zip files of Stable-Baselines3: loading one runs code that it holds.
    """
    settings = {key: value for key, value in locals().items() if key != "json"}
    check_writable(json)
    opened = open_table(table)
    best = opened.plan(price=price).values[:, 0]
    source = opened.spec.source
    toolset = toolset or _named_toolset(opened)
    tools = tiled(toolsets.resolve(toolset).to(device))
    precision = source.get("precision", "float32")
    root = Restoration(tools, measures.resolve(opened.spec.measure), precision=precision)
    _check_tools(opened, root, toolset)
    suite = source.get("suite")
    fixed = None if suite is None else suites.resolve(suite).fixed_path(toolset)
    if entrants is None:
        entrants = tuple(name for name in default_entrants(toolset) if name != FIXED or fixed is not None)
    options = EntrantOptions(tools, fixed, trust, max_steps=opened.spec.depth)
    compared = open_entrants(expanded(entrants, tools), options)
    if told := [entrant.name for entrant in compared if entrant.told]:
        raise ValueError(f"--entrants {' '.join(told)}: must be told the degradations, which a table does not keep")
    rows = []
    with tqdm(total=len(opened) * len(compared), desc="regret", unit="crop", disable=None) as bar:
        for entrant in compared:
            measured = np.concatenate([_measured(entrant, start, bar) for start in _starts(opened, root)])
            rows.append(_row(entrant.name, measured, best, price))
    priced = f", {price:g} a GFLOP" if price else ""
    title = f"{table}: {f'{suite}, ' if suite else ''}up to {opened.spec.depth} tools{priced}"
    print_table(title, rows, DECIMALS)
    if json is not None:
        write_json(json, settings | {"toolset": toolset, "entrants": entrants}, rows)


def _named_toolset(table: Table) -> str:
    """The toolset that a table names as its own; raises ValueError if it names none."""
    named: str | None = table.spec.source.get("toolset")
    if named is None:
        raise ValueError(f"{table.folder} does not say which toolset it was made with: name it by --toolset")
    return named


def _starts(table: Table, root: Restoration) -> Iterator[Restoration]:
    count = max(1, PIXELS // table.spec.crop_size**2)  # side by side
    for first in range(0, len(table), count):
        yield _begun(table, root, slice(first, first + count))


def _begun(table: Table, root: Restoration, rows: slice) -> Restoration:
    images, references = (torch.from_numpy(np.array(crops[rows])) for crops in (table.images, table.references))
    start = root.branch()
    start.begin(images, references)
    return start


def _check_tools(table: Table, root: Restoration, name: str) -> None:
    """Raises ValueError if the tools differ from those of the table in number, name, or results."""
    toolset = root.toolset
    names = {
        kind: [toolset[number, degree].name for degree in range(toolset.n_degrees)]
        for number, kind in enumerate(toolset.types)
    }
    same = names == table.spec.types
    if same:
        first = _begun(table, root, slice(1))
        for tool, cell in enumerate(toolset.cells):
            tried = first.branch()
            tried.step([cell])
            same &= abs(float(tried.state.scores[0]) - float(table.scores[0, tool + 1])) < DRIFT
    if not same:
        raise ValueError(
            f"{table.folder} was made with other tools than the toolset {name!r} has: name theirs by --toolset, or "
            "tabulate again"
        )


def _measured(entrant: Entrant, start: Restoration, bar: Any) -> np.ndarray:
    """The gain, GFLOP and trials of an entrant on each crop, (N, 3)."""
    found = entrant.restore(start, [InOrder(())] * len(start.state))
    bar.update(len(found.state))
    # Agents with tools of their own, and networks, are scored by other measures.
    after = start.branch()
    after.begin(found.state.images.clamp(0, 1), start.state.references)
    return np.stack([after.state.scores - start.state.scores, found.state.costs, found.trials], axis=1)


def _row(name: str, measured: np.ndarray, best: np.ndarray, price: float) -> dict[str, Any]:
    gains, costs, trials = measured.T
    returns = gains - price * costs
    return {
        "entrant": name,
        "gain": float(gains.mean()),
        "GFLOP": float(costs.mean()),
        "return": float(returns.mean()),
        "best": float(best.mean()),
        "regret": float((best - returns).mean()),
        f"% within {NEAR:g}": 100 * float((best - returns < NEAR).mean()),
        "trials": float(trials.mean()),
        "crops": len(gains),
    }
