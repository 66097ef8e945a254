"""`hirl web` on a port, with tools that brighten and darken: serve_toy.py PORT FOLDER."""

import sys
from pathlib import Path

import torch

from hirl_agents.restorer import Restorer
from hirl_env.tools.toolset import Toolset
from hirl_experiments.commands.web import serve
from tests.conftest import add


def values(images: torch.Tensor) -> torch.Tensor:
    cells = torch.zeros(len(images), 2, 2)
    worth = 120 / 255 - images.mean(dim=(1, 2, 3))
    cells[:, 0, 0], cells[:, 0, 1], cells[:, 1] = worth / 2, worth, -0.05
    return cells


if __name__ == "__main__":
    toolset = Toolset({"brighten": [add(1), add(8)], "darken": [add(-2), add(-16)]})
    serve(Restorer(values, toolset), "hirl-biqa", Path(sys.argv[2]), "127.0.0.1", int(sys.argv[1]), 200_000, 1)
