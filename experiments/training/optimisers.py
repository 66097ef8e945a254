"""Optimiser steps and learning-rate schedules of trainings outside Stable-Baselines3."""

from __future__ import annotations

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.optimizer import Optimizer

WARM_UP = 100  # steps


def rise_and_fall(optimiser: Optimizer, steps: int) -> LambdaLR:
    """A schedule that rises over the first 100 steps, and falls linearly to zero at the last.

    Args:
        optimiser: Optimiser, with the learning rate at its highest.
        steps: Number of steps of the training.
    """
    return LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / WARM_UP) * (1 - step / steps))


def descend(loss: torch.Tensor, optimiser: Optimizer, schedule: LambdaLR) -> None:
    """One step down the gradient of a loss."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    schedule.step()
