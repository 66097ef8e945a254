import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from hirl_env.tools.srcnn import SRCNN
from hirl_env.weights import load_weights, save_weights

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "layer.safetensors"
    network = nn.Linear(3, 2)
    save_weights(network, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  layer.safetensors\n")
    return network, path


def test_weights_come_back(saved):
    network, path = saved
    other = nn.Linear(3, 2)
    load_weights(other, path)
    assert torch.equal(network.weight, other.weight)


def test_half_precision_on_disk_is_read_as_float32(tmp_path):
    network = nn.Linear(3, 2)
    save_weights(network, tmp_path / "half.safetensors", torch.float16)
    other = nn.Linear(3, 2)
    load_weights(other, tmp_path / "half.safetensors")
    assert other.weight.dtype == torch.float32
    assert torch.equal(other.weight, network.weight.half().float())


def test_kernels_in_whole_numbers_are_read_as_float32(tmp_path):
    network = nn.Sequential(nn.Conv2d(2, 3, 5), nn.ConvTranspose2d(3, 2, 4))
    with torch.no_grad():
        network[0].weight[0, 1] = 0
    save_weights(network, tmp_path / "whole.safetensors", torch.int8)
    other = nn.Sequential(nn.Conv2d(2, 3, 5), nn.ConvTranspose2d(3, 2, 4))
    load_weights(other, tmp_path / "whole.safetensors")
    for layer, read in zip(network, other, strict=True):
        half_a_step = layer.weight.abs().amax(dim=(2, 3), keepdim=True) / 127 / 2
        assert ((layer.weight - read.weight).abs() <= 1.001 * half_a_step).all()
        assert read.weight.dtype == torch.float32
        assert torch.equal(read.bias, layer.bias.half().float())


def test_a_layer_may_have_a_scale_of_its_own(tmp_path):
    network = nn.Module()
    network.scale = nn.Parameter(torch.rand(3))
    save_weights(network, tmp_path / "scale.safetensors", torch.int8)
    other = nn.Module()
    other.scale = nn.Parameter(torch.zeros(3))
    load_weights(other, tmp_path / "scale.safetensors")
    assert torch.equal(other.scale, network.scale.half().float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int8])
def test_what_is_not_finite_is_not_saved(dtype, tmp_path):
    network = nn.Conv2d(1, 1, 3)
    with torch.no_grad():
        network.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="is not finite"):
        save_weights(network, tmp_path / "bad.safetensors", dtype)
    assert not (tmp_path / "bad.safetensors").exists()


def test_a_part_of_what_was_saved(tmp_path):
    whole = nn.ModuleDict({"first": nn.Linear(3, 2), "second": nn.Linear(4, 1)})
    save_weights(whole, tmp_path / "whole.safetensors")
    part = nn.Linear(3, 2)
    load_weights(part, tmp_path / "whole.safetensors", prefix="first.")
    assert torch.equal(part.weight, whole["first"].weight)
    with pytest.raises(ValueError, match="another network"):
        load_weights(part, tmp_path / "whole.safetensors", prefix="third.")


def test_a_missing_file(tmp_path):
    for remedy in ("name a file of weights", "install the package again"):
        with pytest.raises(ValueError, match=rf"absent.safetensors: .*{remedy}"):
            load_weights(nn.Linear(3, 2), tmp_path / "absent.safetensors")
        (tmp_path / "SHA256SUMS").touch()  # as beside shipped ones


def test_a_changed_byte_is_noticed(saved):
    _, path = saved
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        load_weights(nn.Linear(3, 2), path)


def test_a_truncated_file_is_noticed_without_a_list_of_hashes_too(saved):
    _, path = saved
    (path.parent / "SHA256SUMS").unlink()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_weights(nn.Linear(3, 2), path)


def test_weights_of_another_network(saved):
    with pytest.raises(ValueError, match="another network than SRCNN"):
        load_weights(SRCNN(), saved[1])


SHIPPED = sorted(
    sums.parent for package in ("hirl_env", "agents") for sums in (REPOSITORY / package).rglob("SHA256SUMS")
)


def test_every_packages_weights_are_known_here():
    names = {str(folder.relative_to(REPOSITORY)) for folder in SHIPPED}
    assert names >= {"hirl_env/tools/weights/paper", "hirl_env/quality/weights", "agents/hirl/weights"}
    assert sum(file.stat().st_size for folder in SHIPPED for file in folder.iterdir()) < 40e6


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: str(folder.relative_to(REPOSITORY)))
def test_shipped_weights_are_listed_and_have_a_card(folder):
    files = sorted(folder.glob("*.safetensors"))
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert sorted(lines) == sorted(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in files)
    assert files
    cards = {file.with_suffix(".md").name for file in files}
    assert {file.name for file in folder.iterdir()} == {"SHA256SUMS", *cards, *(file.name for file in files)}


def test_what_half_precision_cannot_hold(tmp_path):
    norm = nn.BatchNorm2d(1)
    norm.num_batches_tracked.fill_(100_000)
    save_weights(norm, tmp_path / "norm.safetensors", torch.float16)
    other = nn.BatchNorm2d(1)
    load_weights(other, tmp_path / "norm.safetensors")
    assert other.num_batches_tracked == 100_000
    norm.running_var.fill_(1e5)
    with pytest.raises(ValueError, match="running_var is not finite as float16"):
        save_weights(norm, tmp_path / "other.safetensors", torch.float16)
    assert not (tmp_path / "other.safetensors").exists()


def test_weights_of_another_network_are_said_in_one_line(tmp_path):
    save_weights(SRCNN(), tmp_path / "srcnn.safetensors")
    with pytest.raises(ValueError, match="made for another network than Linear") as error:
        load_weights(nn.Linear(3, 2), tmp_path / "srcnn.safetensors")
    assert "\n" not in str(error.value)
