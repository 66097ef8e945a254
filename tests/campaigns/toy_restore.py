"""`hirl restore` with tools that brighten and darken, as quick as restoring can be. It takes the command's arguments.

With HIRL_SLOW in the environment, each step takes that many seconds: time to be killed in.
"""

import os
import sys
import time

import torch

from hirl_agents.restorer import Restorer
from hirl_env.data.degradations import GaussianNoise
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset
from hirl_experiments import cli
from hirl_experiments.commands import restore


def add(amount: float) -> Tool:
    def restored(images: torch.Tensor) -> torch.Tensor:
        time.sleep(float(os.environ.get("HIRL_SLOW", "0")))
        return images + amount / 255

    return Tool(f"add {amount:+g}", restored, GaussianNoise(abs(amount)))


def values(images: torch.Tensor) -> torch.Tensor:
    cells = torch.zeros(len(images), 2, 1)
    cells[:, 0, 0] = 200 / 255 - images.mean(dim=(1, 2, 3))
    return cells


def main() -> None:
    toolset = Toolset({"brighten": [add(8)], "darken": [add(-8)]})
    restore.Restorer = lambda agent, _, **arguments: Restorer(values, toolset, **arguments)
    sys.argv = ["hirl", "restore", *sys.argv[1:], "--max-steps", "3"]
    cli.main()


if __name__ == "__main__":
    main()
