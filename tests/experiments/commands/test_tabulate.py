"""`hirl tabulate` and `hirl regret`, on tools whose best paths can be told by hand."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from hirl_agents.registry import AGENT_OF_TOOLSET, agents
from hirl_env.data.degradations import Degradation
from hirl_env.data.suites import Suite, suites
from hirl_env.table import open_table
from hirl_env.tools.registry import toolsets
from hirl_experiments.commands.regret import regret
from hirl_experiments.commands.tabulate import tabulate
from tests.conftest import add


class Darkened(Degradation):
    """Nine levels darker than the reference: brightening by 8 and by 1 is best."""

    def _apply(self, image, rng):
        return add(-9).restore(image)


@pytest.fixture
def toy(toy_toolset, monkeypatch):
    monkeypatch.setitem(toolsets.factories, "toy", lambda: toy_toolset)
    darkened = Suite("toy-v1", {"darkened": Darkened()}, {"toy": ("brighten-1",)})
    monkeypatch.setitem(suites.factories, "toy-v1", lambda: darkened)


def darkens() -> object:
    """An agent that makes everything worse, as long as it may."""
    return lambda images: torch.tensor([[0.0, 0.0], [1.0, 0.0]]).expand(len(images), 2, 2)


@pytest.fixture
def table(toy, folder, tmp_path):
    tabulate(str(folder), tmp_path / "table", suite="toy-v1", depth=2, crop=16, per_image=2, toolset="toy")
    return tmp_path / "table"


def test_how_large_it_becomes_is_said_first_and_it_is_so_large(toy, folder, tmp_path, capsys):
    table = tmp_path / "table"
    tabulate(str(folder), table, suite="toy-v1", depth=2, crop=16, per_image=2, toolset="toy")
    said = capsys.readouterr().out
    assert "6 crops with 21 paths each, of up to 2 of 4 tools: 120 runs of a tool, 0.00 TFLOP, 0.1 MB in" in said
    opened = open_table(table)
    assert opened.spec.bytes == pytest.approx(sum(file.stat().st_size for file in table.glob("*.npy")), rel=0.02)
    assert [labels[0] for labels in opened.spec.samples] == [f"picture{n}" for n in (0, 0, 1, 1, 2, 2)]
    assert opened.observations.shape[1] == 21


def test_regrets_are_what_is_missing_to_the_best_path(table, tmp_path):
    names = ("distorted", "fixed", "oracle", f"{__name__}:darkens", "path:brighten-1,brighten-0")
    regret(table, names, json=tmp_path / "rows.json")
    rows = {row["entrant"]: row for row in json.loads((tmp_path / "rows.json").read_text())["rows"]}
    best = rows["distorted"]["best"]
    assert rows["brighten-1,brighten-0"]["regret"] == pytest.approx(0, abs=1e-6)
    assert rows["oracle"]["regret"] == pytest.approx(0, abs=1e-6)
    assert rows["oracle"]["% within 0.1"] == 100
    assert rows["distorted"]["regret"] == pytest.approx(best)
    assert 0 < rows["fixed"]["regret"] < best
    assert rows[f"{__name__}:darkens"]["regret"] > best
    assert rows[f"{__name__}:darkens"]["trials"] == 2, "no longer than the table is deep"


def test_a_price_on_compute_changes_what_is_best(toy, costly_toolset, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(toolsets.factories, "toy", lambda: costly_toolset)
    darkened = Suite("toy-v1", {"darkened": Darkened()}, {"toy": ("cheap-1",)})
    monkeypatch.setitem(suites.factories, "toy-v1", lambda: darkened)
    tabulate(str(folder), tmp_path / "table", suite="toy-v1", depth=1, crop=16, toolset="toy")
    regret(tmp_path / "table", ("path:dear-0", "fixed"), price=1e4, json=tmp_path / "rows.json")
    dear, cheap = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert cheap["regret"] == pytest.approx(0, abs=1e-3)
    assert dear["regret"] == pytest.approx(1e4 * cheap["GFLOP"], abs=1e-3), "twice the cost for the same"


def test_who_must_be_told_the_degradations_is_refused(table):
    with pytest.raises(ValueError, match="--entrants reverse: must be told the degradations"):
        regret(table, ("distorted", "reverse"))


def test_other_tools_than_the_tables_are_refused(table, toy_toolset, monkeypatch):
    renamed = toy_toolset.with_type("new", [add(3), add(5)])
    stronger = toy_toolset.mapped(lambda tool: add(5) if tool.name == "add +8" else tool)
    same_name = toy_toolset.mapped(
        lambda tool: replace(tool, restore=add(5).restore) if tool.name == "add +8" else tool
    )
    for other in (renamed, stronger, same_name):
        monkeypatch.setitem(toolsets.factories, "toy", lambda other=other: other)
        with pytest.raises(ValueError, match="was made with other tools than the toolset 'toy' has"):
            regret(table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "--depth must be at least 1"),
        ({"depth": 1, "observed": 2}, "--observed 2: paths are no longer than --depth 1"),
        ({"suite": "unknown-v9"}, "unknown suite 'unknown-v9'"),
        ({"crop": 99}, "a crop of 99x99 fits into no picture"),
        ({"measure": "hirl"}, "unknown measure 'hirl'"),
    ],
)
def test_wrong_input_is_one_line(toy, folder, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        tabulate(str(folder), tmp_path / "table", **{"suite": "toy-v1", "toolset": "toy", **arguments})


def test_a_table_is_not_taken_for_one_of_other_photographs_or_tools(table, toy, folder, monkeypatch):
    def again():
        tabulate(str(folder), table, suite="toy-v1", depth=2, crop=16, per_image=2, toolset="toy")

    again()
    with monkeypatch.context() as patch:
        patch.setattr("hirl_experiments.commands.tabulate.of_toolset", lambda toolset: "other weights")
        with pytest.raises(ValueError, match="another table already, of other tools; choose another, or remove it"):
            again()
    Image.open(folder / "picture0.png").rotate(90).save(folder / "picture0.png")
    with pytest.raises(ValueError, match="another table already, of other photographs; choose another"):
        again()


@pytest.fixture
def sourceless(table):
    """A table that says nothing of its origin, as one that Python made."""
    spec = json.loads((table / "table.json").read_text())
    (table / "table.json").write_text(json.dumps(spec | {"source": {}}))
    return table


def test_of_a_table_that_says_nothing_of_its_origin_the_toolset_is_enough(sourceless, hirl, tmp_path, capsys):
    agent = f"{__name__}:darkens"
    assert hirl("regret", str(sourceless), "--entrants", agent) == 1
    missing = "does not say which toolset it was made with: name it by --toolset"
    assert capsys.readouterr().err.splitlines() == [f"hirl: {sourceless} {missing}"]
    with pytest.raises(ValueError, match=r"fixed: no path is known .*, or leave fixed out of --entrants"):
        regret(sourceless, ("fixed",), toolset="toy")
    regret(sourceless, ("oracle", agent), toolset="toy", json=tmp_path / "rows.json")
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["entrant"] for row in rows["rows"]] == ["oracle", agent]
    assert rows["rows"][0]["regret"] == pytest.approx(0, abs=1e-6)
    assert rows["settings"]["toolset"] == "toy"


@pytest.mark.parametrize(
    ("source", "expected"), [({"suite": "toy-v1"}, {"fixed", "hirl", "oracle"}), ({}, {"hirl", "oracle"})]
)
def test_the_fixed_path_is_shown_where_the_table_names_its_suite(sourceless, source, expected, monkeypatch, tmp_path):
    spec = json.loads((sourceless / "table.json").read_text())
    (sourceless / "table.json").write_text(json.dumps(spec | {"source": source}))
    monkeypatch.setitem(agents.factories, "hirl", darkens)
    monkeypatch.setitem(AGENT_OF_TOOLSET, "toy", "hirl")
    regret(sourceless, toolset="toy", json=tmp_path / "rows.json")
    assert {row["entrant"] for row in json.loads((tmp_path / "rows.json").read_text())["rows"]} == expected


def test_what_is_no_table_has_no_regret(folder):
    with pytest.raises(ValueError, match="no table that hirl tabulate wrote"):
        regret(folder)
