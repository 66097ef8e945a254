"""A command in a child of this process: what was imported once serves every run."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable

PATIENCE = 300  # seconds: more is a hang
HUNG = -1  # exit code


def run(job: Callable[[], object]) -> tuple[int, str]:
    """Exit code and what was said on standard error; ``HUNG`` where it had to be killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setpgrp()
        os.dup2(writing, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stderr, sys.stdout = os.fdopen(2, "w", buffering=1), os.fdopen(1, "w")
        code = 0
        try:
            job()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
            code = 1
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    said, end = b"", time.monotonic() + PATIENCE
    while select.select([reading], [], [], max(0, end - time.monotonic()))[0]:
        part = os.read(reading, 2**16)
        if not part:
            break
        said += part
    hung = time.monotonic() >= end
    if hung:
        os.killpg(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return HUNG if hung else os.waitstatus_to_exitcode(status), said.decode(errors="replace")
