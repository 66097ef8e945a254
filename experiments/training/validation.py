"""Validation of an agent in training: gains on crops of validation photographs, the same every time."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm

from hirl_agents.agent import Agent, q_agent
from hirl_agents.calibration import full_paths, stop_margins
from hirl_agents.networks import FlatQ, TwoLevelQ
from hirl_agents.rollout import rollout
from hirl_env.config import MAX_STEPS, EnvConfig
from hirl_env.data.degradations import LEVELS, SINGLES
from hirl_env.data.images import to_pixels
from hirl_env.data.photographs import Photographs
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets
from hirl_experiments.evaluation.sampling import batches, begin, evaluation_samples
from hirl_experiments.training.config import TrainConfig

EVALUATION_SEED, MARGINS_SEED = 2_000_003, 1_000_003  # the same crops for every run, so that curves compare
CROPS = 4  # per photograph, because a stop margin for each tool needs some hundred pictures
SHOWN = 4  # pictures before and after, per level
AS_GIVEN = "as given"  # the only level of photographs that come distorted
NOT_LEVELS = ("step", "gain", "trials", "margin")  # all other columns of evaluation.csv are gains, one per level
OF_THE_PAPER = ("levels", "mixture")  # degradations that are made of what every agent is evaluated on


@dataclass(frozen=True, eq=False)
class Validated:
    """The result of a validation.

    Attributes:
        gains: Mean sum of rewards by level.
        trials: Mean number of tools used.
        network: The Q-network with its stop margin; None for an agent that does not stop by values.
        pictures: Some of the crops before and after, uint8 (H, W, 3).
    """

    gains: dict[str, float]
    trials: float
    network: TwoLevelQ | FlatQ | None
    pictures: npt.NDArray[np.uint8]


class Validation:
    """Crops of photographs to measure agents on while they learn.

    Args:
        config: Configuration of the run.
        photographs: Validation photographs.

    Attributes:
        toolset: The tools.
    """

    def __init__(self, config: TrainConfig, photographs: Photographs) -> None:
        self.algorithm, self.env = config.algorithm, config.environment
        self.toolset = toolsets.resolve(self.env.toolset).to(self.env.device)
        # Paths are as long as in training, because values of longer ones are unreliable.
        self.max_steps = self.env.max_steps or MAX_STEPS
        levels = evaluated_levels(self.env, photographs)
        self._measured_on = {level: self._crops(photographs, level, EVALUATION_SEED) for level in levels}
        # Margins are calibrated on other crops than the ones they are evaluated on.
        self._found_on = [batch for level in levels for batch in self._crops(photographs, level, MARGINS_SEED)]

    def measure(self, model: BaseAlgorithm) -> Validated:
        """Measures the gains of the current model's agent."""
        network = self.algorithm.q_network(model, self.toolset.n_degrees)
        if network is None:
            return self._measured(self.algorithm.agent(model, self.toolset), None)
        network = copy.deepcopy(network).to(self.toolset.device)
        paths = full_paths(self._found_on, q_agent(network), self.max_steps)
        margins = stop_margins(paths, network.sees_tool)
        network = network.with_stop_margin(margins)
        return self._measured(q_agent(network), network)

    def _measured(self, agent: Agent, network: TwoLevelQ | FlatQ | None) -> Validated:
        gains, trials, strips = {}, [], []
        for level, batches_of_level in self._measured_on.items():
            found = []
            for start in batches_of_level:
                result = rollout(start, agent, self.max_steps)
                found.append(start.worth(result.state) - start.worth(start.state))
                trials.append(result.trials)
                if len(found) == 1:
                    for images in (start.state.images, result.state.images):
                        strips.append(np.concatenate(list(to_pixels(images[:SHOWN])), axis=1))
            gains[level] = float(np.concatenate(found).mean())
        return Validated(gains, float(np.concatenate(trials).mean()), network, np.concatenate(strips))

    def _crops(self, photographs: Photographs, level: str, seed: int) -> list[Restoration]:
        """Crops, degraded, in batches."""
        name = None if level == AS_GIVEN else level
        samples = evaluation_samples(photographs, name, self.env.crop_size, CROPS, seed)
        return [begin(batch, self.toolset, self.env.precision, self.env.reward) for batch in batches(samples)]


def evaluated_levels(env: EnvConfig, photographs: Photographs) -> tuple[str, ...]:
    """The degradations that agents are evaluated on, each a column of evaluation.csv.

    Returns:
        `AS_GIVEN` if pictures come distorted, or are trained on as they are. Otherwise the levels, and single
        distortions as well, because an agent that is good on the levels may fail on these; and the degradation of the
        training if it is another one.
    """
    if env.degradation is None or next(iter(photographs)).distorted is not None:
        return (AS_GIVEN,)
    usual = (*LEVELS, SINGLES)
    own = str(env.degradation)
    return usual if own in (*usual, *OF_THE_PAPER) else (*usual, own)


def mean_over(levels: Iterable[str], row: Mapping[str, float | str]) -> float:
    """The mean of some columns of evaluation.csv."""
    return float(np.mean([float(row[level]) for level in levels]))
