"""What happens beside the learning: the progress bar, evaluations, the best network with its card, checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch import nn
from tqdm import tqdm

from hirl_agents.agent import q_agent
from hirl_agents.calibration import stop_margins
from hirl_agents.networks import MAX_STEPS, FlatQ, TwoLevelQ, save_q
from hirl_agents.rl_restore import RLRestore, save_rl_restore
from hirl_agents.rollout import Stopping, rollout
from hirl_env.data.degradations import LEVELS, SINGLES
from hirl_env.data.images import to_pixels
from hirl_env.data.photographs import Photographs
from hirl_env.files import atomic_write, atomic_write_text
from hirl_env.restoration import Restoration
from hirl_env.tools.known import open_toolset
from hirl_experiments.evaluation.sampling import batches, begin, starts_of
from hirl_experiments.io.csv_log import CsvLog
from hirl_experiments.reporting.model_cards import model_card
from hirl_experiments.training.algorithms import preferences, q_network

EVALUATION_SEED, MARGINS_SEED = 2_000_003, 1_000_003  # the same crops for every run, so that curves compare
CROPS = 4  # of a photograph: margins that each tool has for itself need some hundred pictures
SHOWN = 4  # pictures before and after, per level
MEMORY = "replay_buffer.pkl"  # beside model.zip, of algorithms that have one
AS_GIVEN = "as given"  # the one level of photographs that come distorted


class Progress(BaseCallback):
    """Shows progress, evaluates, keeps the best, and writes checkpoints.

    The best has the highest mean of the gains on the three levels and on single distortions; ``gain`` in evaluation.csv
    is the mean of the levels alone.

    Args:
        config: Of the run.
        out: Its folder.
        held_out: Photographs to evaluate on.
        on_evaluation: Called with each row of evaluation.csv, when it and its checkpoint are written.
    """

    def __init__(
        self,
        config: dict[str, Any],
        out: Path,
        held_out: Photographs,
        on_evaluation: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        super().__init__()
        self.on_evaluation = on_evaluation
        self.config, self.out, self.held_out = config, out, held_out
        self.toolset = open_toolset(config["environment"].get("toolset", "hirl")).on(
            config["environment"].get("device", "cpu")
        )
        # Paths are as long as in training: of longer ones an agent knows little.
        self.max_steps = config["environment"].get("max_steps") or MAX_STEPS
        self.interrupted: Sequence[int] = ()
        self.stopped = False
        levels = evaluated_levels(config["environment"], held_out)
        self.starts = {level: self._starts(level, EVALUATION_SEED) for level in levels}
        # Margins are found on other crops than they are judged on.
        self.found_on = [start for level in levels for start in self._starts(level, MARGINS_SEED)]
        self.curve = CsvLog(out / "evaluation.csv")
        self.actions: list[np.ndarray] = []

    def evaluated_until(self) -> int:
        """The step of the last evaluation on record; -1 before the first."""
        rows = self.curve.read()
        return int(rows[-1]["step"]) if rows else -1

    def _on_training_start(self) -> None:
        done = self.model.num_timesteps
        rows = [row for row in self.curve.read() if int(row["step"]) <= done]
        self.curve.rewrite(rows)
        self.best, self.best_step = max(
            ((mean_over(self.starts, row), int(row["step"])) for row in rows), default=(-np.inf, -1)
        )
        self.evaluated = self.evaluated_until()
        self.bar = tqdm(
            total=self.config["total_steps"], initial=done, desc=self.out.name, unit="step", mininterval=1, disable=None
        )
        if not rows:
            self._evaluate()

    def _on_step(self) -> bool:
        self.bar.update(self.model.num_timesteps - self.bar.n)
        self.actions.append(np.atleast_1d(self.locals["actions"]).copy())
        self.stopped = bool(self.interrupted)
        return not self.stopped

    def _on_rollout_start(self) -> None:
        # Here, between updates and steps, the model and its memory agree with each other.
        self.learned = self.model.num_timesteps
        if self.model.num_timesteps // self.config["every"] > self.evaluated // self.config["every"]:
            self._evaluate()

    def finish(self) -> None:
        """Evaluates a last time where the training is complete; saves where it was interrupted."""
        if self.stopped:
            # The last step was taken, and not learned from.
            self.model.num_timesteps = self.learned
            self._save()
        elif self.evaluated < self.model.num_timesteps:
            self._evaluate()
        self.bar.close()

    def _evaluate(self) -> None:
        step = self.model.num_timesteps
        self.evaluated = step
        self.model.policy.set_training_mode(False)
        network, margins = q_network(self.model, self.toolset.n_degrees), np.zeros(1)
        if network is not None:
            network = copy.deepcopy(network).to(self.toolset.device)
            margins = stop_margins(self.found_on, q_agent(network), self.max_steps, network.sees_tool)
            network = network.with_stop_margin(margins)
        gains, trials, pictures = self._measure(network)
        levels = [level for level in gains if level != SINGLES]
        row = {"step": step, "gain": mean_over(levels, gains), **gains, "trials": trials, "margin": margins[0]}
        # The checkpoint first, the row last: after a kill in between, the same evaluation is made again.
        self._save()
        for key, value in row.items():
            if key != "step":
                self.logger.record(f"evaluation/{key}", value)
        self.logger.record("evaluation/pictures", Image(pictures, "HWC"), exclude=("csv", "stdout"))
        self._record_actions()
        self.logger.dump(step)
        # A line of its own, which stays in a log where there is no bar.
        tqdm.write(f"step {step:,}: gain " + ", ".join(f"{level} {gain:+.2f}" for level, gain in gains.items()))
        overall = mean_over(gains, gains)
        if overall > self.best:
            self.best, self.best_step = overall, step
            card = None
            if network is not None:
                save_q(network, self.out / "best.safetensors")
                card = self._card(network, row, self._in_words(margins))
            elif isinstance(self.model, RLRestore):
                save_rl_restore(self.model.agent(self.toolset), self.out / "best.safetensors")
                card = self._card(self.model.policy.q, row)
            if card is not None:
                atomic_write_text(self.out / "best.md", card)
        self.curve.write(row)
        if self.on_evaluation is not None:
            self.on_evaluation(row)

    def _starts(self, level: str, seed: int) -> list[Restoration]:
        """Crops of the held-out photographs, degraded, in batches; the same at every evaluation of every run."""
        environment = self.config["environment"]
        name = None if level == AS_GIVEN else level
        crop = environment.get("crop_size", 64)
        starts = starts_of(self.held_out, name, crop, CROPS, seed)
        precision, measure = environment.get("precision", "float32"), environment.get("reward", "psnr")
        return [begin(batch, self.toolset, precision, measure) for batch in batches(starts)]

    def _measure(self, network: TwoLevelQ | FlatQ | None) -> tuple[dict[str, float], float, np.ndarray]:
        """Mean gain (of the reward's measure) per level, mean trials, and pictures before and after.

        Args:
            network: Stops by its values; None for an agent that has none.
        """
        values = preferences(self.model) if network is None else q_agent(network)
        stop: Stopping = "steps" if network is None else "value"
        gains, trials, strips = {}, [], []
        for level, starts in self.starts.items():
            found = []
            for start in starts:
                result = rollout(start, values, self.max_steps, stop)
                found.append(result.state.gains)
                trials.append(result.trials)
                if len(found) == 1:
                    for images in (start.state.images, result.state.images):
                        strips.append(np.concatenate(list(to_pixels(images[:SHOWN])), axis=1))
            gains[level] = float(np.concatenate(found).mean())
        return gains, float(np.concatenate(trials).mean()), np.concatenate(strips)

    def _in_words(self, margins: npt.NDArray[np.float64]) -> str:
        """The stop margin, for the card."""
        if len(margins) == 1:
            return f"Its stop margin is {margins[0]:.3f}, with which stopping gained most there."
        names = ["the first tool", *(f"one after {self.toolset[cell].name}" for cell in self.toolset.cells)]
        each = ", ".join(f"{margin:.3f} for {name}" for margin, name in zip(margins, names, strict=True))
        return f"Its stop margins are those with which stopping gained most there: {each}."

    def _card(self, network: nn.Module, row: dict[str, float], margin: str = "") -> str:
        """The model card; ``margin`` is empty where an agent stops by an action of its own."""
        config = self.config
        measure = config["environment"].get("reward", "psnr")
        made = f"By `hirl train`, {row['step']:,} of {config['total_steps']:,} environment steps: of the evaluations on"
        return model_card(
            config["label"],
            network,
            f"{made} photographs kept apart, the best. {margin}".rstrip(),
            config,
            f"Gain in {measure} on the photographs kept apart, {CROPS} crops each, stopping by "
            f"{'value' if margin else 'its own action'}, with {row['trials']:.1f} tools on average:",
            ("level", "gain"),
            {level: f"{row[level]:+.2f}" for level in (*LEVELS, SINGLES, AS_GIVEN) if level in row},
        )

    def _record_actions(self) -> None:
        """Histograms of the types and degrees taken since the last time, and the share of each."""
        if not self.actions:
            return
        actions = np.concatenate(self.actions)
        if actions.ndim == 1:
            actions = np.stack(np.divmod(actions, self.toolset.n_degrees), axis=1)
        counts = (self.toolset.n_types, self.toolset.n_degrees)
        for name, column, least in zip(("type", "degree"), actions.T, counts, strict=True):
            self.logger.record(f"rollout/{name}s", torch.as_tensor(column), exclude=("csv", "stdout"))
            for number, count in enumerate(np.bincount(column.astype(int), minlength=least)):
                self.logger.record(f"rollout/{name}_{number}", count / len(column))
        self.actions.clear()

    def _save(self) -> None:
        # The model last: a kill in between leaves an older model with a newer memory, which go together.
        if isinstance(self.model, OffPolicyAlgorithm):
            with atomic_write(self.out / MEMORY) as file:
                self.model.save_replay_buffer(file)
        with atomic_write(self.out / "model.zip") as file:
            self.model.save(file)


def evaluated_levels(environment: Mapping[str, Any], held_out: Photographs) -> tuple[str, ...]:
    """What agents are evaluated on, a column of evaluation.csv each.

    Args:
        environment: Of a run's configuration.
        held_out: Photographs.

    Returns:
        `AS_GIVEN` where pictures come distorted, or are trained on as they are. Else the levels, and single distortions
        too: an agent that is good on the levels may be one that has given up on these.
    """
    as_given = environment.get("degradation", "levels") is None or next(iter(held_out)).distorted is not None
    return (AS_GIVEN,) if as_given else (*LEVELS, SINGLES)


def mean_over(levels: Iterable[str], row: Mapping[str, float | str]) -> float:
    """The mean of some columns of evaluation.csv."""
    return float(np.mean([float(row[level]) for level in levels]))
