"""The network: its size, its parts, its files."""

import pytest
import torch

from hirl_agents.networks import FlatQ, save_q
from hirl_agents.pixel_rl import PixelRL, load_pixel_rl, save_pixel_rl
from hirl_agents.pixel_rl.network import ConvGRU


@pytest.mark.parametrize("channels", [1, 3])
def test_parameters_are_those_of_the_paper(channels):
    first = 9 * channels * 64 + 64
    dilated = 7 * (9 * 64 * 64 + 64)  # three in the trunk, two in the policy, two in the value
    memory = 6 * 9 * 64 * 64
    heads = (9 * 64 * 9 + 9) + (9 * 64 * 1 + 1)
    total = first + dilated + memory + heads + 33 * 33
    assert total == {1: 487_179, 3: 488_331}[channels]
    assert sum(value.numel() for value in PixelRL(channels).parameters()) == total


def test_dilations():
    network = PixelRL()
    layers = [layer for part in (network.trunk, network.policy, network.value) for layer in part.modules()]
    dilations = [layer.dilation[0] for layer in layers if isinstance(layer, torch.nn.Conv2d)]
    assert dilations == [1, 2, 3, 4, 3, 2, 3, 2, 1]


def test_shapes_and_the_same_logits_with_and_without_values():
    network, images = PixelRL(), torch.rand(2, 3, 11, 17)
    logits, values, memory = network(images, network.blank(images))
    assert (logits.shape, values.shape, memory.shape) == ((2, 9, 11, 17), (2, 1, 11, 17), (2, 64, 11, 17))
    again, remembered = network.logits(images, network.blank(images))
    assert torch.equal(again, logits)
    assert torch.equal(remembered, memory)


def test_the_memory_is_between_the_old_one_and_the_candidate():
    gru = ConvGRU()
    features, memory = torch.randn(1, 64, 5, 5), torch.randn(1, 64, 5, 5)
    with torch.no_grad():
        for value in gru.parameters():
            value.zero_()
        # All gates stand half open and the candidate is zero: half of the memory is forgotten.
        torch.testing.assert_close(gru(features, memory), memory / 2)
        gru.gates.weight[0, 0, 1, 1] = 1.0
        kept = 1 - torch.sigmoid(memory[:, 0])
        torch.testing.assert_close(gru(features, memory)[:, 0], kept * memory[:, 0])


def test_the_reward_map_is_the_identity_at_first():
    rewards = torch.randn(2, 1, 20, 30)
    assert torch.equal(PixelRL(1).reward_map(rewards), rewards)


@pytest.mark.parametrize("channels", [1, 3])
def test_saved_and_loaded(channels, tmp_path):
    network, images = PixelRL(channels), torch.rand(1, channels, 9, 9)
    save_pixel_rl(network, tmp_path / "own.safetensors")
    loaded = load_pixel_rl(tmp_path / "own.safetensors")
    assert loaded.channels == channels
    assert not loaded.training
    close = {"atol": 1e-2, "rtol": 1e-2}  # stored in half precision
    for one, other in zip(network(images, network.blank(images)), loaded(images, loaded.blank(images)), strict=True):
        torch.testing.assert_close(one, other, **close)


def test_files_of_other_networks_are_refused(tmp_path):
    save_q(FlatQ(3, 3, width=8), tmp_path / "flat.safetensors")
    with pytest.raises(ValueError, match="not those of PixelRL; give a file that `hirl train-pixel-rl` wrote"):
        load_pixel_rl(tmp_path / "flat.safetensors")
    with pytest.raises(ValueError, match="channels must be 1"):
        PixelRL(2)
