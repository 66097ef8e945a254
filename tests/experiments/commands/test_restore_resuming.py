"""`hirl restore` goes on: what counts as finished, whatever happened to inputs, outputs and runs in between."""

import errno
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hirl_env.files import lock
from hirl_experiments.restoring.log import logged_rows, opened_log
from hirl_experiments.restoring.one_picture import write
from tests.conftest import colours
from tests.experiments.commands.conftest import log, names, picture, run

pytestmark = pytest.mark.usefixtures("brighter", "place")


@pytest.fixture
def restored(capsys):
    """The names of pictures that were restored since the last call."""

    def names_of() -> list[str]:
        return [line.partition(":")[0] for line in capsys.readouterr().out.splitlines() if ": " in line]

    return names_of


def test_what_is_finished_is_known_from_any_folder(restored, place, monkeypatch):
    picture("in/a.png")
    run(("in/a.png",))
    assert restored() == ["a.png"]
    monkeypatch.chdir(place / "in")
    run(("a.png",), out=Path("../out"))
    run((str(place / "in"),), out=place / "out")
    assert restored() == []


def test_an_input_that_has_changed_is_restored_again(restored):
    picture("a.png")
    picture("b.png")
    run(("a.png", "b.png"))
    picture("a.png", colours() + np.uint8(1))
    assert restored() == ["a.png", "b.png"]
    run(("a.png", "b.png"))
    assert restored() == ["a.png"]
    assert (np.asarray(Image.open("out/a.png")) == colours() + 9).all()


def test_an_input_that_was_broken_for_a_while_does_not_lose_its_result(restored):
    content = picture("a.png").read_bytes()
    run(("a.png",))
    Path("a.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="1 of 1"):
        run(("a.png",))
    assert (np.asarray(Image.open("out/a.png")) == colours() + 8).all()
    Path("a.png").write_bytes(content)
    restored()
    run(("a.png",))
    assert restored() == []


def test_a_source_that_was_missing_for_a_while_does_not_lose_its_result(restored):
    content = picture("a.png").read_bytes()
    run(("a.png",))
    Path("a.png").unlink()
    with pytest.raises(ValueError, match="1 of 1"):
        run(("a.png",))
    Path("a.png").write_bytes(content)
    restored()
    run(("a.png",))
    assert restored() == []


def test_pictures_of_the_same_name_that_are_refused_leave_the_results_of_the_first(restored, capsys):
    picture("a.png")
    picture("other/a.png", colours() + np.uint8(1))
    run(("a.png",))
    with pytest.raises(ValueError, match="1 of 1"):
        run(("other/a.png",))
    assert "is the result of" in capsys.readouterr().err
    run(("a.png",))
    assert capsys.readouterr().out.splitlines()[0] == "1 of 1 restored already"


def test_steps_of_an_earlier_result_go_with_it():
    picture("a.png")
    run(("a.png",), save_steps=True, max_steps=2)
    run(("a.png",), save_steps=True, max_steps=2)
    assert names() == {"a.png", "a.png.step1.png", "a.png.step2.png"}
    Path("out/a.png.step2.png").write_bytes(b"mine")
    run(("a.png",), save_steps=True, max_steps=1, force=True)
    assert names() == {"a.png", "a.png.step1.png", "a.png.step2.png"}
    assert Path("out/a.png.step2.png").read_bytes() == b"mine"
    Path("out/a.png.step2.png").unlink()
    run(("a.png",), force=True)
    assert names() == {"a.png"}


def test_an_empty_output_is_restored_again_and_one_that_the_user_changed_is_left(restored, capsys):
    for name in "abc":
        picture(f"{name}.png")
    arguments = ("a.png", "b.png", "c.png")
    run(arguments)
    Path("out/a.png").write_bytes(b"")
    Path("out/b.png").write_bytes(b"mine")
    restored()
    with pytest.raises(ValueError, match="1 of 3"):
        run(arguments)
    said = capsys.readouterr()
    assert "b.png: out/b.png was changed since it was saved; --force overwrites it" in said.err
    assert "a.png: add +8" in said.out
    assert "c.png" not in said.out
    assert Path("out/b.png").read_bytes() == b"mine"


def test_a_reference_that_has_changed_counts(restored):
    picture("a.png")
    picture("clean/a.png", colours() + np.uint8(8))
    arguments = {"stop": "reference", "references": Path("clean")}
    run(("a.png",), **arguments)
    run(("a.png",), **arguments)
    assert restored() == ["a.png"]
    picture("clean/a.png", colours() + np.uint8(9))
    run(("a.png",), **arguments)
    assert restored() == ["a.png"]


def test_a_run_beside_another_into_one_folder_is_refused():
    picture("a.png")
    run(("a.png",))
    with open("out/restore.jsonl", "rb+") as other:
        assert lock(other.fileno())
        with pytest.raises(ValueError, match="another `hirl restore` is saving in out; wait for it, or choose another"):
            run(("a.png",))
    run(("a.png",))


def test_a_run_that_is_refused_leaves_the_log_of_the_other_which_may_still_be_empty(place):
    with opened_log(place) as log:
        with pytest.raises(ValueError, match="another `hirl restore`"), opened_log(place):
            pass
        log.append({"target": "a.png", "saved": "a.png"})
    assert logged_rows(place) == {"a.png": {"target": "a.png", "saved": "a.png"}}


def test_files_that_were_saved_before_a_disk_was_full_are_known_as_ours(monkeypatch):
    picture("a.png")

    def full(files):
        write(dict(list(files.items())[:1]))
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hirl_experiments.restoring.run.write", full)
        with pytest.raises(ValueError, match="1 of 1"):
            run(("a.png",), save_steps=True)
    before = names()
    assert len(before) == 1
    run(("a.png",), save_steps=True)
    assert before < names()


def test_what_is_missing_is_said_before_the_first_picture(capsys):
    picture("a.png")
    with pytest.raises(ValueError, match="1 of 2"):
        run(("a.png", "b.png"), dry_run=False)
    said = capsys.readouterr()
    assert "hirl: b.png: no such file\n" in said.err
    assert [row["file"] for row in log()] == ["b.png", "a.png"]


def test_a_dry_run_passes_over_what_is_finished_and_writes_nothing(restored):
    picture("a.png")
    run(("a.png",))
    picture("b.png")
    whole = Path("out/restore.jsonl").read_bytes() + b'{"target": "b.p'  # as a kill leaves it
    Path("out/restore.jsonl").write_bytes(whole)
    restored()
    run(("a.png", "b.png"), dry_run=True)
    assert restored() == ["b.png"]
    assert Path("out/restore.jsonl").read_bytes() == whole
    assert not Path("out/b.png").exists()
    with pytest.raises(ValueError, match="of other settings: max_steps"):
        run(("a.png", "b.png"), dry_run=True, max_steps=2)
    Path("out/a.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match="1 of 2 pictures could not be restored"):
        run(("a.png", "b.png"), dry_run=True)


def test_a_line_that_was_cut_off_is_no_obstacle(restored):
    for name in "ab":
        picture(f"{name}.png")
    run(("a.png",))
    run(("b.png",))
    whole = Path("out/restore.jsonl").read_bytes()
    Path("out/restore.jsonl").write_bytes(whole[:-40])
    Path("out/b.png").unlink()
    restored()
    run(("a.png", "b.png"))
    assert restored() == ["b.png"]
    assert [json.loads(line)["saved"] for line in Path("out/restore.jsonl").read_text().splitlines()] == [
        "a.png",
        "b.png",
    ]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="this system has no SIGKILL")
def test_kills_at_any_moment_cost_nothing_but_time(until):
    """The command of the campaign in tests/campaigns, a few kills at moments that the log tells."""
    for number in range(4):
        picture(f"in/{number}.png", colours(32, 32, 3) // (number + 1))
    repository = Path(__file__).parents[3]
    command = [sys.executable, str(repository / "tests" / "campaigns" / "toy_restore.py"), "in", "--out"]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    path, slow = Path("out/restore.jsonl"), {**os.environ, "HIRL_SLOW": "0.5"}
    for rows in (1, 3):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*command, "out"], env=slow, **pipes)
        until(partial(lambda count: path.exists() and path.read_bytes().count(b"\n") >= count, rows), process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    subprocess.run([*command, "out"], check=True, capture_output=True)
    assert {name: Path("out", name).read_bytes() for name in names()} == {
        name: Path("whole", name).read_bytes() for name in names("whole")
    }
