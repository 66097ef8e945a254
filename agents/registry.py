"""Agents to restore with, and algorithms of `hirl train`, by name.

An agent is registered with a function without arguments that returns it: a Q-network, a function from images
(N, 3, H, W) to cell values (N, types, degrees), or an `Agent`. Files may also hold a model of an algorithm.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from hirl_agents.algorithm import AlgorithmConfig
from hirl_agents.common.saving import SafelySaved, saved_algorithm
from hirl_agents.flat_dqn.config import FlatDQNConfig
from hirl_agents.hirl.config import HIRLConfig
from hirl_agents.networks import SUFFIX, load_q
from hirl_agents.ppo import PPOConfig
from hirl_agents.rl_restore.config import RLRestoreConfig
from hirl_agents.rl_restore.weights import KIND as RL_RESTORE
from hirl_agents.rl_restore.weights import load_rl_restore
from hirl_env.registry import Registry
from hirl_env.weights import read_metadata

# First the agent for the toolset hirl, then those for the toolset paper.
SHIPPED_AGENTS = {
    name: Path(__file__).parent / folder / "weights" / f"{name}{SUFFIX}"
    for name, folder in (
        *(("hirl", "hirl"), ("hirl-paper", "hirl"), ("flat-dqn", "flat_dqn")),
        ("rl-restore-paper", "rl_restore"),
    )
}
AGENT_OF_TOOLSET = {"hirl": "hirl", "paper": "hirl-paper"}


def _read(value: Any) -> Any:
    """The agent in a file of `hirl train`, or of RL-Restore's authors."""
    path = Path(value)
    if os.path.isdir(path):
        raise ValueError(f"agent {path} is a folder; name a file, such as {path / 'best.safetensors'}")
    if path.suffix in (SUFFIX, ".zip") and saved_algorithm(path) is not None:
        return load_model(path)
    if path.suffix == ".npz" or (path.suffix == SUFFIX and read_metadata(path).get("network") == RL_RESTORE):
        return load_rl_restore(path)
    if path.suffix == ".zip" and path.is_file():
        raise ValueError(f"agent {path}: a model of Stable-Baselines3, which says no values of tools")
    return load_q(path) if path.suffix == SUFFIX else None


agents: Registry[Any] = Registry(  # of type CellValues | Agent | SafelySaved
    "agent", object, _read, f"{SUFFIX}, .zip and .npz files of hirl train, Stable-Baselines3 and RL-Restore's authors"
)
for _name, _path in SHIPPED_AGENTS.items():
    agents.register(_name, partial(_read, _path))

algorithms: Registry[AlgorithmConfig] = Registry("algorithm", AlgorithmConfig)  # type: ignore[type-abstract]
algorithms.register("hirl", HIRLConfig)
algorithms.register("flat-dqn", FlatDQNConfig)
algorithms.register("ppo", PPOConfig)
algorithms.register("rl-restore", RLRestoreConfig)


def load_model(path: str | Path) -> SafelySaved:
    """The model in a file that an algorithm of this package saved, on the CPU.

    Raises:
        ValueError: If there is none, or it is of an algorithm that is not registered.
    """
    name = saved_algorithm(path)
    for config in map(algorithms.resolve, algorithms.names()):
        kind = config.algorithm()
        if issubclass(kind, SafelySaved) and kind.__name__ == name:
            return kind.load(path, device="cpu")
    raise ValueError(f"{path}: of no algorithm that is known here")
