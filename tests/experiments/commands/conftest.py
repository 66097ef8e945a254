"""What tests of `hirl restore` share: a restorer that adds 8 of 255 at each step, pictures, and the log."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hirl_agents.restorer import Restorer
from hirl_experiments.commands.restore import restore
from hirl_experiments.restoring.settings import RestoreSettings
from tests.conftest import colours


@pytest.fixture
def brighter(toy_toolset, monkeypatch):
    """Replaces the restorer by one that adds 8 at each step, until the mean is 200."""

    def values(images: torch.Tensor) -> torch.Tensor:
        cells = torch.zeros(len(images), 2, 2)
        cells[:, 0, 1] = 200 / 255 - images.mean(dim=(1, 2, 3))
        return cells

    monkeypatch.setattr(
        "hirl_experiments.restoring.settings.Restorer",
        lambda agent, toolset, **arguments: Restorer(values, toy_toolset, **arguments),
    )


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path: str, pixels: np.ndarray | None = None, **options) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours() if pixels is None else pixels).save(path, **options)
    return Path(path)


def log(out: str = "out") -> list[dict]:
    """The last row of every picture."""
    records = map(json.loads, (Path(out) / "restore.jsonl").read_text().splitlines())
    return list({record["target"]: record for record in records if "saved" in record}.values())


def run(pictures: tuple[str, ...], out: Path = Path("out"), **options) -> None:
    """`hirl restore`, one step long unless said; settings and other options by their names."""
    settings = {field.name: options.pop(field.name) for field in fields(RestoreSettings) if field.name in options}
    restore(pictures, out, RestoreSettings(**{"max_steps": 1, **settings}), **options)


def names(out: str = "out") -> set[str]:
    return {str(path.relative_to(out)) for path in Path(out).rglob("*") if path.is_file()} - {"restore.jsonl"}
