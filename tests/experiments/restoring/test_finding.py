"""Which pictures the arguments of a command stand for."""

import os
from pathlib import Path

import pytest

from hirl_experiments.restoring.finding import find_pictures


def test_a_link_beside_its_picture_is_left_out_whichever_comes_first(tmp_path):
    for name, link in (("b.png", "a.png"), ("c.png", "d.png")):
        (tmp_path / name).write_bytes(b"picture")
        (tmp_path / link).symlink_to(name)
    found = find_pictures([str(tmp_path)], tmp_path / "out")
    assert sorted(file.name for file in found.files) == ["b.png", "c.png"]
    assert {path.name: why for path, why in found.left_out.items()} == {
        "a.png": "links to other pictures",
        "d.png": "links to other pictures",
    }


def test_links_to_pictures_elsewhere_are_taken(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "photo.png").write_bytes(b"picture")
    (tmp_path / "in" / "a.png").symlink_to("../photo.png")
    found = find_pictures([str(tmp_path / "in")], tmp_path / "out")
    assert [str(name) for name in found.files.values()] == ["a.png"]
    assert not found.left_out


def test_a_link_that_may_not_be_followed_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "b.png").symlink_to("secret/b.png")

    def stat(path, *arguments, whole=os.stat, **options):
        if Path(path).name == "b.png" and options.get("follow_symlinks", True):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    found = find_pictures([str(tmp_path)], tmp_path / "out")
    assert [file.name for file in found.files] == ["a.png"]
    assert {path.name: why for path, why in found.left_out.items()} == {"b.png": "broken links"}


def test_a_file_named_twice_keeps_the_name_of_the_first_argument(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(b"picture")
    found = find_pictures([str(tmp_path / "sub" / "a.png"), str(tmp_path)], tmp_path / "out")
    assert [str(name) for name in found.files.values()] == ["a.png"]


def test_hidden_folders_are_not_searched(tmp_path):
    for name in ("in/a.png", "in/.Trash-1000/files/old.png", "in/b/.cache/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"picture")
    found = find_pictures([str(tmp_path / "in")], tmp_path / "out")
    assert list(found.files.values()) == [Path("a.png")]
    assert found.summary() == "hidden folders (2)"
    by_name = find_pictures([str(tmp_path / "in" / ".Trash-1000")], tmp_path / "out")
    assert list(by_name.files.values()) == [Path("files/old.png")]


def test_a_pattern_of_folders_finds_what_is_in_them_but_not_the_results(tmp_path):
    for name in ("2023-01/a.png", "2023-02/deep/a.png", "2023-03/none.txt", "2023-restored/a.png", "2024/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"picture")
    (tmp_path / "2023-link").symlink_to(tmp_path / "2024")
    found = find_pictures([str(tmp_path / "2023-*")], tmp_path / "2023-restored")
    assert list(found.files.values()) == [Path("2023-01/a.png"), Path("2023-02/deep/a.png")]
    assert found.summary() == ".txt files (1), links to folders (1)"


def test_a_pattern_that_finds_files_but_no_pictures_says_which(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"\*: no pictures in there \(left out: \.txt files \(1\); looked for"):
        find_pictures([str(tmp_path / "*")], tmp_path / "out")
