"""Three images whose best paths can be found by hand, and agents that stay on the CPU."""

import numpy as np
import pytest
import torch

from hirl_env import Restoration, measures


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """Agents choose a GPU by themselves where there is one; what is expected of them here are tensors on the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def start(toy_toolset) -> Restoration:
    """Errors of 3, 7 and 20 of 255, towards brighter."""
    restoration = Restoration(toy_toolset, measures.resolve("psnr"))
    values = torch.tensor([97.0, 93.0, 80.0]) / 255
    images = values.view(3, 1, 1, 1).expand(3, 3, 12, 12)
    restoration.begin(images, torch.full_like(images, 100 / 255))
    return restoration


def true_values(images: torch.Tensor) -> torch.Tensor:
    """What each cell of the toy toolset would gain at once, in dB, on pictures whose reference is 100 everywhere."""
    level = images[:, 0, 0, 0] * 255
    after = torch.stack([level + 1, level + 8, level - 2, level - 16], dim=1)
    distances = [(each - 100).abs().clamp_min(2.55e-3) for each in (level[:, None], after)]
    return (20 * torch.log10(distances[0] / distances[1])).unflatten(1, (2, 2))


def scores_along(start: Restoration, row: int, path) -> list[float]:
    """The scores of an image after each step of a path."""
    node, scores = start.with_state(start.state[np.array([row])]), []
    for cell in path:
        node.step([cell])
        scores.append(node.state.scores[0])
    return scores
