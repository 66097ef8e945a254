"""The command that tables are written under is one that can be typed again."""

from pathlib import Path

from hirl_experiments.command_line.invocation import command_line
from hirl_experiments.commands.benchmark import benchmark
from hirl_experiments.commands.compare import compare


def test_what_is_left_at_its_default_is_not_said():
    arguments = {"images": "my photographs", "suites": ("light-v1", "levels-v1"), "per_image": 2, "seed": 0}
    command = "hirl benchmark --images 'my photographs' --suites light-v1 levels-v1 --per-image 2"
    assert command_line(benchmark, arguments) == command


def test_what_has_no_option_comes_without_one():
    assert command_line(compare, {"runs": (Path("a-0"), Path("a-1"))}) == "hirl compare a-0 a-1"
