"""What acts in the environment."""

from agents.flat_dqn import FlatDQN
from agents.hirl import HIRL
from agents.rl_restore import RLRestore
from agents.vec_env import RestoreVecEnv, make_vec_env

__all__ = ["HIRL", "FlatDQN", "RLRestore", "RestoreVecEnv", "make_vec_env"]
