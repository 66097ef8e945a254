"""Results are gone on with where photographs, tools and agents are the same: what tells them from others."""

import pytest

from hirl_agents.registry import SHIPPED_AGENTS
from hirl_experiments.command_line.fingerprints import of_agent, of_photographs, of_toolset, sha256


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "toolset.yaml").write_text("light: [{network: own.safetensors}]")
    for name in ("tools/own.safetensors", "tools/rl-restore-1.safetensors", "own.npz", "agent.safetensors"):
        (tmp_path / name).write_text("weights")
    return tmp_path


def test_photographs_are_known_by_their_names_and_contents(folder):
    files = sorted(folder.glob("*.png"))
    known = of_photographs(files)
    assert known == of_photographs([*files, files[0]])
    assert known.startswith("3 files, ")
    content = (folder / "picture0.png").read_bytes()
    (folder / "picture0.png").write_bytes(content[:-1] + b"!")
    assert known != of_photographs(files)
    assert of_photographs([*files, folder / "missing.png"]).startswith("4 files, ")


@pytest.mark.parametrize(
    ("toolset", "file"),
    [
        ("tools/toolset.yaml", "tools/toolset.yaml"),
        ("tools/toolset.yaml", "tools/own.safetensors"),
        ("tools", "tools/rl-restore-1.safetensors"),
        ("own.npz", "own.npz"),
        ("light=paper:dejpeg-0,tools/toolset.yaml:light-0;blur=own-1", "tools/own.safetensors"),
        ("blur = own-1, own.npz:deblur-1", "own.npz"),
    ],
)
def test_a_toolset_is_another_where_one_of_its_files_is(toolset, file, place):
    before = of_toolset(toolset)
    (place / file).write_text("light: [{network: own.safetensors, strength: 1}]")
    assert of_toolset(toolset) != before


def test_shipped_toolsets_are_known_by_their_own_files_and_others_by_their_names():
    assert len({of_toolset(name) for name in ("hirl", "paper", "of a plugin")}) == 3
    assert of_toolset("light=paper:dejpeg-0") == of_toolset("paper")
    assert of_toolset("of a plugin") == "of a plugin"
    sixteen = ";".join(f"type-{number}=of-a-plugin-{number}" for number in range(16))
    assert of_toolset(sixteen) == sixteen, "longer than a path may be"


@pytest.mark.parametrize(
    "agent",
    [
        "agent.safetensors",
        "agent.safetensors:max_steps=3",
        "rl-restore:agent.safetensors",
        "search:agent=agent.safetensors,budgets=9+90",
    ],
)
def test_an_agent_is_known_by_its_file(agent, place):
    assert of_agent(agent) == sha256(place / "agent.safetensors")
    assert of_agent(agent.replace("agent.safetensors", "hirl")) == sha256(SHIPPED_AGENTS["hirl"])


def test_what_has_no_file_is_known_by_its_name(place):
    assert of_agent("module:factory") == "module:factory"
    assert of_agent("oracle") == "oracle"
    assert sha256(place) is None


def test_what_is_made_of_code_is_another_where_the_code_is(place, monkeypatch):
    plugin, module = place / "own_plugin.py", place / "own_module.py"
    for file in (plugin, module):
        file.write_text("strength = 1")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setattr("hirl_experiments.command_line.fingerprints.named_plugins", lambda: (str(plugin),))
    before = [of_agent("own"), of_toolset("of a plugin"), of_agent("own_module:factory")]
    assert before[0].startswith("own ")
    plugin.write_text("strength = 2")
    after = [of_agent("own"), of_toolset("of a plugin"), of_agent("own_module:factory")]
    assert all(one != other for one, other in zip(before, after, strict=True))
    module.write_text("strength = 2")
    assert of_agent("own_module:factory") != after[2]
