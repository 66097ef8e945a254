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


def test_a_picture_that_memory_has_no_room_for_is_refused_though_it_is_allowed(picture, toy_toolset, monkeypatch):
    for module in ("hirl_env.data.images", "hirl_experiments.web.session"):
        monkeypatch.setattr(f"{module}.free_memory", lambda: 40_000)
    restorer = Restorer(lambda images: images.new_zeros(len(images), 2, 2), toy_toolset)
    with pytest.raises(ValueError, match=r"40x30 pixels take about .* GB of memory"):
        Session(picture, restorer, measures.resolve("hirl-biqa"), 10_000)


def test_a_large_picture_takes_fewer_steps(picture, toy_toolset, monkeypatch):
    monkeypatch.setattr("hirl_experiments.web.session.MOST_PIXELS", 4 * 40 * 30)
    first = lambda images: torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]).expand(len(images), 2, 2)  # noqa: E731
    session = Session(picture, Restorer(first, toy_toolset, max_steps=30), measures.resolve("hirl-biqa"), 10_000)
    session.go_on()
    assert len(session.steps) == 4
    with pytest.raises(ValueError, match="3 steps are the most for a picture of this size; undo some"):
        session.take((0, 0))
    session.undo()
    session.take((0, 0))


def test_an_agent_of_longer_paths_stops_where_the_page_ends(picture, toy_toolset):
    first = lambda images: torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]).expand(len(images), 2, 2)  # noqa: E731
    session = Session(picture, Restorer(first, toy_toolset, max_steps=30), measures.resolve("hirl-biqa"), 10_000)
    session.go_on()
    assert len(session.steps) == 1 + MOST_STEPS
