"""The figures in the documentation are those that commands wrote."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "benchmark.md"
TABLES = sorted((REPOSITORY / "docs" / "benchmark").glob("*.md"))
README_NAMES = {
    "distorted": "distorted",
    "best fixed path": "fixed",
    "RL-Restore, released": "rl-restore",
    "OWAN, released": "owan",
    "HIRL": "hirl",
    "oracle": "oracle",
}


def rows(text):
    """The cells of all rows of the tables of a page."""
    lines = (line for line in text.splitlines() if line.startswith("|") and "---" not in line)
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_has_no_table_but_those_that_commands_wrote():
    text = PAGE.read_text(encoding="utf-8")
    included = re.findall(r"^```\{include\} (\S+)$", text, re.MULTILINE)
    assert sorted(included) == [f"benchmark/{table.name}" for table in TABLES]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_a_table_stands_under_its_command(table):
    text = table.read_text(encoding="utf-8")
    assert re.search(r"^```sh\nhirl [a-z-]+ --images \./\S+ .*\n```$", text, re.MULTILINE)
    assert len(rows(text)) > 1


def test_the_readme_says_what_the_benchmark_measured():
    header, *measured = rows((REPOSITORY / "docs" / "benchmark" / "unknown.md").read_text(encoding="utf-8"))
    by_name = {row[header.index("entrant")]: dict(zip(header, row, strict=True)) for row in measured}
    readme = rows((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    told = {README_NAMES[row[0]]: row[1:] for row in readme if row[0] in README_NAMES}
    assert told.keys() == set(README_NAMES.values())
    for name, (psnr, score, harm) in told.items():
        row = by_name[name]
        assert (psnr, score, harm) == (row["PSNR"], row["score"], f"{float(row['harm %']):g} %")
