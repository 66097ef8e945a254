"""What happens beside the learning: the progress bar, evaluations, the best network with its card, checkpoints."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from tqdm import tqdm

from agents.networks import FlatQ, TwoLevelQ, save_q
from agents.search import follow
from experiments.algorithms import cell_values, q_network
from experiments.evaluation import batches, begin, starts_of
from experiments.tracking import CsvLog
from hirl_env.data.degradations import LEVELS
from hirl_env.data.images import to_pixels
from hirl_env.data.photographs import Photographs
from hirl_env.files import written_whole
from hirl_env.tools.toolset import toolsets

LONGEST = 7  # steps of a path in evaluations: the paper's longest
EVALUATION_SEED = 1_000_003  # the same crops for every run, so that curves compare
SHOWN = 4  # pictures before and after, per level


class Progress(BaseCallback):
    """Shows progress, evaluates, keeps the best, and writes checkpoints.

    Args:
        config: Of the run.
        out: Its folder.
        held_out: Photographs to evaluate on.
    """

    def __init__(self, config: dict[str, Any], out: Path, held_out: Photographs) -> None:
        super().__init__()
        self.config, self.out, self.held_out = config, out, held_out
        self.toolset = toolsets.resolve(config["environment"].get("toolset", "hirl")).on(
            config["environment"].get("device", "cpu")
        )
        self.interrupted: Sequence[int] = ()
        self.curve = CsvLog(out / "evaluation.csv")
        self.actions: list[np.ndarray] = []

    def _on_training_start(self) -> None:
        done = self.model.num_timesteps
        rows = [row for row in self.curve.read() if int(row["step"]) <= done]
        # A kill after the last checkpoint leaves rows of steps that are taken again.
        self.curve.path.unlink(missing_ok=True)
        for row in rows:
            self.curve.write(row)
        self.best = max((float(row["gain"]) for row in rows), default=-np.inf)
        self.evaluated = int(rows[-1]["step"]) if rows else -1
        self.bar = tqdm(
            total=self.config["total_steps"], initial=done, desc=self.out.name, unit="step", mininterval=1, disable=None
        )
        if not rows:
            self._evaluate()

    def _on_step(self) -> bool:
        self.bar.update(self.model.num_timesteps - self.bar.n)
        self.actions.append(np.atleast_1d(self.locals["actions"]).copy())
        return not self.interrupted

    def _on_rollout_start(self) -> None:
        # Here, between updates and steps, the model and its memory agree with each other.
        if self.model.num_timesteps // self.config["every"] > self.evaluated // self.config["every"]:
            self._evaluate()

    def finish(self) -> None:
        """Saves, and evaluates a last time where the training is complete."""
        if self.model.num_timesteps >= self.config["total_steps"] and self.evaluated < self.model.num_timesteps:
            self._evaluate()
        self._save()
        self.bar.close()

    def _evaluate(self) -> None:
        step = self.model.num_timesteps
        self.evaluated = step
        gains, trials, pictures = self._measure()
        mean = float(np.mean(list(gains.values())))
        row = {"step": step, "gain": mean, **gains, "trials": trials}
        for key, value in row.items():
            if key != "step":
                self.logger.record(f"evaluation/{key}", value)
        self.logger.record("evaluation/pictures", Image(pictures, "HWC"), exclude=("csv", "stdout"))
        self._record_actions()
        self.logger.dump(step)
        self.bar.set_postfix(gain=" ".join(f"{gain:+.2f}" for gain in gains.values()))
        network = q_network(self.model, self.toolset.n_degrees)
        if mean > self.best:
            self.best = mean
            if network is not None:
                save_q(network, self.out / "best.safetensors")
                with written_whole(self.out / "best.md") as beside:
                    beside.write_text(model_card(network, self.config, row))
        self.curve.write(row)
        self._save()

    def _measure(self) -> tuple[dict[str, float], float, np.ndarray]:
        """Mean gain (dB) per level and mean trials on the held-out photographs, and pictures before and after."""
        self.model.policy.set_training_mode(False)
        values = cell_values(self.model, self.toolset.n_degrees)
        stop: Any = "value" if q_network(self.model, self.toolset.n_degrees) is not None else "steps"
        environment = self.config["environment"]
        gains, trials, strips = {}, [], []
        for level in LEVELS:
            starts = starts_of(self.held_out, level, environment.get("crop_size", 64), 1, EVALUATION_SEED)
            found = []
            for batch in batches(starts):
                start = begin(batch, self.toolset, environment.get("precision", "float32"))
                followed = follow(start, values, LONGEST, stop)
                found.append(followed.restoration.gains)
                trials.append(followed.trials)
                if len(found) == 1:
                    for images in (start.images, followed.restoration.images):
                        strips.append(np.concatenate(list(to_pixels(images[:SHOWN])), axis=1))
            gains[level] = float(np.concatenate(found).mean())
        return gains, float(np.concatenate(trials).mean()), np.concatenate(strips)

    def _record_actions(self) -> None:
        """Histograms of the types and degrees taken since the last time, and the share of each."""
        if not self.actions:
            return
        actions = np.concatenate(self.actions)
        if actions.ndim == 1:
            actions = np.stack(np.divmod(actions, self.toolset.n_degrees), axis=1)
        for name, column in (("type", actions[:, 0]), ("degree", actions[:, 1])):
            self.logger.record(f"rollout/{name}s", torch.as_tensor(column), exclude=("csv", "stdout"))
            for number, count in enumerate(np.bincount(column.astype(int), minlength=self.toolset.n_degrees)):
                self.logger.record(f"rollout/{name}_{number}", count / len(column))
        self.actions.clear()

    def _save(self) -> None:
        with written_whole(self.out / "model.zip") as beside, beside.open("wb") as file:
            self.model.save(file)
        if isinstance(self.model, OffPolicyAlgorithm):
            with written_whole(self.out / "replay_buffer.pkl") as beside, beside.open("wb") as file:
                self.model.save_replay_buffer(file)


def model_card(network: TwoLevelQ | FlatQ, config: dict[str, Any], row: dict[str, float]) -> str:
    """What a network is, how it was made, and what it measured when it was chosen."""
    count = sum(value.numel() for value in network.parameters())
    places = {key: config[key] and Path(config[key]).name for key in ("images", "validate")}
    settings = yaml.safe_dump(config | places, sort_keys=False)
    gains = "\n".join(f"| {level} | {row[level]:+.2f} |" for level in LEVELS)
    return (
        f"# {config['label']}\n\n{inspect.getdoc(network)}\n\n{count:,} parameters, stored as float16 safetensors.\n\n"
        f"## How it was made\n\nBy `hirl train`, {row['step']:,} of {config['total_steps']:,} environment steps; of "
        f"the evaluations on photographs kept apart, this was the best.\n\n```yaml\n{settings}```\n\n"
        f"## Measured\n\nGain in PSNR (dB) on the photographs kept apart, one crop each, stopping by value, with "
        f"{row['trials']:.1f} tools on average:\n\n| level | gain |\n|---|---|\n{gains}\n"
    )
