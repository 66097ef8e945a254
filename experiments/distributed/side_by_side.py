"""Applies a function to many things side by side on a Ray cluster, through Ray Data.

What a lost node was doing is done again at another: every result arrives, and once.
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

from hirl_env.plugins import load_plugin, named_plugins
from hirl_experiments.distributed.installed import check_installed

T = TypeVar("T")
R = TypeVar("R")
RETRIES = 3  # of one thing, when the process or the node that had it is lost


@dataclass(frozen=True)
class Work:
    """What a worker process needs before its first thing.

    Attributes:
        folder: Working folder of the command, which the worker enters.
        plugins: Plugins to load.
        open: Pickle of the function that returns the function to apply.
    """

    folder: str
    plugins: tuple[str, ...]
    open: bytes


def side_by_side(address: str, open: Callable[[], Callable[[T], R]], things: Sequence[T], gpus: int = 0) -> Iterator[R]:
    """Applies a function to things on the processors of a cluster, each of which takes one at a time.

    Args:
        address: Address of the cluster, as of `hirl_experiments.distributed.cluster.connected`.
        open: Function that returns the function to apply; called in every worker process once. It, things and results
            can be pickled. What is a ValueError or an OSError there is a ValueError here.
        things: Things to apply it to.
        gpus: Number of GPUs that one needs.

    Yields:
        Results, in the order in which they are ready.

    Raises:
        ValueError: If Ray Data is not installed, or a worker cannot begin.
        OSError: If there is no cluster, or workers die again and again.
    """
    check_installed("data", "--address")
    import ray.data

    from hirl_experiments.distributed.cluster import connected

    if not things:
        return
    work = Work(os.getcwd(), named_plugins(), pickle.dumps(open))
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with connected(address):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        rows = [{"thing": pickle.dumps(thing)} for thing in things]
        # A block each: what is lost, is lost alone, and what is ready, waits for no other.
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        results = dataset.map(partial(_apply, work), num_cpus=1, num_gpus=gpus, max_retries=RETRIES)
        try:
            for row in results.iter_rows():
                if row["error"]:
                    raise ValueError(row["error"])
                yield pickle.loads(row["result"])
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise OSError(f"--address {address}: workers were lost {RETRIES} times, or failed ({reason})") from None


def _apply(work: Work, row: dict[str, Any]) -> dict[str, Any]:
    """Takes one thing, on a worker."""
    try:
        result = _opened(work)(pickle.loads(row["thing"]))
    except (ValueError, OSError) as error:
        return {"result": b"", "error": f"node {gethostname()}: {error}"}
    return {"result": pickle.dumps(result), "error": ""}


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
