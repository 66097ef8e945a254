"""Results that outlive an interruption."""

import pytest

from hirl_experiments.command_line.records import Records

SETTINGS = {"crop": 64, "seed": 0, "tools": "a"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "table.jsonl"


def test_what_was_set_is_there_again(path):
    assert not Records(path, SETTINGS)
    assert not path.exists()
    Records(path, SETTINGS)["mild", 0, "hirl"] = {"psnr": [1.25]}
    Records(path, SETTINGS)["mild", 1, "hirl"] = {"psnr": [2.5]}
    assert dict(Records(path, SETTINGS)) == {
        ("mild", 0, "hirl"): {"psnr": [1.25]},
        ("mild", 1, "hirl"): {"psnr": [2.5]},
    }


def test_a_line_cut_off_by_a_kill_is_measured_again(path):
    records = Records(path, SETTINGS)
    records["mild", 0, "hirl"], records["mild", 1, "hirl"] = 1, 2
    path.write_text(path.read_text()[:-5])
    again = Records(path, SETTINGS)
    assert dict(again) == {("mild", 0, "hirl"): 1}
    again["mild", 1, "hirl"] = 2
    assert len(Records(path, SETTINGS)) == 2
    first = path.read_text().splitlines()[0]
    for left in ("", first[:20], first):
        path.write_text(left)
        assert not Records(path, SETTINGS)
        assert not path.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crop": None}, "crop (there 64, now None)"),
        ({"tools": "b"}, "tools (there a, now b)"),
        ({"depth": 3}, "depth (there None, now 3)"),
    ],
)
def test_other_settings_are_refused(path, change, words):
    Records(path, SETTINGS)["mild", 0, "hirl"] = 1
    before = path.read_text()
    with pytest.raises(ValueError, match="other settings") as error:
        Records(path, SETTINGS | change)
    assert words in str(error.value)
    assert path.read_text() == before


def test_results_are_found_by_the_weights_of_their_method(path):
    first = Records(path, SETTINGS, {"hirl": "x"})
    first["mild", 0, "hirl"], first["mild", 0, "greedy"] = 1, 2
    other = Records(path, SETTINGS, {"hirl": "y", "flat-dqn": "z"})
    assert dict(other) == {("mild", 0, "greedy"): 2}
    other["mild", 0, "hirl"], other["mild", 0, "flat-dqn"] = 3, 4
    assert dict(Records(path, SETTINGS, {"hirl": "x"})) == {("mild", 0, "hirl"): 1, ("mild", 0, "greedy"): 2}
    assert Records(path, SETTINGS, {"hirl": "y", "flat-dqn": "z"}) == other


@pytest.mark.parametrize(
    "text",
    [
        "a,b,c\n1,2,3\n",
        "a note",
        '{"settings": 1}',
        "[1]\n",
        '{"settings": 1}\n',
        '{"settings": {}}\n{}\n',
    ],
)
def test_a_file_that_is_something_else_is_left_alone(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ValueError, match="holds no results"):
        Records(path, SETTINGS)
    assert path.read_text() == text
