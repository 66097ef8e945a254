import sys

import pytest

from hirl_env import memory


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 8 GiB free, whose container is yet to be described."""
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n")
    monkeypatch.setattr(memory, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def test_without_a_container_it_is_that_of_the_machine(machine):
    assert memory.free_memory() == 8 << 30


@pytest.mark.parametrize(("limit", "free"), [("max", 8 << 30), (str(3 << 30), 2 << 30), (str(1 << 29), 0)])
def test_a_container_may_take_less(machine, limit, free):
    (machine / "memory.max").write_text(f"{limit}\n")
    (machine / "memory.current").write_text(f"{1 << 30}\n")
    (machine / "memory.stat").write_text("anon 1073741824\nactive_file 0\ninactive_file 0\n")
    assert memory.free_memory() == free


def test_what_a_container_keeps_of_files_is_free(machine):
    (machine / "memory.max").write_text(f"{3 << 30}\n")
    (machine / "memory.current").write_text(f"{3 << 30}\n")
    (machine / "memory.stat").write_text(
        f"anon {1 << 30}\nfile {2 << 30}\nshmem {1 << 29}\ninactive_file {1 << 30}\nactive_file {1 << 29}\n"
    )
    assert memory.free_memory() == 3 << 29


def test_where_nobody_says_there_is_no_bound(machine):
    (machine / "meminfo").unlink()
    assert memory.free_memory() == sys.maxsize
