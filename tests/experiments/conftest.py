"""The `hirl` command, run in this process."""

import sys
from collections.abc import Callable

import pytest

from experiments import cli


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
