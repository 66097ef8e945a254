"""The interface of learning algorithms to `hirl train`: options, and how a model is built, rolled out and saved."""

from __future__ import annotations

import dataclasses
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_type_hints

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv

from hirl_agents.agent import Agent
from hirl_agents.common.saving import SafelySaved
from hirl_agents.networks import FlatQ, TwoLevelQ
from hirl_env.files import atomic_write
from hirl_env.resnet import GROUPS
from hirl_env.tools.toolset import Toolset


@dataclass(frozen=True)
class Range:
    """The range of an option, declared beside its type: ``gamma: Annotated[float, Range(0, 1)]``.

    Attributes:
        least: Smallest value.
        most: Largest value; infinite for no bound.
        multiple_of: What it has to be a multiple of; None for nothing.
    """

    least: float
    most: float = math.inf
    multiple_of: int | None = None

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError if the value of an option lies outside."""
        if not self.least <= value <= self.most:
            bounds = f"be at least {self.least}" if self.most == math.inf else f"lie in {self.least} to {self.most}"
            raise ValueError(f"{name} must {bounds}, got {value}")
        if self.multiple_of and value % self.multiple_of:
            raise ValueError(f"{name} must be a multiple of {self.multiple_of}, got {value}")


Share = Annotated[float, Range(0, 1)]  # a probability, or a part of a whole
Amount = Annotated[int, Range(0)]  # a number of steps, of which there may be none
Count = Annotated[int, Range(1)]
Updates = Annotated[int, Range(-1)]  # a number in each training; -1 for as many as there were transitions
Width = Annotated[int, Range(GROUPS, multiple_of=GROUPS)]  # of a ResNet-18


@dataclass(frozen=True)
class AlgorithmConfig(ABC):
    """Options of an algorithm with Stable-Baselines3's interface, each with its default.

    A subclass is a frozen dataclass with more options, each with its `Range` if it has one, and builds the algorithm.
    Register it in `hirl_agents.registry.algorithms` to make it available to `hirl train`.

    Args:
        learning_rate: Learning rate at the beginning.
        device: Device that the networks learn on: auto, cpu, cuda, mps.

    Attributes:
        flat: Whether it acts by one integer (``HIRL-RestoreFlat-v0``) instead of (type, degree) pairs.
        stop_action: Whether it stops by an action of its own; otherwise it stops by its values.
    """

    learning_rate: float = 1e-3
    device: str = "auto"

    flat: ClassVar[bool] = False
    stop_action: ClassVar[bool] = False

    @property
    def environment(self) -> dict[str, Any]:
        """Arguments of `EnvConfig` that follow from the algorithm."""
        return {"flat": self.flat, "stop_action": self.stop_action, "full_feedback": False}

    def check(self) -> None:
        """Raises ValueError if an option is out of range, or options do not go together."""
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        for name, declared in self._ranges():
            declared.check(name, getattr(self, name))

    @classmethod
    def check_ranges(cls, model: BaseAlgorithm) -> None:
        """Raises ValueError if an option of a model is out of range."""
        for name, declared in cls._ranges():
            value = getattr(model, name, None)
            if isinstance(value, numbers.Real):  # it has some in another form, such as 4 episodes
                declared.check(name, value)

    @classmethod
    def _ranges(cls) -> Iterator[tuple[str, Range]]:
        """The options that have a range."""
        for name, kind in get_type_hints(cls, include_extras=True).items():
            for declared in getattr(kind, "__metadata__", ()):
                if isinstance(declared, Range):
                    yield name, declared

    @classmethod
    @abstractmethod
    def algorithm(cls) -> type[BaseAlgorithm]:
        """The class of the algorithm."""

    @abstractmethod
    def build(self, env: VecEnv, learning_rate: float | Schedule, seed: int) -> BaseAlgorithm:
        """An untrained model.

        Args:
            env: Environments to learn in.
            learning_rate: Learning rate, constant or a function of the share of the training that remains.
            seed: Seed of everything random.
        """

    def remarks(self, total_steps: int) -> Iterator[str]:
        """Remarks for the user on a training of that many environment steps, one sentence each."""
        yield from ()

    def q_network(self, model: Any, n_degrees: int) -> TwoLevelQ | FlatQ | None:
        """The network of an agent that stops by its values, sharing the model's weights; None for any other agent.

        Args:
            model: Model, as from `build`.
            n_degrees: Degrees of each type of the toolset.
        """
        return None

    def agent(self, model: Any, toolset: Toolset) -> Agent:
        """The agent of a model that has no `q_network`, sharing its weights."""
        from hirl_agents.policies import policy_agent  # imported here, to avoid a circular import

        return policy_agent(model.policy, toolset)

    def save(self, model: Any, toolset: Toolset, out: Path) -> Path:
        """Writes a model that has no `q_network` into a folder, for inference; returns the file.

        A model that saves itself as safetensors is written as ``best.safetensors``; any other as Stable-Baselines3's
        ``best.zip``, whose loading runs code that it holds.
        """
        if isinstance(model, SafelySaved):
            model.save(out / "best.safetensors")
            return out / "best.safetensors"
        path = out / "best.zip"
        with atomic_write(path) as file:
            model.save(file)
        return path

    def _options(self, *network: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Options of the algorithm's constructor, except the learning rate, and options of its network, by name."""
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del options["learning_rate"]
        return options, {name: options.pop(name) for name in network}


def learning_remarks(total_steps: int, learning_starts: int, exploration_steps: int = 0) -> Iterator[str]:
    """Remarks on a training that ends before it has learned or explored as intended.

    Args:
        total_steps: Number of environment steps of the training.
        learning_starts: Number of steps before the first update.
        exploration_steps: Number of steps over which exploration falls.
    """
    if total_steps <= learning_starts:
        yield f"{total_steps} steps are no more than learning_starts, {learning_starts}: nothing will be learned"
    if total_steps < exploration_steps:
        yield f"{total_steps} steps end before exploration has fallen: exploration_steps is {exploration_steps}"
