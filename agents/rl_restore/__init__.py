"""RL-Restore (Yu et al., CVPR 2018): a recurrent Q-network that chooses among twelve tools."""

from hirl_agents.rl_restore.agent import RLRestoreAgent
from hirl_agents.rl_restore.algorithm import RLRestore
from hirl_agents.rl_restore.released import load_released
from hirl_agents.rl_restore.weights import load_rl_restore, save_rl_restore

__all__ = ["RLRestore", "RLRestoreAgent", "load_released", "load_rl_restore", "save_rl_restore"]
