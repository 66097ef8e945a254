"""The baseline: a DQN that chooses among all tools at once."""

from hirl_agents.flat_dqn.algorithm import FlatDQN

__all__ = ["FlatDQN"]
