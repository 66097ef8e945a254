"""The paper's agent: a two-level DQN that chooses the type of a tool, then its degree."""

from hirl_agents.hirl.algorithm import HIRL
from hirl_agents.hirl.policy import HIRLPolicy

__all__ = ["HIRL", "HIRLPolicy"]
