"""Entrants of `hirl benchmark` by name."""

import colorsys
import os
import sys

import gymnasium as gym
import pytest
from stable_baselines3 import PPO

from hirl_agents.registry import agents
from hirl_env.data.suites import suites
from hirl_env.tools.registry import toolsets
from hirl_experiments.commands.evaluate import _default_methods
from hirl_experiments.evaluation.entrants import EntrantOptions, default_entrants, open_entrants
from hirl_experiments.evaluation.methods import open_methods


@pytest.mark.parametrize("name", ["hirl", "paper"])
def test_what_is_compared_by_default_fits_the_toolset(name):
    toolset = toolsets.resolve(name)
    options = EntrantOptions(toolset, suites.resolve("levels-v1").fixed_path(name))
    fixed, agent, oracle = (entrant.name for entrant in open_entrants(default_entrants(name), options))
    assert (fixed, oracle) == ("fixed", "oracle")
    assert agent == ("hirl" if name == "hirl" else "hirl-paper")
    assert agent in open_methods(_default_methods(name), toolset, trust=False)


def made_by_a_factory(monkeypatch, make):
    monkeypatch.setattr(colorsys, "make", make, raising=False)
    (entrant,) = open_entrants(["colorsys:make"], EntrantOptions(toolsets.resolve("paper"), ()))
    return entrant


def test_a_factory_makes_any_agent(monkeypatch):
    env = gym.make("HIRL-Restore-v0", crop_size=16, flat=True)
    for make in (lambda: agents.resolve("hirl-paper"), lambda: PPO("MlpPolicy", env, n_steps=2, batch_size=2)):
        assert made_by_a_factory(monkeypatch, make).chooses


def test_a_factory_may_lie_in_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "factory_here.py").write_text(
        "from hirl_agents.registry import agents\nmake = agents.factories['hirl-paper']"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    (entrant,) = open_entrants(["factory_here:make"], EntrantOptions(toolsets.resolve("paper"), ()))
    assert entrant.name == "factory_here:make"


@pytest.mark.parametrize("make", [os.getcwd, lambda: 3, lambda needed: needed])
def test_a_factory_that_makes_none_is_refused(monkeypatch, make):
    with pytest.raises(ValueError, match=r"a factory|must be a name"):
        made_by_a_factory(monkeypatch, make)


def test_a_toolset_without_an_agent_has_none_by_default():
    assert default_entrants("own.yaml") == ("fixed", "oracle")
