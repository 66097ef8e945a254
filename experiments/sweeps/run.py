"""Carries out the plan of a sweep, and summarises its results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from hirl_env.files import atomic_write_text
from hirl_experiments.command_line.interrupts import like_ctrl_c
from hirl_experiments.command_line.results import markdown_table, print_table, write_json
from hirl_experiments.distributed.cluster import connected
from hirl_experiments.reporting.curves import DECIMALS, draw_curves, summary
from hirl_experiments.sweeps.config import EarlyStopping
from hirl_experiments.sweeps.plan import PLAN
from hirl_experiments.sweeps.ray_tune import RunOutcome, check_resources, successive_halving, train_all
from hirl_experiments.training.run_folder import read_curve


def run_sweep(plan: dict[str, Any], out: Path, address: str | None, wandb: bool) -> None:
    """Trains the runs that are not finished yet, and summarises the results.

    Args:
        plan: Plan, as from `plan_sweep`.
        out: Folder of the sweep.
        address: Address of a Ray cluster; None for this machine alone.
        wandb: Whether to log to Weights & Biases.

    Raises:
        KeyboardInterrupt: If stopped before the end.
        ValueError: If runs failed; names them.
        OSError: If Ray does not start, or has lost all nodes.
    """
    stopping = plan["early_stopping"]
    scheduler = stopping and successive_halving(
        EarlyStopping(**stopping), plan["metric"], plan["maximize"], plan["runs"]
    )
    group = plan["runs"][0]["config"]["sweep"]
    own = (str(out.resolve()), "tune")
    storage, name = own if plan["storage"] is None else (plan["storage"], f"{group['name']}-{group['id']}")
    again = f"go on with: hirl sweep --resume {out} --trust"
    with connected(address):
        if address is None:
            check_resources(plan["cpus"], plan["gpus"])
        resumed = (out / PLAN).exists()
        if not resumed:
            atomic_write_text(out / PLAN, json.dumps(plan, indent=1) + "\n")
        try:
            with like_ctrl_c():  # which Ray Tune handles; at others Ray aborts
                outcomes = train_all(
                    plan["runs"],
                    storage,
                    name,
                    resumed=resumed,
                    command=plan["command"],
                    wandb=wandb,
                    cpus=plan["cpus"],
                    gpus=plan["gpus"],
                    max_failures=plan["max_failures"],
                    scheduler=scheduler,
                )
        except OSError as error:
            raise OSError(f"{error}; {again}") from None
    over = _collect(plan["runs"], outcomes, out / "runs")
    if over:
        _sum_up(plan, over, out)
    failed = [f"{outcome.name} ({outcome.error})" for outcome in outcomes if outcome.error is not None]
    if len(over) + len(failed) < len(plan["runs"]):
        raise KeyboardInterrupt(f"stopped with {len(over)} of {len(plan['runs'])} runs complete; {again}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(plan['runs'])} runs failed: {'; '.join(failed)}; {again}")


def _collect(runs: list[dict[str, Any]], outcomes: list[RunOutcome], out: Path) -> list[dict[str, Any]]:
    """Copies the folders of runs that are over out of Ray's storage into ``out``; returns these runs."""
    of = {outcome.name: outcome for outcome in outcomes if outcome.checkpoint is not None}
    over = []
    for one in runs:
        if one["name"] not in of:
            continue
        with of[one["name"]].folder() as folder:
            complete = read_curve(Path(folder))[-1]["step"] >= one["config"]["total_steps"]
            if complete or of[one["name"]].stopped_early:
                shutil.copytree(folder, out / one["name"], dirs_exist_ok=True)
                over.append(one)
    return over


def _sum_up(plan: dict[str, Any], runs: list[dict[str, Any]], out: Path) -> None:
    """Draws curves, and prints and writes the table, best setting first."""
    groups: dict[str, list[list[dict[str, float]]]] = {}
    for one in runs:
        groups.setdefault(one["config"]["label"], []).append(read_curve(out / "runs" / one["name"]))
    rows = [summary(label, curves, plan["metric"], plan["maximize"]) for label, curves in groups.items()]
    rows.sort(key=lambda row: row["best"], reverse=plan["maximize"])
    interval = "its bootstrap interval (95%; of two or three seeds, their range)"
    title = f"{plan['metric']} on validation photographs: interquartile mean over seeds, and {interval}"
    print_table(title, rows, DECIMALS)
    table = markdown_table(rows, DECIMALS)
    atomic_write_text(
        out / "summary.md", f"# {plan['name']}\n\n`{plan['command']}`\n\n{title}\n\n{table}\n![](curves.png)\n"
    )
    write_json(out / "summary.json", plan, rows)
    draw_curves(groups, out / "curves.png")
