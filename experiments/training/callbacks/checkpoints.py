"""The last model with its memory, from which a run goes on."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from hirl_agents.common.saving import save_model, save_replay_buffer
from hirl_experiments.training.run_folder import MEMORY, MODEL


def save_checkpoint(model: BaseAlgorithm, out: Path) -> None:
    """Writes a model, and its replay buffer where it has one, so that a kill at any time leaves a run to resume."""
    # The model last: a kill in between leaves an older model with a newer memory, which go together.
    if isinstance(model, OffPolicyAlgorithm):
        save_replay_buffer(model, out / MEMORY)
    save_model(model, out / MODEL)
