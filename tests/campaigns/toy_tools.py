"""A plugin: tools that brighten and darken, as quick as restoring can be, and an agent that brightens to a mean of 200.

With HIRL_SLOW in the environment, each step takes that many seconds: time to be killed in. With HIRL_DEADLY, pictures
33 pixels wide kill the process.
"""

import os
import signal
import time

import torch

from hirl_agents.registry import agents
from hirl_env.data.degradations import GaussianNoise
from hirl_env.tools.registry import toolsets
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset


def add(amount: float) -> Tool:
    def restored(images: torch.Tensor) -> torch.Tensor:
        time.sleep(float(os.environ.get("HIRL_SLOW", "0")))
        if os.environ.get("HIRL_DEADLY") and images.shape[-1] == 33:
            os.kill(os.getpid(), signal.SIGKILL)
        return images + amount / 255

    return Tool(f"add {amount:+g}", restored, GaussianNoise(abs(amount)))


def values(images: torch.Tensor) -> torch.Tensor:
    cells = torch.zeros(len(images), 2, 1)
    cells[:, 0, 0] = 200 / 255 - images.mean(dim=(1, 2, 3))
    return cells


toolsets.register("toy", lambda: Toolset({"brighten": [add(8)], "darken": [add(-8)]}))
agents.register("toy", lambda: values)
