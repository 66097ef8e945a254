"""The paper's agent: a two-level DQN that chooses the type of a tool, then its degree."""

from agents.hirl.algorithm import HIRL
from agents.hirl.policy import HIRLPolicy

__all__ = ["HIRL", "HIRLPolicy"]
