"""What the libraries of the field do with the environment: `make test-interop` installs each, and runs its module."""

import pytest

SMALL = {"crop_size": 16, "max_steps": 3}  # fast, and episodes end often


@pytest.fixture
def small() -> dict[str, int]:
    """Arguments of an environment in which a step takes milliseconds."""
    return dict(SMALL)
