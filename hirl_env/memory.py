"""How much memory is free."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

# Linux's files on free memory, and on the limit of a container.
MEMORY, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes of memory that this process may still take, on the machine and in the container it runs in."""
    free = sys.maxsize  # if the system does not say
    with suppress(OSError, StopIteration):
        lines = MEMORY.read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        limit, used = (int((CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        statistics = (line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        # Cached files count as used, and are dropped when memory is needed.
        cache = sum(int(size) for name, size in statistics if name in ("active_file", "inactive_file"))
        free = min(free, max(0, limit - used + cache))
    return free
