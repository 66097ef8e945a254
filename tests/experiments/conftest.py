"""The `hirl` command, run in this process, and a way to wait for one that runs in another."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from hirl_experiments import cli


@pytest.fixture
def until() -> Callable[[Callable[[], bool], subprocess.Popen], None]:
    """Waits for a condition, however busy the machine is; fails where the process ends before."""

    def wait(condition: Callable[[], bool], process: subprocess.Popen) -> None:
        while not condition():
            if process.poll() is not None and not condition():
                pytest.fail(f"the process ended by itself: {process.communicate()}")
            time.sleep(0.05)

    return wait


@pytest.fixture
def hirl(monkeypatch) -> Callable[..., int]:
    """Runs the command; returns its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["hirl", *arguments])
        try:
            cli.main()
        except SystemExit as stop:
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
                return 1
            return stop.code or 0
        return 0

    return run
