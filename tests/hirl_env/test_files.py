import os
import secrets
import subprocess
import sys

import pytest

from hirl_env import files
from hirl_env.files import _swept, atomic_write, atomic_write_text, only_here, remove_leftovers


def test_a_failing_disk_leaves_the_old_file_and_nothing_half_written(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with (
        pytest.raises(OSError, match=r"could not write .*file: No space left on device; make room"),
        atomic_write(target) as file,
    ):
        file.write(b"ne")
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
    with atomic_write(target) as file:
        file.write(b"new")
    assert done == ["fsync of 3 bytes", "replace"]
    assert target.read_text() == "new"


def test_where_an_open_file_cannot_be_renamed_it_is_closed_before(tmp_path, monkeypatch):
    replace = os.replace

    def replace_as_windows_does(source, target):
        held = {os.path.realpath(f"/proc/self/fd/{descriptor}") for descriptor in os.listdir("/proc/self/fd")}
        assert os.path.realpath(source) not in held
        replace(source, target)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("needs to know which files are open")
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(os, "replace", replace_as_windows_does)
    with atomic_write(tmp_path / "file") as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as file:
        file.write(b"ne")
        raise KeyboardInterrupt
    assert target.read_text() == "old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_device_is_named():
    with (
        pytest.raises(OSError, match=r"could not write /dev/full: No space left on device; make room"),
        atomic_write("/dev/full") as file,
    ):
        file.write(b"much")
    assert not os.path.isfile("/dev/full")


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    real, link, dangling = tmp_path / "real" / "a.txt", tmp_path / "a.txt", tmp_path / "b.txt"
    real.parent.mkdir()
    real.write_text("old")
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "real" / "b.txt")
    for path in (link, dangling):
        with atomic_write(path) as file:
            file.write(b"new")
        assert path.is_symlink()
        assert (tmp_path / "real" / path.name).read_text() == "new"


def test_a_private_file_stays_private(tmp_path):
    path = tmp_path / "diary.txt"
    path.write_text("old")
    path.chmod(0o600)
    atomic_write_text(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_missing_is_made(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "file") as file:
        file.write(b"new")
    assert (tmp_path / "a" / "b" / "file").read_text() == "new"


@pytest.mark.slow
def test_a_short_write_is_an_error_and_leaves_the_old_file(tmp_path):
    """Where Pillow is given a descriptor, it writes uncompressed pictures itself, and ignores how far it came."""
    script = f"""
import io, resource
from PIL import Image
from hirl_env.files import atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for kind in ("TIFF", "BMP", "PPM", "PNG", "JPEG"):
    try:
        with atomic_write("{tmp_path}/a") as file:
            Image.effect_noise((200, 200), 90).save(file, format=kind)
    except OSError as error:
        print(error)
"""
    (tmp_path / "a").write_text("old")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (
        done.stdout.splitlines()
        == [f"could not write {tmp_path}/a: File too large; make room or choose another place"] * 5
    )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path):
    script = f"""
import os, signal
from hirl_env.files import atomic_write
with atomic_write("{tmp_path}/a") as file:
    file.write(bytes(100_000))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".hirl-")
    with atomic_write(tmp_path / "b") as file:
        assert not left.exists()
        file.write(b"new")
        _swept.clear()
        remove_leftovers(tmp_path)
    assert (tmp_path / "b").read_bytes() == b"new"


def test_a_link_planted_under_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".hirl-{'0' * 16}.part").symlink_to(victim)
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0" * 16)
    with pytest.raises(OSError, match="File exists"), atomic_write(tmp_path / "out" / "a") as file:
        file.write(b"new")
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127])
def test_the_longest_names_that_a_file_may_have(tmp_path, name):
    with atomic_write(tmp_path / name) as file:
        file.write(b"new")
    assert (tmp_path / name).read_bytes() == b"new"
    with pytest.raises(OSError, match="File name too long; shorten it"), atomic_write(tmp_path / f"{name}nn") as file:
        file.write(b"new")


def test_nobody_else_does_the_same_at_once(tmp_path):
    lock = tmp_path / "run" / ".lock"
    with only_here(lock):
        with pytest.raises(ValueError, match=r"run: another process does the same there"), only_here(lock):
            pass
        assert lock.exists(), "still held"
    assert not lock.parent.exists(), "nothing was done there"
    lock.parent.mkdir()
    with only_here(lock):
        pass
    with only_here(lock):
        (lock.parent / "result").touch()
    assert [path.name for path in lock.parent.iterdir()] == ["result"]


def test_where_nothing_can_be_written_nothing_is_locked(tmp_path):
    (tmp_path / "file").touch()
    with only_here(tmp_path / "file" / ".lock"):
        pass


def test_folders_that_were_made_for_nothing_are_removed(tmp_path):
    with only_here(tmp_path / "runs" / "first" / ".lock"):
        pass
    assert not list(tmp_path.iterdir())
