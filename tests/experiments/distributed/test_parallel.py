"""Commands on a Ray cluster: the same as on one machine, and plain words where that cannot be."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest
from PIL import Image

from hirl_experiments.distributed import parallel as module

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
COMMANDS = {"restore": ("FOLDER", "--out", "OUT"), "evaluate": ("--images", "FOLDER", "--crop", "16", "--json", "OUT")}


def given(command: str, folder, tmp_path) -> tuple[str, ...]:
    places = {"FOLDER": str(folder), "OUT": str(tmp_path / "out")}
    return command, *(places.get(argument, argument) for argument in COMMANDS[command])


@needs_ray
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("address", "words"), [("127.0.0.1:1", "no cluster answers there"), ("ray://here:1", "with --address auto")]
)
def test_addresses_without_a_cluster(command, address, words, folder, tmp_path, capsys, hirl):
    assert hirl(*given(command, folder, tmp_path), "--address", address) == 1
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_ray_it_says_what_to_install(command, folder, tmp_path, monkeypatch, capsys, hirl):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert hirl(*given(command, folder, tmp_path), "--address", "auto") == 1
    errors = capsys.readouterr().err
    assert "ray is not installed: pip install 'hirl-restore[cluster]'" in errors
    assert errors.count("\n") == 1


def refuses():
    raise ValueError("version differs")


@pytest.mark.parametrize(
    ("folder", "words"), [("/nowhere", "all nodes must see the same files"), (".", "version differs")]
)
def test_what_keeps_a_worker_from_beginning_names_its_node(folder, words, monkeypatch):
    monkeypatch.setattr(module, "gethostname", lambda: "node-7")
    monkeypatch.setattr(module, "_attempt", lambda: 1)
    work = module.Work(folder, (), pickle.dumps(refuses))
    assert (error := module._apply(work, {"number": 0, "thing": pickle.dumps(0)})["error"]).startswith("node node-7: ")
    assert words in error


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a cluster of one node of two processors."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


@pytest.mark.slow
@needs_ray
def test_evaluate_measures_the_same_on_a_cluster(address, folder, tmp_path):
    methods = ("--methods", "distorted", "single", "greedy", "--degradations", "mild", "severe")
    command = [sys.executable, "-m", "hirl_experiments.cli", *given("evaluate", folder, tmp_path), *methods]
    rows = []
    for where in ((), ("--address", address)):
        # As many threads as a worker has.
        subprocess.run([*command, *where], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        rows.append([row | {"seconds": None} for row in json.loads((tmp_path / "out").read_text())["rows"]])
    assert rows[0] == rows[1]


@pytest.mark.slow
@needs_ray
def test_a_picture_at_which_workers_die_is_told_and_the_others_are_restored(address, folder, tmp_path):
    Image.new("RGB", (33, 20)).save(folder / "deadly.png")
    command = [sys.executable, "-m", "tests.campaigns.toy_restore", *given("restore", folder, tmp_path)[1:]]
    env = {**os.environ, "HIRL_DEADLY": "1"}
    run = subprocess.run([*command, "--address", address], check=False, capture_output=True, env=env, text=True)
    assert run.returncode == 1
    assert "deadly.png: workers died at it again and again" in run.stderr
    assert "1 of 4 pictures could not be restored" in run.stderr
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {f"picture{number}.png" for number in range(3)}
