"""Who acts and who learns, by name: the agents to restore with, and the algorithms of `hirl train`."""

from __future__ import annotations

from hirl_agents.algorithm import AlgorithmConfig
from hirl_agents.flat_dqn.config import FlatDQNConfig
from hirl_agents.hirl.config import HIRLConfig
from hirl_agents.ppo import PPOConfig
from hirl_agents.rl_restore.config import RLRestoreConfig
from hirl_env.registry import Registry

algorithms: Registry[AlgorithmConfig] = Registry("algorithm", AlgorithmConfig)  # type: ignore[type-abstract]
algorithms.register("hirl", HIRLConfig)
algorithms.register("flat-dqn", FlatDQNConfig)
algorithms.register("ppo", PPOConfig)
algorithms.register("rl-restore", RLRestoreConfig)
