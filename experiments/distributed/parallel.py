"""Applies a function to many items side by side on a Ray cluster, through Ray Data.

The work of a lost node is repeated on another: every result arrives exactly once.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from socket import gethostname
from typing import Any, TypeVar

from hirl_env.errors import last_line
from hirl_env.plugins import load_plugin, named_plugins
from hirl_experiments.distributed import import_ray

T = TypeVar("T")
R = TypeVar("R")
ATTEMPTS = 4  # at one item, if its process or node is lost


@dataclass(frozen=True)
class Work:
    """The setup of a worker process before its first item.

    Attributes:
        folder: Working folder of the command, which the worker enters.
        plugins: Plugins to load.
        open: Pickle of the function that returns the function to apply.
    """

    folder: str
    plugins: tuple[str, ...]
    open: bytes


def map_on_cluster(
    address: str, device: str, open: Callable[[], Callable[[T], R]], lost: Callable[[T], R], items: Sequence[T]
) -> Iterator[R]:
    """Applies a function to items on the processors of a cluster, each of which takes one at a time.

    Args:
        address: Address of the cluster, as in `hirl_experiments.distributed.cluster.connected`.
        device: Device that one item needs for itself, in addition to a processor: ``cuda``; other devices reserve none.
        open: Function that returns the function to apply; called once in every worker process. It, items and results
            must be picklable. A ValueError or an OSError that it raises becomes a ValueError here.
        lost: Function that makes the result of an item at which a worker died in every attempt, for example for lack of
            memory; or raises.
        items: Items that the function is applied to.

    Yields:
        Results, in the order in which they are ready.

    Raises:
        ImportError: If Ray Data is not installed.
        ValueError: If a worker cannot begin.
        OSError: If there is no cluster, or Ray fails.
    """
    import_ray("ray.data", "cluster")
    import ray

    from hirl_experiments.distributed.cluster import connected

    if not items:
        return
    work = Work(os.getcwd(), named_plugins(), pickle.dumps(open))
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with connected(address):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
        # One block per item, so that a lost item is lost alone, and a finished one waits for no other.
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        results = dataset.map(partial(_apply, work), num_cpus=1, num_gpus=int(device.startswith("cuda")))
        try:
            for row in results.iter_rows():
                if row["error"]:
                    raise ValueError(row["error"])
                yield pickle.loads(row["result"]) if row["result"] else lost(items[row["number"]])
        except ray.exceptions.RayError as error:
            raise OSError(f"--address {address}: {last_line(error)}") from None


def _apply(work: Work, row: dict[str, Any]) -> dict[str, Any]:
    """Processes one item, on a worker."""
    done = {"number": row["number"], "result": b"", "error": ""}
    if _attempt() > ATTEMPTS:
        return done
    try:
        return done | {"result": pickle.dumps(_opened(work)(pickle.loads(row["item"])))}
    except (ValueError, OSError) as error:
        return done | {"error": f"node {gethostname()}: {error}"}


def _attempt() -> int:
    """The number of this attempt at the item, from 1; Ray Data itself would retry without end."""
    import ray

    attempts: int = ray.get_runtime_context().worker.core_worker.get_current_task_attempt_number()
    return attempts + 1


@lru_cache(maxsize=1)
def _opened(work: Work) -> Callable[[Any], Any]:
    try:
        os.chdir(work.folder)
    except OSError as error:
        raise ValueError(f"there is no {work.folder}: all nodes must see the same files at the same place") from error
    for plugin in work.plugins:
        load_plugin(plugin)
    apply: Callable[[Any], Any] = pickle.loads(work.open)()
    return apply
