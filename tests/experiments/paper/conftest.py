"""Two tiny pictures, and the paper's tables and figures of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hirl_agents.networks import TwoLevelQ, save_q
from hirl_env.tools.registry import toolsets
from hirl_env.tools.toolset import Toolset


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Filters of a few multiplications under the names of the tools, and agents that look once, not in eight turns.

    What is tested here is what becomes of their results.
    """
    monkeypatch.setattr("hirl_agents.agent.TurnAveraged", lambda network, turns=1: network)
    shipped = toolsets.resolve("paper")

    def blend(share: float) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda images: torch.lerp(images, torch.nn.functional.avg_pool2d(images, 3, 1, 1), share)

    filters = Toolset(
        {
            name: [
                replace(shipped[kind, degree], restore=blend((0.3, 0.2, -0.2)[kind] * (degree + 1)))
                for degree in range(shipped.n_degrees)
            ]
            for kind, name in enumerate(shipped.types)
        }
    )
    monkeypatch.setitem(toolsets.factories, "paper", lambda: filters)


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
