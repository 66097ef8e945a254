"""The algorithms that `hirl train` knows, and their presets."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import docstring_parser
import torch
import tyro
import yaml
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from hirl_agents import HIRL, FlatDQN
from hirl_agents.hirl import HIRLPolicy
from hirl_agents.networks import CellValues, FlatQ, ResNet18Extractor, TwoLevelQ
from hirl_agents.rl_restore import RLRestore, RLRestoreAgent
from hirl_agents.rl_restore.policy import RLRestorePolicy

PLAIN = (bool, int, float, str)
# What the command sets itself, or what no shell can give.
NOT_OPTIONS = frozenset(
    [
        "self",
        "policy",
        "env",
        "policy_kwargs",
        "tensorboard_log",
        "verbose",
        "seed",
        "stats_window_size",
        "_init_setup_model",
        "images",
        "env_id",
        "flat",
        "observation_space",
        "action_space",
        "lr_schedule",
        "optimizer_class",
        "optimizer_kwargs",
        "acts_by_target",
    ]
)
AS_IN_PRESET = "preset"  # what an option is that was not given; None may be given


@dataclass(frozen=True)
class Algorithm:
    """What is needed to build an agent from options.

    Attributes:
        build: The Stable-Baselines3 algorithm.
        signature: Whose constructor says which options there are.
        network: Whose constructor says which options are the network's.
        env_id: The environment it acts in.
        policy: Name of its policy.
    """

    build: Callable[..., BaseAlgorithm]
    signature: Callable[..., Any]
    network: Callable[..., Any]
    env_id: str
    policy: str = "CnnPolicy"

    def make(self, env: Any, options: dict[str, Any], **others: Any) -> BaseAlgorithm:
        """The algorithm, its options shared out between constructor and network."""
        names = inspect.signature(self.network).parameters
        network = {name: value for name, value in options.items() if name in names}
        if self.network is ResNet18Extractor:
            network = {
                "features_extractor_class": ResNet18Extractor,
                "features_extractor_kwargs": network,
                "net_arch": [],
            }
        rest = {name: value for name, value in options.items() if name not in names}
        return self.build(self.policy, env, policy_kwargs=network, **rest, **others)

    @property
    def options(self) -> type:
        """A dataclass of the options, each "preset" for as in the preset."""
        return options_of(f"{self.build.__name__}Options", self.signature, self.network)

    def defaults(self) -> dict[str, Any]:
        """Every option with its default, as far as these are plain values."""
        return {
            name: parameter.default
            for name, parameter in _parameters(self.signature, self.network).items()
            if parameter.default is not inspect.Parameter.empty
        }


ALGORITHMS: dict[str, Algorithm] = {
    "hirl": Algorithm(HIRL, HIRL, HIRLPolicy, "HIRL-Restore-v0", "ResNetPolicy"),
    "flat-dqn": Algorithm(FlatDQN, DQN, ResNet18Extractor, "HIRL-RestoreFlat-v0"),
    "ppo": Algorithm(PPO, PPO, ResNet18Extractor, "HIRL-Restore-v0"),
    "rl-restore": Algorithm(RLRestore, RLRestore, RLRestorePolicy, "HIRL-RestoreFlat-v0", "RecurrentPolicy"),
}


def q_network(model: BaseAlgorithm, n_degrees: int) -> TwoLevelQ | FlatQ | None:
    """The network of an agent that has values, sharing its weights; None for one that has none."""
    if isinstance(model, HIRL):
        return model.policy.acting
    return model.q_network(n_degrees) if isinstance(model, FlatDQN) else None


def preferences(model: BaseAlgorithm) -> CellValues | RLRestoreAgent:
    """What an agent without cell values prefers, (N, types, degrees) for images (N, 3, H, W).

    Those of RL-Restore depend on the steps before; of others they are the log-probabilities of actions.
    """
    if isinstance(model, RLRestore):
        return RLRestoreAgent(model.policy.q, max_steps=model.max_steps)

    def log_probabilities(images: torch.Tensor) -> torch.Tensor:
        distribution = model.policy.get_distribution((images * 255).round().to(model.device, torch.uint8)).distribution  # type: ignore[operator]
        of_types, of_degrees = (part.logits for part in distribution)
        return torch.as_tensor(of_types[:, :, None] + of_degrees[:, None, :], device=images.device)

    return log_probabilities


def _parameters(*functions: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of several functions that a shell can give."""
    found: dict[str, inspect.Parameter] = {}
    for function in functions:
        for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
            if name not in NOT_OPTIONS and parameter.kind is not parameter.VAR_KEYWORD:
                plain = _plain(parameter.annotation)
                if plain is not None:
                    found.setdefault(name, parameter.replace(annotation=plain))
    return found


def _plain(annotation: Any) -> Any:
    """The part of an annotation that a shell can give: numbers, strings, choices; None where there is none."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in map(_plain, get_args(annotation)) if part is not None]
        if parts and types.NoneType in get_args(annotation):
            parts.append(None)
        return Union[tuple(parts)] if parts else None  # noqa: UP007
    return annotation if annotation in PLAIN or get_origin(annotation) is Literal else None


def options_of(name: str, *functions: Callable[..., Any]) -> type:
    """A dataclass with every plain parameter of some functions, each "preset" for as in the preset: None has a meaning.

    The help of its options is that of the functions' docstrings.
    """
    help_texts: dict[str, str] = {}
    for function in reversed(functions):
        documented = docstring_parser.parse(inspect.getdoc(function) or "").params
        help_texts |= {one.arg_name: one.description or "" for one in documented}
    fields: list[Any] = []
    for parameter in _parameters(*functions).values():
        text = " ".join(help_texts.get(parameter.name, "").split())
        option = Annotated[Union[parameter.annotation, Literal["preset"]], tyro.conf.arg(help=text)]  # type: ignore[name-defined]  # noqa: UP007
        fields.append((parameter.name, option, dataclasses.field(default=AS_IN_PRESET)))
    return dataclasses.make_dataclass(name, fields, frozen=True)


def given(options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in dataclasses.asdict(options).items() if value != AS_IN_PRESET}


def preset_names() -> list[str]:
    """Names of the presets that are shipped."""
    folder = files("hirl_experiments") / "configs"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if not file.name.startswith("sweep_"))


def load_preset(name: str) -> dict[str, Any]:
    """A preset: ``algo``, ``total_steps``, ``lr_schedule``, and options of ``environment`` and ``algorithm``.

    Where it has no ``every``, the default is meant.

    Raises:
        ValueError: If there is no such preset.
    """
    if name not in preset_names():
        raise ValueError(f"unknown preset {name!r}; known are: {', '.join(preset_names())}")
    preset: dict[str, Any] = yaml.safe_load((files("hirl_experiments") / "configs" / f"{name}.yaml").read_text())
    return preset
