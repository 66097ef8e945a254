"""Toolsets as YAML files: networks of others, functions, and tools that have a name."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hirl_env.data.degradations import GaussianNoise
from hirl_env.tools import toolsets
from hirl_env.tools.toolset_file import files_of
from tests.hirl_env.tools.networks import save_networks


@pytest.fixture
def networks(tmp_path):
    pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
    return save_networks(tmp_path)


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "toolset.yaml").write_text(text)
        return tmp_path / "toolset.yaml"

    return write


def test_networks_of_three_architectures_and_named_tools(networks):
    toolset = toolsets.resolve(str(networks))
    assert toolset.types == ("denoise", "dejpeg", "deblur")
    names = [toolset[cell].name for cell in toolset.cells]
    assert names == ["drunet 10", "drunet 40", "swinir", "Fast AR-CNN 20", "sharpen", "nafnet"]
    assert toolset[0, 1].undoes == GaussianNoise(25)
    images = torch.rand(2, 3, 17, 22, generator=torch.Generator().manual_seed(0))  # no multiple of anything
    results = [toolset.apply(images, cell) for cell in toolset.cells]
    for cell, result in zip(toolset.cells, results, strict=True):
        assert result.shape == images.shape
        assert not torch.equal(result, images)
        torch.testing.assert_close(toolset.apply(images[1:], cell), result[1:])
    assert not torch.equal(results[0], results[1])  # of one network, told two strengths


def test_cells_of_one_file_share_its_network_on_a_device_too(networks):
    for toolset in (toolsets.resolve(networks), toolsets.resolve(networks).to("meta")):
        assert toolset[0, 0].restore.network is toolset[0, 1].restore.network
        assert toolset[0, 0].restore.network is toolset[0, 0].restore.descriptor.model
    assert next(toolset[0, 0].restore.parameters()).is_meta


def test_what_a_network_computes_is_what_its_authors_code_computes(networks):
    from spandrel.architectures.DRUNet import DRUNet

    network = DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 4, 4], nb=2)
    network.load_state_dict(load_file(networks.parent / "drunet.safetensors"))
    images = torch.rand(1, 3, 16, 16)
    expected = network(torch.cat([images, torch.full((1, 1, 16, 16), 40 / 255)], dim=1)).clamp(0, 1)
    torch.testing.assert_close(toolsets.resolve(networks).apply(images, (0, 1)), expected)


def test_fbcnn_is_told_a_quality(tmp_path, written):
    pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
    from spandrel.architectures.FBCNN import FBCNN

    network = FBCNN(nc=[2, 2, 2, 512], nb=2)  # 512 stands in its code
    torch.save(network.state_dict(), tmp_path / "fbcnn.pt")
    toolset = toolsets.resolve(written("dejpeg: [{network: fbcnn.pt}, {network: fbcnn.pt, strength: 20}]"))
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        own, told = network(images)[0], network(images, torch.full((2, 1), 0.8))[0]
    torch.testing.assert_close(toolset.apply(images, (0, 0)), own.clamp(0, 1))
    torch.testing.assert_close(toolset.apply(images, (0, 1)), told.clamp(0, 1))


def test_the_environment_takes_the_file(networks):
    env = gym.make_vec("HIRL-Restore-v0", 2, toolset=str(networks), crop_size=16)
    assert env.single_action_space == gym.spaces.MultiDiscrete([3, 2])
    env.reset(seed=0)
    observations, rewards, *_ = env.step(np.array([[0, 0], [2, 1]]))
    assert observations.shape == (2, 16, 16, 3)
    assert np.isfinite(rewards).all()


def test_functions(written, monkeypatch, grey):
    import types

    module = types.ModuleType("their_tools")
    module.brighten = lambda images: images + 8 / 255
    module.number = 3
    monkeypatch.setitem(__import__("sys").modules, "their_tools", module)
    toolset = toolsets.resolve(written('light: [{function: "their_tools:brighten"}]'))
    assert toolset[0, 0].name == "brighten"
    torch.testing.assert_close(toolset.apply(grey, (0, 0)), grey + 8 / 255)
    for name, says in {
        "their_tools:absent": "their_tools has no absent",
        "their_tools:number": "it is a int",
        "no_such_module:f": "--plugin no_such_module.py",
        "brighten": "MODULE:FUNCTION",
    }.items():
        with pytest.raises(ValueError, match=says):
            toolsets.resolve(written(f'light: [{{function: "{name}"}}]'))


def test_its_files_are_known(networks):
    assert [file.name for file in files_of(networks)] == [
        "toolset.yaml",
        "drunet.safetensors",
        "drunet.safetensors",
        "swinir.pth",
        "nafnet.safetensors",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must map types"),
        ("- a", "must map types"),
        ("a: [", "no YAML"),
        ("a: b", "type 'a' needs a list"),
        ("a: []", "type 'a' needs a list"),
        ("a: [5]", "a tool is written as"),
        ("a: [{tool: b}]", "unknown tool 'b'"),
        ("a: [{tool: 'paper:denoise-0', naem: x}]", "unknown key 'naem'; known are: network, function, tool"),
        ("a: [{name: x}]", "exactly one of network, function, tool"),
        ("a: [{tool: 'paper:denoise-0', strength: 3}]", "a strength is a number, and of a network"),
        ("a: [{tool: 'paper:denoise-0', undoes: fog}]", "unknown degradation 'fog'"),
        ("a: [{tool: 'paper:denoise-0'}, {tool: 'paper:denoise-0'}]", "several tools are called 'FFDNet 15'"),
        ("a: [{tool: 'paper:denoise-0'}]\nb: [{tool: 'paper:deblur-0'}, {tool: 'paper:deblur-1'}]", "equally many"),
        ("a: [{network: absent.pth}]", "absent.pth: No such file"),
        ("a: [{network: net.onnx}]", "ends in .safetensors, .pth"),
    ],
)
def test_mistakes_are_named(written, text, says):
    with pytest.raises(ValueError, match=r"toolset") as error:
        toolsets.resolve(written(text))
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_the_files_of_a_toolset_with_mistakes_are_not_known(written):
    with pytest.raises(ValueError, match="a tool is written as"):
        files_of(written("a: [5]"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"toolset .*absent.yaml: No such file"):
        toolsets.resolve(tmp_path / "absent.yaml")


class Hostile:
    def __reduce__(self):
        return (open, ("executed", "w"))


def test_no_code_of_a_file_of_weights_is_run(tmp_path, written, monkeypatch):
    pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
    monkeypatch.chdir(tmp_path)
    torch.save({"params": Hostile()}, "torch.pth")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Hostile()))
    torch.jit.script(torch.nn.Conv2d(3, 3, 1)).save("script.pt")
    for name in ("torch.pth", "plain.ckpt", "script.pt"):
        with pytest.raises(ValueError, match=f"{name}: (it holds more than tensors|not a whole file)"):
            toolsets.resolve(written(f"a: [{{network: {name}}}]"))
    assert not (tmp_path / "executed").exists()


def test_weights_that_make_no_tool_are_refused(tmp_path, written):
    pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
    from spandrel.architectures.DRUNet import DRUNet
    from spandrel.architectures.SwinIR import SwinIR

    save_file({"layer.weight": torch.zeros(3)}, tmp_path / "unknown.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08")
    torch.save([1, 2], tmp_path / "list.pth")
    save_file(DRUNet(in_nc=2, out_nc=1, nc=[4, 4, 4, 4], nb=2).state_dict(), tmp_path / "grey.safetensors")
    save_file(DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 4, 4], nb=2).state_dict(), tmp_path / "colour.safetensors")
    twice = SwinIR(embed_dim=8, depths=[2], num_heads=[2], window_size=8, upsampler="pixelshuffledirect", upscale=2)
    torch.save(twice.state_dict(), tmp_path / "twice.pth")
    same = SwinIR(embed_dim=8, depths=[2], num_heads=[2], window_size=8, upscale=1)
    torch.save(same.state_dict(), tmp_path / "same.pth")
    for cell, says in {
        "network: unknown.safetensors": "spandrel knows no architecture with these weights",
        "network: cut.safetensors": "not a whole file of weights",
        "network: list.pth": "it holds a list",
        "network: grey.safetensors": "this DRUNet turns 1 channels into 1",
        "network: twice.pth": "at 2 times the size",
        "network: same.pth, strength: 3": "SwinIR takes no strength",
    }.items():
        with pytest.raises(ValueError, match=r"toolset .*, type 'a': network") as error:
            toolsets.resolve(written(f"a: [{{{cell}}}]"))
        assert says in str(error.value)
