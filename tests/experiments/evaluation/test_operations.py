"""Operations are counted as PyTorch's own, slower counter does it."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hirl_agents.pixel_rl import load_pixel_rl, restore
from hirl_agents.registry import agents
from hirl_env.tools.registry import toolsets
from hirl_experiments.evaluation.operations import CountedOperations

LAYERS = [
    nn.Conv2d(4, 6, (3, 5), stride=2, padding=1, groups=2),
    nn.Conv2d(4, 4, 3, dilation=2),
    nn.ConvTranspose2d(4, 6, 4, stride=2, groups=2),
    nn.Linear(16, 5, bias=False),
]


@torch.no_grad()
def assert_counted(run, images):
    with FlopCounterMode(display=False) as theirs:
        run(images)
    with CountedOperations() as ours:
        run(images)
    assert theirs.get_total_flops() > 0
    assert ours.gflop == pytest.approx(theirs.get_total_flops() / 1e9)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_layers(layer):
    assert_counted(layer, torch.rand(2, 4, 12, 16))


@pytest.mark.parametrize(
    "product",
    [
        lambda images: images @ images.transpose(2, 3),
        lambda images: torch.matmul(images, images[0, 0].T),
        lambda images: torch.bmm(images[0], images[1].transpose(1, 2)),
        lambda images: torch.mm(images[0, 0], mat2=images[0, 1].T),
        lambda images: images[0].bmm(images[1].transpose(1, 2)),
        lambda images: torch.conv2d(images, weight=torch.ones(2, 4, 3, 3)),
        lambda images: torch.conv_transpose2d(images, weight=torch.ones(4, 2, 3, 3)),
    ],
)
def test_matrix_products(product):
    assert_counted(product, torch.rand(2, 4, 12, 16))


@pytest.mark.parametrize("name", ["paper", "hirl"])
def test_shipped_tools(name):
    toolset = toolsets.resolve(name)
    for cell in toolset.cells:
        assert_counted(toolset[cell].restore, torch.rand(2, 3, 24, 32))


@pytest.mark.parametrize("name", ["hirl", "hirl-paper", "flat-dqn"])
def test_shipped_agents(name):
    network = agents.resolve(name)
    channels = (6 if network.sees_start else 3) + network.sees_tool
    assert_counted(network, torch.zeros(2, channels, 64, 64))


def test_pixel_rl():
    assert_counted(lambda images: restore(load_pixel_rl(), images), torch.rand(1, 3, 16, 16))
