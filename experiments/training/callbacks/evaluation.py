"""Evaluations of the agent while it learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image
from tqdm import tqdm

from hirl_env.data.degradations import LEVELS
from hirl_experiments.training.callbacks.actions import ActionShares
from hirl_experiments.training.callbacks.best_model import BestModel
from hirl_experiments.training.callbacks.checkpoints import save_checkpoint
from hirl_experiments.training.csv_log import CsvLog
from hirl_experiments.training.validation import AS_GIVEN, Validation, mean_over


class Evaluation(BaseCallback):
    """Evaluates the agent before it learns, at intervals and at the end; each time, writes a checkpoint and logs.

    A row of evaluation.csv has the gain on each evaluated degradation, and as ``gain`` the mean of the levels alone.

    Args:
        every: Number of environment steps between evaluations.
        out: Folder of the run.
        validation: Validation, which measures the agent.
        curve: Rows of the evaluations so far.
        best: Keeper of the best model.
        actions: Counter of the tools used.
        on_evaluation: Function called with each row, once it and its checkpoint are written.
    """

    def __init__(
        self,
        every: int,
        out: Path,
        validation: Validation,
        curve: CsvLog,
        best: BestModel,
        actions: ActionShares,
        on_evaluation: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        super().__init__()
        self.every, self.out, self.validation, self.curve = every, out, validation, curve
        self.best, self.actions, self.on_evaluation = best, actions, on_evaluation

    def last_step(self) -> int:
        """Environment step of the last evaluation on record; -1 before the first."""
        rows = self.curve.read()
        return int(rows[-1]["step"]) if rows else -1

    def _on_training_start(self) -> None:
        # What was measured after the checkpoint is measured again.
        self.curve.rewrite([row for row in self.curve.read() if int(row["step"]) <= self.model.num_timesteps])
        self.evaluated = self.last_step()
        if self.evaluated < 0:
            self.evaluate()

    def _on_rollout_start(self) -> None:
        # Here, between updates and steps, the model and its replay buffer are consistent.
        if self.model.num_timesteps // self.every > self.evaluated // self.every:
            self.evaluate()

    def _on_step(self) -> bool:
        return True

    def finish(self) -> None:
        """Evaluates the agent, if it has learned since the last evaluation."""
        if self.evaluated < self.model.num_timesteps:
            self.evaluate()

    def evaluate(self) -> None:
        """Evaluates, saves and logs the current agent."""
        step = self.evaluated = self.model.num_timesteps
        self.model.policy.set_training_mode(False)
        validated = self.validation.measure(self.model)
        gains = validated.gains
        row = {
            "step": step,
            "gain": mean_over([level for level in gains if level in (*LEVELS, AS_GIVEN)], gains),
            **gains,
            "trials": validated.trials,
            "margin": 0.0 if validated.network is None else float(validated.network.stop_margin[0]),
        }
        # The checkpoint first, the row last: after a kill in between, the same evaluation is repeated.
        save_checkpoint(self.model, self.out)
        for key, value in row.items():
            if key != "step":
                self.logger.record(f"evaluation/{key}", value)
        self.logger.record("evaluation/pictures", Image(validated.pictures, "HWC"), exclude=("csv", "stdout"))
        self.actions.record()
        self.logger.dump(step)
        # A separate line, which stays in a log without a progress bar.
        tqdm.write(f"step {step:,}: gain " + ", ".join(f"{level} {gain:+.2f}" for level, gain in gains.items()))
        self.best.keep(self.model, validated, step)
        self.curve.write(row)
        if self.on_evaluation is not None:
            self.on_evaluation(row)
