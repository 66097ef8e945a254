"""A picture on the page, without the page."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from hirl_agents.restorer import Restorer
from hirl_env.quality import measures
from hirl_experiments.web.session import Session


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "grey.png"
    Image.new("RGB", (40, 30), (100, 100, 100)).save(path)
    return path


@pytest.mark.parametrize(("stop", "path"), [(-0.1, [(0, 1)] * 3), (0.5, [])])
def test_an_agent_that_has_stop_stops_by_that_alone(picture, toy_toolset, stop, path):
    """Its path is that of a rollout, which `hirl restore` takes."""

    def values(images: torch.Tensor) -> torch.Tensor:
        cells = torch.full((len(images), 3, 2), -torch.inf)
        cells[:, :2], cells[:, 0, 1], cells[:, 2, 0] = -0.3, -0.05, stop
        return cells

    restorer = Restorer(values, toy_toolset, max_steps=3)
    session = Session(picture, restorer, measures.resolve("hirl-biqa"), 10_000)
    session.go_on()
    assert list(session.steps[-1].state.paths[0]) == path
    assert len(restorer.restore(session.before()).steps) == len(path)
    assert session.best() == ((0, 1) if path else None)
    assert session.steps[-1].values.shape == (2, 2)
