import os

import pytest

from hirl_env.files import written_whole


def test_a_failing_disk_leaves_the_old_file_and_nothing_half_written(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with (
        pytest.raises(OSError, match=r"could not write .*file: No space left on device; make room"),
        written_whole(target) as beside,
    ):
        beside.write_text("ne")
        raise OSError(28, os.strerror(28))
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_disk_has_it_before_it_has_the_name(tmp_path, monkeypatch):
    target, done = tmp_path / "file", []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        done.append(f"fsync of {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("replace") or replace(*paths))
    with written_whole(target) as beside:
        beside.write_text("new")
    assert done == ["fsync of 3 bytes", "replace"]
    assert target.read_text() == "new"


def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(target) as beside:
        beside.write_text("ne")
        raise KeyboardInterrupt
    assert target.read_text() == "old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_device_is_named():
    with (
        pytest.raises(OSError, match=r"could not write /dev/full: No space left on device; make room"),
        written_whole("/dev/full") as beside,
    ):
        beside.write_text("much")
    assert not os.path.isfile("/dev/full")


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    real, link, dangling = tmp_path / "real" / "a.txt", tmp_path / "a.txt", tmp_path / "b.txt"
    real.parent.mkdir()
    real.write_text("old")
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "real" / "b.txt")
    for path in (link, dangling):
        with written_whole(path) as beside:
            beside.write_text("new")
        assert path.is_symlink()
        assert (tmp_path / "real" / path.name).read_text() == "new"


def test_a_folder_that_is_missing_is_made(tmp_path):
    with written_whole(tmp_path / "a" / "b" / "file") as beside:
        beside.write_text("new")
    assert (tmp_path / "a" / "b" / "file").read_text() == "new"
