"""Checkpoints: the last model with its replay buffer, from which a run resumes."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from hirl_agents.common.saving import save_model, save_replay_buffer
from hirl_experiments.training.run_folder import MEMORY, MODEL


def save_checkpoint(model: BaseAlgorithm, out: Path) -> None:
    """Writes a model, and its replay buffer if it has one, so that a run can resume after a kill at any time."""
    # The model last: a kill in between leaves an older model with a newer replay buffer, which is consistent.
    if isinstance(model, OffPolicyAlgorithm):
        save_replay_buffer(model, out / MEMORY)
    save_model(model, out / MODEL)
