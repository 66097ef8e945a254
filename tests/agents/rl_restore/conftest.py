"""A file of made weights, with the names and shapes of the released ones."""

from pathlib import Path

import numpy as np
import pytest

SMALL = {"conv1": (9, 9, 3, 32), "conv2": (5, 5, 32, 16), "conv3": (5, 5, 16, 3)}
LARGE = {
    "conv1": (5, 5, 3, 64),
    "conv1_2": (1, 1, 64, 32),
    "conv2": (3, 3, 32, 32),
    "conv2a": (3, 3, 32, 32),
    "conv2c": (3, 3, 32, 32),
    "conv2d": (3, 3, 32, 32),
    "conv2_2": (1, 1, 32, 64),
    "conv3": (5, 5, 64, 3),
}
POLICY = {
    "l1/w": (9, 9, 3, 32),
    "l2/w": (5, 5, 32, 24),
    "l3/w": (5, 5, 24, 24),
    "l4/w": (5, 5, 24, 24),
    "l7/Matrix": (384, 32),
    "prediction_rnn/basic_lstm_cell/kernel": (94, 200),
    "q/Matrix": (50, 13),
}
BIASES = {"w": "biases", "Matrix": "bias", "kernel": "bias"}


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Random weights by the names of the released ones, and one array that nobody asked for."""
    rng = np.random.default_rng(0)
    shapes = {"policy/target/beta1_power": ()}
    for number in range(1, 13):
        for layer, shape in (SMALL if (number - 1) % 4 < 2 else LARGE).items():
            shapes[f"tool{number:02d}/{layer}/weights"] = shape
            shapes[f"tool{number:02d}/{layer}/biases"] = shape[-1:]
    for name, shape in POLICY.items():
        scope, kind = name.rsplit("/", 1)
        shapes[f"policy/{name}"] = shape
        shapes[f"policy/{scope}/{BIASES[kind]}"] = shape[-1:]
    return {
        name: (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1], initial=1))).astype(np.float32)
        for name, shape in shapes.items()
    }


@pytest.fixture
def made(arrays, tmp_path) -> Path:
    """The same as a file."""
    np.savez(tmp_path / "made.npz", **arrays)
    return tmp_path / "made.npz"
