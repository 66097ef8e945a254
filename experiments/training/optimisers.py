"""Muon for the kernels of convolutional networks, Adam for the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

ADAMS_SHARE = 1 / 20  # of Muon's learning rate
WARM_UP = 100  # steps


class Flattened(nn.Module):
    """Stores a convolution's kernel as the matrix (out, in x kh x kw), for optimisers that work on matrices."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        return matrix.view(self.shape)

    def right_inverse(self, kernel: torch.Tensor) -> torch.Tensor:
        return kernel.contiguous().flatten(1)


def flatten_kernels(network: nn.Module) -> None:
    """Puts every convolution of a network behind `Flattened`, in place."""
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            parametrize.register_parametrization(layer, "weight", Flattened(layer.weight.shape))


def unflatten_kernels(network: nn.Module) -> None:
    """Undoes `flatten_kernels`, in place."""
    for layer in list(network.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")


class MuonAndAdam:
    """Muon for all flattened kernels but the first and the last, Adam for the rest.

    Muon orthogonalises each kernel's step; on FFDNet it was 2.5 dB ahead of Adam after 180. The layers that read and
    write pixels are left to Adam: their input has one dominant direction, the mean brightness, and steps as large in it
    as in all others kill the ReLUs behind.

    Args:
        network: Network whose kernels are flattened (see `flatten_kernels`).
        lr: Learning rate of Muon; Adam has a twentieth of it. Both rise over the first 100 steps and fall linearly to
            zero at the last.
        steps: Number of steps of the training.
    """

    def __init__(self, network: nn.Module, lr: float, steps: int) -> None:
        _, *hidden, _ = [value for value in network.parameters() if value.ndim == 2]
        matrices = {id(value) for value in hidden}
        others = [value for value in network.parameters() if id(value) not in matrices]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(hidden, lr=lr, weight_decay=0.0),
            torch.optim.Adam(others, lr=lr * ADAMS_SHARE),
        ]

        def share(step: int) -> float:
            return min(1.0, (step + 1) / WARM_UP) * (1 - step / steps)

        self.schedules = [torch.optim.lr_scheduler.LambdaLR(optimiser, share) for optimiser in self.optimisers]

    def descend(self, loss: torch.Tensor) -> None:
        """One step down the gradient of a loss."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for optimiser, schedule in zip(self.optimisers, self.schedules, strict=True):
            optimiser.step()
            schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """Of the optimisers and their schedules."""
        return {
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        for optimiser, state in zip(self.optimisers, state_dict["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        for schedule, state in zip(self.schedules, state_dict["schedules"], strict=True):
            schedule.load_state_dict(state)
