"""Muon for the kernels of convolutional networks, Adam for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch

OptimizerName = Literal["adam", "muon"]

ADAMS_SHARE = 1 / 20  # of Muon's learning rate


class MuonAndAdam(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024) for all kernels but the first and the last, Adam for the rest.

    Muon orthogonalises each kernel's step. The layers that read and write pixels are left to Adam: their input has one
    dominant direction, the mean brightness, and steps as large in it as in all others kill the ReLUs behind.

    Args:
        params: Parameters of a network, in the order of its layers.
        lr: Learning rate of Muon; Adam has a twentieth of it.
    """

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float = 2e-2) -> None:
        super().__init__(params, {"lr": lr})
        ours: list[torch.nn.Parameter] = self.param_groups[0]["params"]
        _, *self._kernels, _ = [parameter for parameter in ours if parameter.ndim >= 2]
        by_muon = {id(kernel) for kernel in self._kernels}
        # Muon works on matrices: these share the memory of the kernels.
        self._matrices = [_matrix(kernel.detach(), kernel) for kernel in self._kernels]
        self._muon = torch.optim.Muon(self._matrices, lr=lr, weight_decay=0.0)
        self._adam = torch.optim.Adam([one for one in ours if id(one) not in by_muon], lr=lr * ADAMS_SHARE)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step down the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.data = _matrix(kernel.detach(), kernel)  # a network may have moved
            matrix.grad = None if kernel.grad is None else _matrix(kernel.grad, kernel)
        (group,) = self.param_groups
        self._muon.param_groups[0]["lr"], self._adam.param_groups[0]["lr"] = group["lr"], group["lr"] * ADAMS_SHARE
        self._muon.step()
        self._adam.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Of both, and the learning rate."""
        (group,) = self.param_groups
        settings = {name: value for name, value in group.items() if name != "params"}
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict(), "settings": settings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        self._muon.load_state_dict(state_dict["muon"])
        self._adam.load_state_dict(state_dict["adam"])
        self.param_groups[0].update(state_dict["settings"])


def _matrix(values: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """A kernel (out, in, height, width), or its gradient, as a matrix of ``out`` rows.

    Of the kernel itself it shares the memory, for its columns are in the order in which they lie there: which that is,
    is all the same to Muon.
    """
    return values.flatten(1) if kernel.is_contiguous() else values.movedim(1, -1).flatten(1)


OPTIMIZERS: dict[OptimizerName, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "muon": MuonAndAdam}
