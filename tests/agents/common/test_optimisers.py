"""Muon and Adam side by side, as one optimiser of PyTorch."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from hirl_agents.common.optimisers import ADAMS_SHARE, MuonAndAdam


def network(memory_format=torch.contiguous_format) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4 * 4, 9)
    return nn.Sequential(*layers).to(memory_format=memory_format)


def descend(model: nn.Module, optimiser: torch.optim.Optimizer, steps: int = 1) -> None:
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        optimiser.zero_grad()
        model(images).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_steps_of_hidden_kernels_are_orthogonal_and_the_rest_is_adams(memory_format):
    model = network(memory_format)
    before = copy.deepcopy(model)
    descend(model, MuonAndAdam(model.parameters(), lr=0.1))
    step = (model[2].weight - before[2].weight).detach().flatten(1)
    lengths = torch.linalg.svdvals(step) / 0.1
    lengths = lengths[lengths > 1e-3]  # in the other directions there was no gradient
    assert len(lengths) > 1
    assert lengths.numpy() == pytest.approx(np.ones(len(lengths)), abs=0.35), (
        "as far as five iterations of Newton and Schulz go"
    )
    for layer in (0, 5):
        moved = (model[layer].weight - before[layer].weight).detach().abs()
        assert moved.max() == pytest.approx(0.1 * ADAMS_SHARE, rel=1e-3), "Adam's first step is the learning rate"


@pytest.mark.parametrize("shape", [(4, 9, 3, 3), (24, 3, 2, 2)], ids=["wide", "tall"])
def test_kernels_move_as_by_pytorchs_own_muon(shape):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    gradients = torch.randn(3, *shape, generator=generator)
    ours = [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(start.clone()), nn.Parameter(torch.zeros(2, 2))]
    theirs = nn.Parameter(start.flatten(1).clone())
    optimisers = MuonAndAdam(ours, lr=0.1), torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0)
    for gradient in gradients:
        ours[1].grad, theirs.grad = gradient.clone(), gradient.flatten(1)
        for optimiser in optimisers:
            optimiser.step()
    moved = (theirs - start.flatten(1)).detach()
    assert moved.abs().max() > 0.05
    assert torch.allclose((ours[1] - start).detach().flatten(1), moved, atol=0.02), "which computes in bfloat16"


def test_the_memory_format_makes_no_difference():
    weights = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        model = network(memory_format)
        descend(model, MuonAndAdam(model.parameters(), lr=0.01), steps=3)
        weights.append(model[2].weight.detach().contiguous())
    assert torch.allclose(*weights, atol=1e-3), "where it is native, Muon computes in bfloat16"


def test_it_goes_on_from_its_state():
    model = network()
    optimiser = MuonAndAdam(model.parameters(), lr=0.01)
    descend(model, optimiser, steps=2)
    again = copy.deepcopy(model)
    resumed = MuonAndAdam(again.parameters(), lr=0.5)
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    descend(model, optimiser)
    descend(again, resumed)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_copy_with_its_network_goes_on_alike_and_alone():
    model = network()
    optimiser = MuonAndAdam(model.parameters(), lr=0.01)
    descend(model, optimiser, steps=2)
    again, copied = copy.deepcopy((model, optimiser))
    descend(again, copied)
    assert not torch.equal(model[2].weight, again[2].weight)
    descend(model, optimiser)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_schedule_moves_both():
    model = network()
    optimiser = MuonAndAdam(model.parameters(), lr=0.1)
    LambdaLR(optimiser, lambda step: 0.0)
    before = copy.deepcopy(model)
    descend(model, optimiser)
    for one, other in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_follows_a_network_that_moves():
    model = network()
    optimiser = MuonAndAdam(model.parameters(), lr=0.1)
    for value in model.parameters():
        value.data = value.data.clone()
    before = model[2].weight.detach().clone()
    descend(model, optimiser)
    assert not torch.equal(model[2].weight, before)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_network_without_hidden_kernels_is_adams(layers):
    torch.manual_seed(0)
    small = nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(layers)))
    twin = copy.deepcopy(small)
    optimisers = MuonAndAdam(small.parameters(), 0.1), torch.optim.Adam(twin.parameters(), 0.1 / 20)
    for one, optimiser in zip((small, twin), optimisers, strict=True):
        one(torch.ones(1, 3, 8, 8)).square().sum().backward()
        optimiser.step()
    for one, other in zip(small.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)
