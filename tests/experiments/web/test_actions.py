"""What the page's buttons do, without a browser."""

from pathlib import Path

import pytest
from PIL import Image

from hirl_agents.restorer import Restorer
from hirl_env.quality import measures

gradio = pytest.importorskip("gradio")
from hirl_experiments.web.page import Actions  # noqa: E402


@pytest.fixture
def actions(toy_toolset) -> Actions:
    restorer = Restorer(lambda images: images.new_zeros(len(images), 2, 2), toy_toolset)
    return Actions(restorer, measures.resolve("hirl-biqa"), 10_000)


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "grey.png"
    Image.new("RGB", (40, 30), (100, 100, 100)).save(path)
    return path


def test_every_action_keeps_the_picture_in_use(actions, picture):
    """Gradio forgets a state that no action returned for an hour."""
    session, *_ = actions.open(str(picture), 1.0, False)
    clicked = gradio.SelectData(None, {"index": 0, "value": None})
    tool = next(iter(actions.tools))
    for content in (
        actions.take(session, tool, 1.0, False),
        actions.undo(session, 1.0, False),
        actions.go_on(session, 1.0, False),
        actions.blend(session, 0.5),
        actions.draw_map(session, True),
        actions.look_back(session, clicked),
    ):
        assert content[0] is session


def test_a_picture_that_is_forgotten_is_to_be_dropped_again(actions):
    for action in (
        lambda: actions.take(None, "add +1", 1.0, False),
        lambda: actions.undo(None, 1.0, False),
        lambda: actions.go_on(None, 1.0, False),
        lambda: actions.look_back(None, gradio.SelectData(None, {"index": 0, "value": None})),
    ):
        with pytest.raises(gradio.Error, match="A picture is forgotten 60 minutes after its last use") as raised:
            action()
        assert not raised.value.print_exception, "it is no failure of the program"


def test_what_is_set_before_a_picture_is_dropped_changes_nothing_on_the_page(actions):
    assert actions.blend(None, 0.5) == [gradio.skip()] * 4
    assert actions.draw_map(None, True) == [gradio.skip()] * 2


def test_a_file_that_is_no_picture_is_named_without_its_folder(actions, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(gradio.Error, match=r"broken\.png: not a readable picture") as raised:
        actions.open(str(tmp_path / "broken.png"), 1.0, False)
    assert str(tmp_path) not in raised.value.message
    assert not raised.value.print_exception


def test_visitors_are_told_of_no_option_of_the_command(actions, tmp_path, monkeypatch):
    Image.new("RGB", (101, 100)).save(tmp_path / "large.png")
    with pytest.raises(gradio.Error, match=r"^'?large.png: .*more than the 10000 that are allowed'?$"):
        actions.open(str(tmp_path / "large.png"), 1.0, False)
    for module in ("hirl_env.data.images", "hirl_experiments.web.session"):
        monkeypatch.setattr(f"{module}.free_memory", lambda: 40_000)
    with pytest.raises(gradio.Error, match=r"make room'?$"):
        actions.open(str(tmp_path / "large.png"), 1.0, False)


def test_steps_are_drawn_once(actions, picture, monkeypatch):
    session, *_ = actions.open(str(picture), 1.0, False)
    actions.take(session, "add +1", 1.0, False)
    drawn = []
    seen = type(session).seen
    monkeypatch.setattr(type(session), "seen", lambda *given: drawn.append(1) or seen(*given))
    actions.take(session, "add +8", 1.0, False)
    assert len(drawn) == 2, "the new step, and the result"
    actions.blend(session, 0.5)
    assert len(drawn) == 3


def test_the_path_shows_each_step_as_it_looked(actions, picture):
    session, *_ = actions.open(str(picture), 1.0, False)
    for tool in ("sub 16", "add +8"):
        actions.take(session, tool, 1.0, False)
    actions.undo(session, 1.0, False)
    _, _, _, _, path, *_ = actions.take(session, "add +1", 1.0, False)
    assert [step.getpixel((0, 0))[0] for step, _ in path] == [100, 84, 85]
