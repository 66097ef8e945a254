"""Starts Ray on this machine, or joins a cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from hirl_env.errors import first_line

OBJECT_STORE = 100 * 2**20  # bytes, of this machine alone; next to nothing goes through it


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Starts Ray on this machine, or joins a cluster, and leaves it again.

    Args:
        address: Address of the cluster, ``auto`` for the one that this machine is part of; None for this machine alone.

    Raises:
        OSError: If Ray does not start, or there is no cluster.
        ValueError: If the address is not one of a cluster.
    """
    options: dict[str, Any] = {"address": address or "local", "log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    elif address.startswith("ray://"):
        raise ValueError(f"--address {address} is for clients; run the command on a node, with --address auto")
    else:
        if address != "auto":
            _check_answers(address)
        variables = {key: value for key, value in os.environ.items() if key.startswith(("HIRL_", "WANDB_"))}
        options |= {"runtime_env": {"env_vars": variables}} if variables else {}
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises bare ones
        where = f"at --address {address}" if address else "on this machine"
        raise OSError(f"Ray could not be started {where}: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Checks that the cluster answers, because Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(f"--address {address}: no cluster answers there ({error}); give HOST:PORT or auto") from None
