"""The command that tables are written under is one that can be typed again."""

import shlex
import sys
from functools import wraps
from pathlib import Path

import pytest

from hirl_env import plugins
from hirl_experiments.command_line.invocation import command_line
from hirl_experiments.commands.benchmark import benchmark
from hirl_experiments.commands.compare import compare


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch):
    """Plugins that other tests named are forgotten."""
    monkeypatch.setattr(plugins, "_named", [])


def test_what_is_left_at_its_default_is_not_said():
    arguments = {"images": "my photographs", "suites": ("light-v1", "levels-v1"), "per_image": 2, "seed": 0}
    command = "hirl benchmark --images 'my photographs' --suites light-v1 levels-v1 --per-image 2"
    assert command_line(benchmark, arguments) == command


def test_what_has_no_option_comes_without_one():
    assert command_line(compare, {"runs": (Path("a-0"), Path("a-1"))}) == "hirl compare a-0 a-1"


@pytest.fixture
def typed(hirl, monkeypatch, capsys):
    """Types a command; returns the arguments that its function is called with."""

    def arguments_of(command, function):
        called = []
        monkeypatch.setattr(
            sys.modules[function.__module__], function.__name__, wraps(function)(lambda **given: called.append(given))
        )
        assert hirl(*shlex.split(command)[1:]) == 0, capsys.readouterr().err
        return called[0]

    return arguments_of


def test_typed_again_it_has_the_same_settings_and_plugins(typed, tmp_path):
    (tmp_path / "typed_again.py").write_text("")
    plugins.load_plugin(str(tmp_path / "typed_again.py"))
    arguments = {"images": "my photographs", "entrants": ("distorted", "hirl@0.05"), "crop": None, "trust": True}
    arguments |= {"beside": (Path("a.json"), Path("b.json"))}
    command = command_line(benchmark, arguments)
    plugins._named.clear()
    again = typed(command, benchmark)
    assert {name: again[name] for name in arguments} == arguments
    assert plugins.named_plugins() == (str(tmp_path / "typed_again.py"),)
    assert command_line(benchmark, again) == command


def shown(images: str, figures: bool = True) -> None:
    """Show something.

    Args:
        images: Photographs.
        figures: Whether to draw figures.
    """


def test_what_is_not_to_be_done_is_said_as_such():
    assert command_line(shown, {"images": "photos", "figures": False}) == "hirl shown --images photos --no-figures"
