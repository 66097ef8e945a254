"""Entrants of `hirl benchmark` by name."""

import pytest

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


def test_a_toolset_without_an_agent_has_none_by_default():
    assert default_entrants("own.yaml") == ("fixed", "oracle")
