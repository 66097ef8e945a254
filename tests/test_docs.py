"""The documentation: its Python runs, its links lead somewhere, and it names every command."""

import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from hirl_env.config import EnvConfig
from hirl_experiments.cli import COMMANDS

REPOSITORY = Path(__file__).parents[1]
TUTORIALS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.md"))
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")


@pytest.fixture
def registries(monkeypatch):
    """Forgets at the end what a page registers."""
    from hirl_agents.registry import agents
    from hirl_env import degradations, measures, toolsets
    from hirl_env.tools import tools
    from hirl_experiments.training.tool_recipes import tool_recipes

    for registry in (agents, degradations, measures, toolsets, tools, tool_recipes):
        monkeypatch.setattr(registry, "factories", dict(registry.factories))


@pytest.mark.slow
@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *TUTORIALS], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs_from_its_top_to_its_end(page, registries, tmp_path, monkeypatch):
    if page.stem == "own-networks":
        pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    blocks = CODE.findall(page.read_text(encoding="utf-8"))
    assert blocks
    exec(compile("\n".join(blocks), page.name, "exec"), {"__name__": page.stem})
    sys.modules.pop("my_tools", None)  # the next that a test writes is another


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_within_the_repository_lead_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert not missing


def test_every_test_that_the_table_of_files_names_is_there():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (REPOSITORY / "docs" / "files.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    sources = {name: "".join(path.read_text() for path in (REPOSITORY / "tests").rglob(name)) for name, _ in named}
    assert [f"{name}::{test}" for name, test in named if f"def {test}(" not in sources[name]] == []


def test_the_table_of_arguments_has_every_one_with_its_default():
    text = (REPOSITORY / "docs" / "environment.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", text, re.MULTILINE)
    assert rows == [(field.name, repr(field.default).replace("'", '"')) for field in fields(EnvConfig)]


def test_every_command_has_a_section():
    text = (REPOSITORY / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert re.findall(r"^## hirl ([\w-]+)$", text, re.MULTILINE) == list(COMMANDS)


def test_agents_of_runs_are_named_with_the_toolset_that_hirl_train_takes():
    lines = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines() if "runs/" in line]
    named = [line for line in lines if ".safetensors" in line]
    assert named
    assert [line for line in named if EnvConfig.toolset not in re.findall(r'toolset[ =]"?(\w+)', line)] == []


def test_the_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
