"""Agents choose a GPU by themselves where there is one; what is expected of them here are tensors on the CPU."""

import pytest
import torch


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
