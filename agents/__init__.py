"""Agents that act in the environment."""

from hirl_agents.common.vec_env import RestoreVecEnv, make_vec_env
from hirl_agents.flat_dqn import FlatDQN
from hirl_agents.hirl import HIRL
from hirl_agents.loading import load_agent
from hirl_agents.restorer import Restorer
from hirl_agents.rl_restore import RLRestore

__all__ = ["HIRL", "FlatDQN", "RLRestore", "RestoreVecEnv", "Restorer", "load_agent", "make_vec_env"]
