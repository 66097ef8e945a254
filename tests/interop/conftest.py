"""What the libraries of the field do with the environment: `make test-interop` installs each, and runs its module.

Every ``train...`` of these modules stands in the documentation as it is here.
"""

from pathlib import Path
from typing import Any

import pytest

# Fast, and episodes end often: 2 x 2 tools without a network.
SMALL = {"crop_size": 16, "max_steps": 3, "toolset": str(Path(__file__).parent / "toolset.yaml")}


@pytest.fixture
def small() -> dict[str, Any]:
    """Arguments of an environment in which a step takes milliseconds."""
    return dict(SMALL)
