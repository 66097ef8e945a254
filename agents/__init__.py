"""What acts in the environment."""

from agents.flat_dqn import FlatDQN
from agents.hirl import HIRL
from agents.vec_env import RestoreVecEnv, make_vec_env

__all__ = ["HIRL", "FlatDQN", "RestoreVecEnv", "make_vec_env"]
