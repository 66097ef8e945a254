"""A picture on the page, without the page."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from hirl_agents.restorer import Restorer
from hirl_env.quality import measures
from hirl_env.tools.toolset import Toolset
from hirl_experiments.web.session import MOST_STEPS, Session
from tests.conftest import add


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


def test_a_first_step_that_nobody_sees_is_taken_back_as_by_hirl_restore(picture):
    toolset = Toolset({"brighten": [add(0.5), add(8)]})
    restorer = Restorer(lambda images: torch.tensor([[[1.0, 0.5]]]).expand(len(images), 1, 2), toolset)
    session = Session(picture, restorer, measures.resolve("hirl-biqa"), 10_000)
    session.go_on()
    assert len(session.steps) == 1
    assert not restorer.restore(session.before()).steps
    assert session.best() is None
    session.take((0, 0))
    assert len(session.steps) == 2, "a person may take it"


def test_an_agent_of_longer_paths_stops_where_the_page_ends(picture, toy_toolset):
    first = lambda images: torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]).expand(len(images), 2, 2)  # noqa: E731
    session = Session(picture, Restorer(first, toy_toolset, max_steps=30), measures.resolve("hirl-biqa"), 10_000)
    session.go_on()
    assert len(session.steps) == 1 + MOST_STEPS
