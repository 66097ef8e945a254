"""The environment in which reinforcement learning restores photographs.

Importing it registers ``HIRL-Restore-v0`` (actions are (type, degree) pairs), ``HIRL-RestoreFlat-v0`` (one integer) and
``HIRL-RestoreTable-v0`` (over a table of all paths), each with a single and a native vector environment::

    import gymnasium as gym
    env = gym.make("hirl_env:HIRL-Restore-v0", degradation="severe")
"""

import os
from importlib.metadata import PackageNotFoundError, version

import gymnasium as gym
import torch

from hirl_env.config import EnvConfig
from hirl_env.data import Degradation, Photographs, degradations, image_sources
from hirl_env.env import RestoreEnv
from hirl_env.quality import Measure, measures
from hirl_env.restoration import Restoration, Rules, State
from hirl_env.reward import Reward
from hirl_env.tools import Tool, Toolset, toolsets
from hirl_env.vector_env import RestoreVectorEnv

__all__ = [
    "Degradation",
    "EnvConfig",
    "Measure",
    "Photographs",
    "Restoration",
    "RestoreEnv",
    "RestoreVectorEnv",
    "Reward",
    "Rules",
    "State",
    "Tool",
    "Toolset",
    "degradations",
    "image_sources",
    "measures",
    "toolsets",
]

try:
    __version__ = version("hirl-restore")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0+unknown"


def _register(env_id: str, single: str, vector: str, **kwargs: bool) -> None:
    if env_id not in gym.registry:
        gym.register(env_id, f"hirl_env.{single}", vector_entry_point=f"hirl_env.{vector}", kwargs=kwargs)


if hasattr(os, "register_at_fork"):  # systems without it do not fork
    # A forked process, as of AsyncVectorEnv, has none of PyTorch's threads and would wait for them forever.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

_register("HIRL-Restore-v0", "env:RestoreEnv", "vector_env:RestoreVectorEnv")
_register("HIRL-RestoreFlat-v0", "env:RestoreEnv", "vector_env:RestoreVectorEnv", flat=True)
_register("HIRL-RestoreTable-v0", "table_env:RestoreTableEnv", "table_env:RestoreTableVectorEnv")
