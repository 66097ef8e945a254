import os
from pathlib import PurePath

import numpy as np
import pytest

from hirl_env.data import images
from hirl_env.data.images import UnreadablePicture
from hirl_env.data.photographs import Entry, Photographs, from_folder, image_sources
from tests.hirl_env.data.pictures import save


def test_the_embedded_photographs_are_colour_and_large():
    pictures = list(image_sources.resolve("photos"))
    assert len(pictures) >= 5
    for picture in pictures:
        assert picture.reference.dtype == np.uint8
        assert min(picture.reference.shape[:2]) >= 300
        assert picture.distorted is None
        assert np.ptp(picture.reference.astype(int), axis=2).mean() > 1


def test_a_folder_is_read_in_order_with_its_sub_folders(tmp_path):
    for name in ("b.png", "a.jpg", "sub/c.PNG", "sub/a.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "sub" / "._c.PNG").write_bytes(b"what macOS lays beside c.PNG")
    save(tmp_path / ".thumbnails" / "a.png")
    assert [picture.name for picture in from_folder(tmp_path)] == ["a", "b", "sub/a", "sub/c"]


def test_capitals_come_first_on_every_system(tmp_path, monkeypatch):
    for name in ("b.png", "A.png", "C.png"):
        save(tmp_path / name)
    # Windows compares paths without regard to case.
    monkeypatch.setattr(PurePath, "__lt__", lambda one, other: str(one).lower() < str(other).lower())
    assert [picture.name for picture in from_folder(tmp_path)] == ["A", "C", "b"]


def test_a_picture_to_be_cut_needs_less_memory_than_one_to_be_restored(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    monkeypatch.setattr("hirl_env.data.images.free_memory", lambda: 120 * images.DECODING)
    assert len(list(from_folder(tmp_path))) == 1
    with pytest.raises(UnreadablePicture, match="make room"), images.opened(tmp_path / "a.png"):
        pass


def test_the_files_of_pairs_are_listed_one_after_the_other(tmp_path):
    entries = [Entry("a", reference=tmp_path / "a.png"), Entry("b", tmp_path / "b.png", tmp_path / "b.jpg")]
    assert [file.name for file in Photographs(entries, "pairs").files] == ["a.png", "b.jpg", "b.png"]


def test_a_broken_file_is_named_and_skipped(folder):
    (folder / "broken.png").write_bytes(b"\x89PNG no more")
    pictures = from_folder(folder)
    with pytest.warns(UserWarning, match="broken.png"):
        assert len(list(pictures)) == 3
    assert len(pictures) == 3
    rng = np.random.default_rng(0)
    assert {pictures.draw(rng).name for _ in range(30)} == {"picture0", "picture1", "picture2"}


def test_a_broken_file_is_skipped_when_drawn(tmp_path):
    save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"")
    pictures = from_folder(tmp_path)
    with pytest.warns(UserWarning, match="bad.png"):
        assert {pictures.draw(np.random.default_rng(seed)).name for seed in range(20)} == {"good"}


def test_a_broken_file_does_not_change_what_a_seed_draws(folder):
    (folder / "a-broken.png").write_bytes(b"")
    fresh, used = from_folder(folder), from_folder(folder)
    with pytest.warns(UserWarning, match="a-broken.png"):
        list(used)
        drawn = [source.draw(np.random.default_rng(seed)).name for seed in range(20) for source in (fresh, used)]
    assert drawn[::2] == drawn[1::2]


def test_too_small_is_for_those_who_ask_for_more(folder):
    save(folder / "small.png", size=(12, 30))
    fresh, used = from_folder(folder), from_folder(folder)
    with pytest.warns(UserWarning, match="small: has 12x30 pixels, and needs 20x20") as warned:
        assert "small" not in {used.draw(np.random.default_rng(seed), 20).name for seed in range(20)}
    assert len(warned) == 1
    for smallest in (1, 12):
        names = [
            [source.draw(np.random.default_rng(seed), smallest).name for seed in range(20)] for source in (fresh, used)
        ]
        assert names[0] == names[1]
        assert "small" in names[0]
    assert len(used) == len(list(used)) == 4


def test_a_rewritten_file_is_read_anew(tmp_path):
    save(tmp_path / "a.png", 100)
    pictures = from_folder(tmp_path)
    assert next(iter(pictures)).reference[0, 0, 0] == 100
    save(tmp_path / "a.png", 50, size=(30, 20))
    assert next(iter(pictures)).reference[0, 0, 0] == 50


def test_equal_relative_paths_of_two_folders_are_two_pictures(tmp_path, monkeypatch):
    for value, name in enumerate(("one", "other")):
        save(tmp_path / name / "in" / "a.png", value)
        os.utime(tmp_path / name / "in" / "a.png", (0, 0))
        monkeypatch.chdir(tmp_path / name)
        assert next(iter(from_folder("in"))).reference[0, 0, 0] == value


def test_a_folder_of_the_name_of_a_source_is_pointed_out(tmp_path, monkeypatch):
    save(tmp_path / "photos" / "mine.png")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="write ./photos"):
        assert len(image_sources.resolve("photos")) > 1
    assert len(image_sources.resolve("./photos")) == 1


def test_nothing_readable_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no pictures in there"):
        from_folder(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"")
    pictures = from_folder(tmp_path)
    with pytest.warns(UserWarning, match="bad.png"), pytest.raises(ValueError, match="none of the files"):
        list(pictures)
    with pytest.raises(ValueError, match="none of the files"):
        pictures.draw(np.random.default_rng(0))
    with pytest.raises(ValueError, match="no such folder"):
        image_sources.resolve(tmp_path / "absent")


def test_an_unknown_name_is_taken_for_a_folder_and_the_names_are_listed():
    with pytest.raises(ValueError, match=r"phots: no such folder.*photos, div2k-train"):
        image_sources.resolve("phots")


def test_pairs_must_agree_in_size(tmp_path):
    save(tmp_path / "clean.png", size=(8, 8))
    save(tmp_path / "distorted.png", size=(9, 8))
    entry = Entry("pair", tmp_path / "clean.png", tmp_path / "distorted.png")
    with pytest.warns(UserWarning, match="not of the size"), pytest.raises(ValueError, match="none of the files"):
        list(Photographs([entry], "pairs"))


def test_some_pictures_are_split_off(folder):
    whole = from_folder(folder)
    rest, some = whole.split(2)
    assert [picture.name for picture in some] == ["picture0", "picture2"]
    assert [picture.name for picture in rest] == ["picture1"]
    for count in (0, 3):
        with pytest.raises(ValueError, match="cannot be split off"):
            whole.split(count)


def test_all_versions_of_a_photograph_are_split_off_together(tmp_path):
    entries = []
    for photograph in range(6):
        save(tmp_path / f"clean{photograph}.png", size=(8, 8))
        for level in range(5):
            save(tmp_path / f"{photograph}-{level}.png", size=(8, 8))
            names = (f"clean{photograph}.png", f"{photograph}-{level}.png")
            entries.append(Entry(names[1], *(tmp_path / name for name in names)))
    for count, versions in ((1, 5), (10, 10), (12, 10), (29, 25)):
        rest, some = Photographs(entries, "pairs").split(count)
        assert (len(rest), len(some)) == (30 - versions, versions)
        assert not {entry.reference for entry in rest.entries} & {entry.reference for entry in some.entries}
    with pytest.raises(ValueError, match="cannot be split off"):
        Photographs(entries[:5], "pairs").split(1)
