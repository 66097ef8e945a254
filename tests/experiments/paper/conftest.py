"""Two tiny pictures, and the paper's tables and figures of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.networks import TwoLevelQ, save_q


@pytest.fixture
def two(folder: Path) -> Path:
    """Two pictures of 40x32."""
    (folder / "picture2.png").unlink()
    return folder


@pytest.fixture
def agent(tmp_path) -> str:
    """A small agent that has learned nothing."""
    save_q(TwoLevelQ(3, 3, width=8), tmp_path / "agent.safetensors")
    return str(tmp_path / "agent.safetensors")


@pytest.fixture
def reproduce(hirl, two, agent, tmp_path) -> Callable[..., int]:
    """Runs `hirl reproduce` on crops of 32x32 of them; writes to ``tmp_path / "out"``."""

    def run(part: str, *arguments: str, out: str = "out") -> int:
        options = ("--images", str(two), "--out", str(tmp_path / out), "--crop", "32", "--agent", agent)
        return hirl("reproduce", part, *options, *arguments)

    return run


@pytest.fixture
def written(tmp_path) -> Callable[..., Any]:
    """What a part left behind as JSON."""

    def read(part: str, out: str = "out") -> Any:
        return json.loads((tmp_path / out / f"{part}.json").read_text())

    return read
