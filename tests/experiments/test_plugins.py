"""One file adds one thing: what a user registers in a module of the own, every command knows."""

import json

import pytest

from hirl_env import plugins
from hirl_experiments import cli

PLUGINS = {
    "toy_degradation": """
from hirl_env import Degradation, degradations


class Darkened(Degradation):
    def _apply(self, image, rng):
        return image * 0.8


degradations.register("darkened", Darkened)
""",
    "toy_measure": """
from hirl_env import Measure, measures

measures.register("closeness", lambda: Measure("closeness", lambda images, to: -(images - to).abs().mean((1, 2, 3))))
""",
    "toy_tool": """
from hirl_env import Tool
from hirl_env.tools import tools

tools.register("brighten", lambda: Tool("brighten", lambda images: images * 1.25))
""",
    "toy_agent": '''
from dataclasses import dataclass

from stable_baselines3 import DQN

from hirl_agents.algorithm import AlgorithmConfig
from hirl_agents.networks import ResNet18Extractor
from hirl_agents.registry import algorithms


@dataclass(frozen=True)
class ToyConfig(AlgorithmConfig):
    """Options of the toy.

    Args:
        width: Width of the trunk.
    """

    width: int = 8
    flat = True

    @classmethod
    def algorithm(cls):
        return DQN

    def build(self, env, learning_rate, seed):
        options, network = self._options("width")
        policy = {"features_extractor_class": ResNet18Extractor, "features_extractor_kwargs": network, "net_arch": []}
        sizes = {"learning_starts": 4, "buffer_size": 16, "batch_size": 4}
        return DQN("CnnPolicy", env, learning_rate, policy_kwargs=policy, seed=seed, **sizes, **options)


algorithms.register("toy", ToyConfig)
''',
    "toy_method": """
from dataclasses import dataclass

from hirl_agents.search import chain
from hirl_experiments.evaluation.method import Method
from hirl_experiments.evaluation.methods import methods


@dataclass(frozen=True)
class FirstTool(Method):
    times: int = 1

    def open(self, name, toolset, trust=False):
        return lambda start, applied: iter([{name: chain(start, [(0, 0)] * self.times)}])


methods.register("first-tool", FirstTool)
""",
    "toy_recipe": """
from torch import nn

from hirl_env.data import GaussianNoise
from hirl_experiments.training.tool_recipe import ToolRecipe
from hirl_experiments.training.tool_recipes import tool_recipes


def network():
    return nn.Conv2d(3, 3, 3, padding=1)


noise = GaussianNoise(25)
tool_recipes.register("toy", lambda: ToolRecipe(network, lambda rng: noise, noise, (noise,), lr=0.01))
""",
    "toy_command": '''
from hirl_experiments.cli import Command, register


def shout(text: str) -> None:
    """Print a text in capitals.

    Args:
        text: Text to print.
    """
    print(text.upper())


register("shout", Command("toy_command:shout", "print a text in capitals"))
''',
}


@pytest.fixture
def plugin(tmp_path, monkeypatch) -> list[str]:
    """A module of each kind, as arguments of a command. What they register is forgotten at the end."""
    from hirl_agents.registry import algorithms
    from hirl_env import degradations, measures
    from hirl_env.tools import tools
    from hirl_experiments.evaluation.methods import methods
    from hirl_experiments.training.tool_recipes import tool_recipes

    monkeypatch.setattr(cli, "COMMANDS", dict(cli.COMMANDS))
    for registry in (algorithms, degradations, measures, tools, methods, tool_recipes):
        monkeypatch.setattr(registry, "factories", dict(registry.factories))
    arguments = []
    for name, code in PLUGINS.items():
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(plugins.sys.modules, name, raising=False)
        arguments += ["--plugin", str(tmp_path / f"{name}.py")]
    return arguments


def test_a_module_adds_each_kind_of_thing_to_every_command(plugin, folder, tmp_path, hirl, capsys):
    run, toolset, rows = tmp_path / "run", "light=brighten", tmp_path / "rows.json"
    environment = ["--env.degradation", "darkened", "--env.reward", "closeness", "--env.toolset", toolset]
    sizes = ["--env.crop-size", "16", "--n-envs", "2", "--total-steps", "8", "--every", "8", "--hold-out", "1"]
    train = ["train", "--preset", "toy", "--images", str(folder), "--out", str(run), "--threads", "1", "--no-wandb"]
    assert hirl(*train, *environment, *sizes, *plugin) == 0, capsys.readouterr().err
    agent = run / "best.zip"
    arguments = ["--images", str(folder), "--crop", "16", "--degradations", "darkened", "--toolset", toolset]
    methods = ["--methods", "distorted", "first-tool", "first-tool:times=2", str(agent), "greedy:depth=1"]
    assert hirl("evaluate", *arguments, *methods, "--json", str(rows), *plugin) == 1
    assert "--trust" in capsys.readouterr().err
    assert hirl("evaluate", *arguments, *methods, "--json", str(rows), "--trust", *plugin) == 0, capsys.readouterr().err
    gains = {row["method"]: row["gain"] for row in json.loads(rows.read_text())["rows"]}
    assert gains["first-tool"] == pytest.approx(gains["greedy:depth=1"])
    assert gains["first-tool"] > 10 > gains["first-tool:times=2"]
    assert str(agent) in gains
    suite = ["--suites", "levels-v1", "--entrants", "distorted", str(agent), "greedy:depth=1", "--crop", "16"]
    assert hirl("benchmark", "--images", str(folder), "--toolset", toolset, *suite, "--trust", *plugin) == 0
    out = tmp_path / "restored"
    restore = ["restore", str(folder), "--out", str(out), "--toolset", toolset, "--agent", str(agent), "--trust"]
    assert hirl(*restore, *plugin) == 0, capsys.readouterr().err
    assert len(list(out.glob("*.png"))) == 3
    assert hirl("score", str(folder), "--references", str(folder), "--measure", "closeness", *plugin) == 0
    short = ["--images", str(folder), "--steps", "2", "--batch", "2", "--patch", "16", "--toolset", toolset]
    assert hirl("train-tools", "toy", *short, "--out", str(tmp_path / "tools"), "--threads", "1", *plugin) == 0
    assert "\ntool: toy\n" in (tmp_path / "tools" / "toy.md").read_text()
    capsys.readouterr()
    assert hirl("shout", "--text", "done", *plugin) == 0
    assert capsys.readouterr().out == "DONE\n"


def test_a_command_is_given_once():
    with pytest.raises(ValueError, match="the command 'train' is registered already"):
        cli.register("train", cli.COMMANDS["demo"])


def test_a_plugin_that_fails_is_named(tmp_path, hirl, capsys):
    (tmp_path / "broken.py").write_text("1 / 0")
    assert hirl("score", "x.png", "--plugin", str(tmp_path / "broken.py")) == 1
    assert "broken.py cannot be imported: ZeroDivisionError" in capsys.readouterr().err


def test_a_plugin_that_is_no_python_is_named(tmp_path, hirl, capsys):
    (tmp_path / "parts.sh").write_text("")
    assert hirl("score", "x.png", "--plugin", str(tmp_path / "parts.sh")) == 1
    assert "parts.sh is not a .py file; give one, or the name of a module" in capsys.readouterr().err


def test_a_file_named_as_another_module_is_refused(tmp_path, hirl, capsys, monkeypatch):
    for name in ("a/own_parts", "b/own_parts", "yaml", "cProfile"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    monkeypatch.setattr(plugins, "_named", [])
    monkeypatch.setattr(plugins.sys, "modules", dict(plugins.sys.modules))
    first = str(tmp_path / "a" / "own_parts.py")
    plugins.load_plugin(first)
    plugins.load_plugin(first)
    plugins.sys.modules.pop("cProfile", None)
    for other in (tmp_path / "b" / "own_parts.py", tmp_path / "yaml.py", tmp_path / "cProfile.py"):
        assert hirl("score", "x.png", "--plugin", str(other)) == 1
        error = capsys.readouterr().err
        assert f"{other} cannot be imported: ImportError: there is another module {other.stem}, of " in error
        assert "rename the file" in error


def test_installed_plugins_are_found_by_their_entry_point(monkeypatch):
    class Entry:
        name = "mine"

        def load(self):
            raise ImportError("something is missing")

    monkeypatch.setattr(plugins, "entry_points", lambda group: [Entry()] if group == "hirl.plugins" else [])
    plugins.load_installed.cache_clear()
    with pytest.warns(UserWarning, match="plugin mine was left out: ImportError: something is missing"):
        plugins.load_installed()
    plugins.load_installed.cache_clear()
