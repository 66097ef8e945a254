import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hirl_env.tensor_files import CODES, read_state, write_state, write_tensors


def test_a_tree_comes_back_as_it_was(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    state = {
        "lists": [1, 2.5, None, True, "text", float("inf")],
        "tuple": (1, (2, [3])),
        0: {"step": torch.tensor(3.0), "turned": shared.T, "half": torch.ones(2, dtype=torch.bfloat16)},
        "again": shared,
        "array": np.zeros((2, 0), dtype=np.uint8),
        "number": np.float32(0.5),
        "large": 2**120,
    }
    write_state(tmp_path / "state", state)
    again = read_state(tmp_path / "state")
    assert list(again) == list(state)
    assert (again["lists"], again["tuple"], again["large"]) == (state["lists"], state["tuple"], 2**120)
    assert torch.equal(again[0]["turned"], shared.T)
    assert torch.equal(again[0]["step"], torch.tensor(3.0))
    assert again[0]["half"].dtype == torch.bfloat16
    assert torch.equal(again["again"], shared)
    assert isinstance(again["array"], np.ndarray)
    assert again["array"].shape == (2, 0)
    assert again["number"] == 0.5


def test_what_is_there_twice_is_stored_once(tmp_path):
    weights = torch.zeros(100_000)
    write_state(tmp_path / "state", {"one": weights, "other": weights})
    assert (tmp_path / "state").stat().st_size < 1.1 * weights.nbytes


def test_places_of_one_name_are_told_apart(tmp_path):
    tree = {"a/b": torch.zeros(2), "a": {"b": torch.ones(2)}, "1": torch.full((2,), 2.0), 1: torch.full((2,), 3.0)}
    write_state(tmp_path / "state", tree)
    again = read_state(tmp_path / "state")
    assert [each[0].item() for each in (again["a/b"], again["a"]["b"], again["1"], again[1])] == [0, 1, 2, 3]


def test_code_cannot_be_stored(tmp_path):
    with pytest.raises(TypeError, match="/schedule: a file of numbers and texts cannot hold a function"):
        write_state(tmp_path / "state", {"schedule": lambda: 0})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", CODES)
def test_the_library_reads_what_is_written(dtype, tmp_path):
    tensors = {"b": torch.tensor([[1, 0], [0, 1]]).to(dtype), "a": torch.tensor(1).to(dtype)}
    write_tensors(tmp_path / "tensors", tensors, {"key": "value"})
    again = load_file(tmp_path / "tensors")
    assert all(torch.equal(again[name], tensors[name]) and again[name].dtype == dtype for name in tensors)
    save_file(tensors, tmp_path / "library", {"key": "value"})
    assert (tmp_path / "library").read_bytes() == (tmp_path / "tensors").read_bytes()


def test_the_same_content_is_the_same_file(tmp_path):
    digests = set()
    for number in range(8):
        metadata = {name: "1" for name in sorted("abcdefgh", reverse=number % 2)}
        write_tensors(tmp_path / "tensors", {"weights": torch.ones(3)}, metadata)
        digests.add(hashlib.sha256((tmp_path / "tensors").read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    "tree",
    ['{"tensor": "none"}', '{"dict": 3}', '{"dict": [[1, 2, 3]]}', '{"dict": [], "list": []}', "[" * 10**5, "{"],
)
def test_a_damaged_tree_is_refused_in_a_line(tree, tmp_path):
    write_tensors(tmp_path / "state", {"weights": torch.ones(3)}, {"state": tree})
    with pytest.raises(ValueError, match=r"state: damaged, or no file of this package \([^\n]*\)"):
        read_state(tmp_path / "state")


def test_files_of_others_are_refused_in_a_line(tmp_path):
    save_file({"weights": torch.ones(3)}, tmp_path / "weights")
    (tmp_path / "text").write_text(json.dumps({}))
    for name in ("weights", "text"):
        with pytest.raises(ValueError, match="damaged, or no file of this package"):
            read_state(tmp_path / name)
    with pytest.raises(ValueError, match="none: No such file"):
        read_state(tmp_path / "none")
