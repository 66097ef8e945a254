"""Muon for the kernels of convolutional networks, Adam for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch

from hirl_env.devices import available_precision

OptimizerName = Literal["adam", "muon"]

ADAMS_SHARE = 1 / 20  # of Muon's learning rate
MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of the odd polynomial of each iteration, chosen by Jordan et al.
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


class MuonAndAdam(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024) for all kernels except the first and the last, Adam for the rest.

    Muon orthogonalises each kernel's step. The layers that read and write pixels are left to Adam: their input has one
    dominant direction, the mean brightness, and steps that are as large in it as in all others kill the ReLUs behind.

    `torch.optim.Muon` takes the same steps, but always in bfloat16: on a processor without native bfloat16 it takes
    several times as long as the network's gradients. Here such processors use float32.

    Args:
        params: Parameters of a network, in the order of its layers.
        lr: Learning rate of Muon; Adam has a twentieth of it.
    """

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float = 2e-2) -> None:
        super().__init__(params, {"lr": lr})
        ours: list[torch.nn.Parameter] = self.param_groups[0]["params"]
        self._kernels = [parameter for parameter in ours if parameter.ndim >= 2][1:-1]
        by_muon = {id(kernel) for kernel in self._kernels}
        self._adam = torch.optim.Adam([one for one in ours if id(one) not in by_muon], lr=lr * ADAMS_SHARE)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step down the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        (group,) = self.param_groups
        for kernel in self._kernels:
            if kernel.grad is not None:
                self._muon_step(kernel, kernel.grad, group["lr"])
        self._adam.param_groups[0]["lr"] = group["lr"] * ADAMS_SHARE
        self._adam.step()
        return loss

    def _muon_step(self, kernel: torch.Tensor, gradient: torch.Tensor, lr: float) -> None:
        state = self.state[kernel]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum = state["momentum"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
        rows, columns = ahead.shape
        dtype = DTYPES[available_precision("auto", kernel.device)]
        step = _orthogonalised(ahead.to(dtype)).to(kernel.dtype).view(kernel.shape)
        kernel.sub_(step, alpha=lr * math.sqrt(max(1, rows / columns)))

    def __getstate__(self) -> dict[str, Any]:
        """The state of copies and pickles."""
        return super().__getstate__() | {"_kernels": self._kernels, "_adam": self._adam}

    def state_dict(self) -> dict[str, Any]:
        """The states of Muon and of Adam, and the learning rate."""
        return {"muon": super().state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the state that `state_dict` returned."""
        super().load_state_dict(state_dict["muon"])
        self._adam.load_state_dict(state_dict["adam"])


def _orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix with the same singular vectors, and singular values of about 1, by Newton-Schulz iteration."""
    if matrix.shape[0] > matrix.shape[1]:
        return _orthogonalised(matrix.T).T
    a, b, c = COEFFICIENTS
    result = matrix / matrix.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = result @ result.T
        result = torch.addmm(result, torch.addmm(gram, gram, gram, beta=b, alpha=c), result, beta=a)
    return result


OPTIMIZERS: dict[OptimizerName, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "muon": MuonAndAdam}
