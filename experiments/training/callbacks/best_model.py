"""The best model so far, with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from hirl_agents.networks import save_q
from hirl_env.files import atomic_write_text
from hirl_env.tools.toolset import Toolset
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.config import TrainConfig
from hirl_experiments.training.csv_log import CsvLog
from hirl_experiments.training.run_folder import BEST
from hirl_experiments.training.validation import CROPS, NOT_LEVELS, Validated, mean_over


class BestModel:
    """Keeps the model with the highest mean gain over everything that it is evaluated on.

    Args:
        config: Configuration of the run.
        out: Folder of the run.
        toolset: The tools.
        curve: Rows of the evaluations so far.
    """

    def __init__(self, config: TrainConfig, out: Path, toolset: Toolset, curve: CsvLog) -> None:
        self.config, self.out, self.toolset, self.curve = config, out, toolset, curve

    def step(self) -> int:
        """Environment step of the best model; -1 if there is none yet."""
        return self._best(self.curve.read())[1]

    def keep(self, model: BaseAlgorithm, validated: Validated, step: int) -> None:
        """Writes a model if it is better than all before."""
        if mean_over(validated.gains, validated.gains) <= self._best(self.curve.read())[0]:
            return
        if validated.network is not None:
            path = self.out / f"{BEST}.safetensors"
            save_q(validated.network.trained_with(self.toolset), path)
            card = self._card(validated.network, validated, step, self._margin_text(validated.network.stop_margin))
        else:
            path = self.config.algorithm.save(model, self.toolset, self.out)
            # A policy may hold more than acts, such as target networks.
            agent = self.config.algorithm.agent(model, self.toolset)
            card = self._card(agent if isinstance(agent, nn.Module) else model.policy, validated, step)
        atomic_write_text(path.with_suffix(".md"), card)

    def _best(self, rows: list[dict[str, str]]) -> tuple[float, int]:
        """Mean gain and step of the best row; of equals, of the first, whose model was kept."""
        levels = [name for name in (rows[0] if rows else ()) if name not in NOT_LEVELS]
        every = ((mean_over(levels, row), int(row["step"])) for row in rows)
        return max(every, key=lambda gain_and_step: gain_and_step[0], default=(-np.inf, -1))

    def _margin_text(self, margins: torch.Tensor) -> str:
        """The stop margin, for the card."""
        if len(margins) == 1:
            return f"Its stop margin is {margins[0]:.3f}, with which stopping gained most there."
        names = ["the first tool", *(f"one after {self.toolset[cell].name}" for cell in self.toolset.cells)]
        each = ", ".join(f"{margin:.3f} for {name}" for margin, name in zip(margins, names, strict=True))
        return f"Its stop margins are those with which stopping gained most there: {each}."

    def _card(self, network: Any, validated: Validated, step: int, margin: str = "") -> str:
        """The model card; ``margin`` is empty if the agent stops by an action of its own."""
        config = self.config
        made = f"By `hirl train`, {step:,} of {config.total_steps:,} environment steps: of the evaluations on"
        return model_card(
            config.label,
            network,
            f"{made} validation photographs, the best. {margin}".rstrip(),
            config.as_dict(),
            f"Gain in {config.env.reward} on the validation photographs, {CROPS} crops each, stopping by "
            f"{'value' if margin else 'its own action'}, with {validated.trials:.1f} tools on average:",
            ("level", "gain"),
            {level: f"{gain:+.2f}" for level, gain in validated.gains.items()},
        )
