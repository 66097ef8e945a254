"""Tables on the screen, and results as JSON."""

import json

import pytest

from hirl_experiments.command_line.results import keep_json, print_table


@pytest.mark.parametrize("columns", ["20", "80", "400"])
def test_a_table_shows_every_character_however_narrow_the_terminal_is(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    row = {"entrant": "search:agent=hirl,budgets=9", **{f"measure {number}": number / 3 for number in range(15)}}
    print_table("a title that is longer than some terminals", [row], {name: 4 for name in row if name != "entrant"})
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("search:agent=hirl,budgets=9", "measure 14", "0.3333", "4.6667"))
    assert "…" not in shown


def test_a_table_shows_names_with_brackets_as_they_are(capsys):
    print_table("[red] title", [{"[b]": "photo [copy].png"}, {"[b]": "[/b]/x.png"}], {})
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("[red] title", "[b]", "photo [copy].png", "[/b]/x.png"))


def test_a_table_shows_names_that_no_terminal_can_print(capsys):
    print_table("title", [{"picture": "\udcff\n\x1b.png"}], {})
    assert "\\xff\\n\\x1b.png" in capsys.readouterr().out


def test_what_is_no_number_is_null_in_json(tmp_path):
    rows = [{"correlation": float("nan"), "each": [1.5, float("inf")]}]
    keep_json(tmp_path / "rows.json", {"seed": 0}, rows)
    assert json.loads((tmp_path / "rows.json").read_text())["rows"] == [{"correlation": None, "each": [1.5, None]}]
