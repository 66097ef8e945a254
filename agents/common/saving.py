"""Learning algorithms on disk, as safetensors and JSON: reading their files runs no code, whoever wrote them."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv, TrainFreq
from stable_baselines3.common.utils import LinearSchedule, check_for_correct_spaces, get_system_info

from hirl_agents.common.buffers import append_rows, buffer_state, fill_buffer
from hirl_agents.networks import SUFFIX
from hirl_env.errors import first_line
from hirl_env.tensor_files import read_state, write_state
from hirl_env.weights import read_metadata

Self = TypeVar("Self", bound="SafelySaved")
NOT_STORED = {"self", "policy", "env", "device", "tensorboard_log", "_init_setup_model"}
MISFIT = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)  # what strange content leads to


def save_model(model: BaseAlgorithm, path: str | Path) -> None:
    """Writes what an algorithm has learned, its optimisers, and how far it is; not its replay buffer.

    Args:
        model: Model of any algorithm with Stable-Baselines3's interface.
        path: The file, which `fill_model` reads.
    """
    state = {"parameters": model.get_parameters(), "counters": _counters(model)}
    if isinstance(model, SafelySaved):
        write_state(path, state | {"model": model.arguments()}, algorithm=type(model).__name__)
    else:
        write_state(path, state)


def saved_algorithm(path: str | Path) -> str | None:
    """Name of the algorithm of this package whose model a file holds; None where it holds something else."""
    try:
        return read_metadata(path).get("algorithm")
    except ValueError:
        return None


def fill_model(model: BaseAlgorithm, path: str | Path) -> None:
    """Fills a model that was made with the same arguments with what `save_model` wrote.

    Raises:
        ValueError: If the file is missing, damaged, or of another model.
    """
    _fill(model, read_state(path), path)


def save_replay_buffer(model: OffPolicyAlgorithm, path: str | Path) -> None:
    """Writes the rows of a model's replay buffer that hold something."""
    assert model.replay_buffer is not None
    write_state(path, buffer_state(model.replay_buffer))


def fill_replay_buffer(model: OffPolicyAlgorithm, path: str | Path) -> None:
    """Fills the replay buffer of a model that was made with the same arguments with what `save_replay_buffer` wrote.

    Raises:
        ValueError: If the file is missing, damaged, or of another buffer.
    """
    _change_buffer(model, path, fill_buffer)


def append_replay_buffer(model: OffPolicyAlgorithm, path: str | Path) -> None:
    """Adds to a model's replay buffer what `save_replay_buffer` wrote of another one, of any size.

    Raises:
        ValueError: If the file is missing, damaged, or of another buffer, or holds more than there is room for.
    """
    _change_buffer(model, path, append_rows)


def _change_buffer(
    model: OffPolicyAlgorithm, path: str | Path, change: Callable[[ReplayBuffer, dict[str, Any]], None]
) -> None:
    """Changes a model's replay buffer by the state of one in a file."""
    assert model.replay_buffer is not None
    state = read_state(path)
    try:
        change(model.replay_buffer, state)
    except MISFIT as error:
        raise _misfit(path, model.replay_buffer, error) from None


class SafelySaved(OffPolicyAlgorithm):
    """An algorithm that is saved and loaded as those of Stable-Baselines3, but for their pickles."""

    max_steps: int  # of the environment's episodes

    def save(self, path: str | Path, exclude: Iterable[str] | None = None) -> None:  # type: ignore[override]
        """Writes the model.

        Args:
            path: The file; without a suffix it gets ``.safetensors``. A file that is open is refused.
            exclude: Without effect: the file holds only what a model is made of again, and no replay buffer.
        """
        save_model(self, _suffixed(path))

    @classmethod
    def load(  # type: ignore[override]
        cls: type[Self],
        path: str | Path,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **changed: Any,
    ) -> Self:
        """Reads a model that `save` wrote, which runs no code.

        Args:
            path: The file; without a suffix the one with ``.safetensors``, or the one with ``.zip``, which
                Stable-Baselines3's callbacks give it.
            env: Environment to go on in; None to act only.
            device: Device that the networks learn on.
            custom_objects: Constructor arguments that replace the stored ones; unknown names are ignored, as in
                Stable-Baselines3, because RL-Zoo gives the same to every algorithm.
            print_system_info: Whether to print the versions of what is installed here.
            force_reset: Without effect: a loaded model always begins with a reset of its environment.
            **changed: Arguments of the constructor that are to be others, or that no file holds: functions and classes.

        Raises:
            ValueError: If the file is missing, damaged, or of another algorithm, or lacks an argument.
        """
        given, path = path, _suffixed(path)
        if not path.exists() and not Path(given).suffix and path.with_suffix(".zip").exists():
            path = path.with_suffix(".zip")
        state = read_state(path)
        if print_system_info:
            get_system_info()
        replaced = {name: one for name, one in (custom_objects or {}).items() if name in _stored_arguments(cls)}
        changed = replaced | changed
        try:
            made = state["model"]
            if saved_algorithm(path) != cls.__name__:
                raise ValueError(f"it is of {saved_algorithm(path)}")
            lacking = sorted(set(made["lacking"]) - changed.keys())
            if lacking:
                raise ValueError(f"{', '.join(lacking)} cannot be stored; give load() the same")
            given = made["arguments"] | changed
            policy = given.pop("policy", cls.policy_aliases.get(made["policy"]))
            rate = given["learning_rate"]
            if isinstance(rate, dict):
                given["learning_rate"] = LinearSchedule(**rate)
            model = cls(policy, env, device=device, **given, _init_setup_model=False)  # type: ignore[arg-type, call-arg]
            model.max_steps = made["max_steps"]
            observations, actions = _space_from_json(made["observations"]), _space_from_json(made["actions"])
            if model.env is None:
                model.observation_space, model.action_space, model.n_envs = observations, actions, made["n_envs"]
            else:
                check_for_correct_spaces(model.env, observations, actions)
            model._setup_model()
        except MISFIT as error:
            raise _misfit(path, cls, error) from None
        _fill(model, state, path)
        return model

    def save_replay_buffer(self, path: str | Path) -> None:  # type: ignore[override]
        """Writes the replay buffer; without a suffix the file's is ``.safetensors``."""
        save_replay_buffer(self, _suffixed(path))

    def load_replay_buffer(self, path: str | Path) -> None:  # type: ignore[override]
        """Fills the replay buffer with one that was saved by a model of the same arguments, which runs no code."""
        fill_replay_buffer(self, _suffixed(path))

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments and the spaces, from which the model is made again, as JSON holds them."""
        given = {name: _plain(self.argument(name)) for name in sorted(_stored_arguments(type(self)))}
        aliases = {kind: alias for alias, kind in self.policy_aliases.items()}
        policy = aliases.get(self.policy_class)
        lacking = [name for name, value in given.items() if not _is_plain(value)]
        return {
            "policy": policy,
            "arguments": {name: value for name, value in given.items() if name not in lacking},
            "lacking": lacking if policy else [*lacking, "policy"],
            "observations": _space_as_json(self.observation_space),
            "actions": _space_as_json(self.action_space),
            "n_envs": self.n_envs,
            "max_steps": self.max_steps,
        }

    def argument(self, name: str) -> Any:
        """An argument of the constructor, as it takes it."""
        return self._stats_window_size if name == "stats_window_size" else getattr(self, name)


def _fill(model: BaseAlgorithm, state: dict[str, Any], path: str | Path) -> None:
    try:
        if state["parameters"].keys() != model.get_parameters().keys():
            raise ValueError(f"it has {', '.join(state['parameters'])}")
        model.set_parameters(state["parameters"], exact_match=True)
        for name, value in _counters(model).items():
            setattr(model, name, type(value)(state["counters"][name]))
    except MISFIT as error:
        raise _misfit(path, model, error) from None


def _counters(model: BaseAlgorithm) -> dict[str, float]:
    """How far a model is: its attributes that are numbers, and no arguments of its constructor."""
    others = {"n_envs", "max_steps", *model._excluded_save_params()}
    for kind in type(model).__mro__:
        others |= inspect.signature(kind.__init__).parameters.keys()  # type: ignore[misc]
    return {
        name: value
        for name, value in vars(model).items()
        if type(value) in (int, float) and not {name, name.removeprefix("_")} & others
    }


def _stored_arguments(kind: type) -> set[str]:
    """Names of a constructor's arguments that are stored, and of those that it passes on to the parent's."""
    names: set[str] = set()
    for each in kind.__mro__:
        if "__init__" in vars(each):
            parameters = inspect.signature(each.__init__).parameters  # type: ignore[misc]
            passed_on = {name for name, one in parameters.items() if one.kind == one.VAR_KEYWORD}
            names |= parameters.keys() - passed_on - NOT_STORED
            if not passed_on:
                break
    return names


def _plain(value: Any) -> Any:
    """An argument as numbers and texts, where it has such a form."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, TrainFreq):
        return value.frequency, value.unit.value
    if isinstance(value, LinearSchedule):
        return {"start": value.start, "end": value.end, "end_fraction": value.end_fraction}
    return value


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _space_as_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """A space of images or of actions as numbers and texts."""
    if isinstance(space, spaces.Box):
        return {"kind": "Box", "shape": space.shape}
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n)}
    assert isinstance(space, spaces.MultiDiscrete)
    return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist()}


def _space_from_json(sizes: dict[str, Any]) -> spaces.Space[Any]:
    if sizes["kind"] == "Box":
        return spaces.Box(0, 255, sizes["shape"], np.uint8)
    return spaces.Discrete(sizes["n"]) if sizes["kind"] == "Discrete" else spaces.MultiDiscrete(sizes["nvec"])


def _suffixed(path: str | Path) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"give the path of the file, not a {type(path).__name__}")
    path = Path(path)
    return path if path.suffix else path.with_suffix(SUFFIX)


def _misfit(path: str | Path, what: Any, error: Exception) -> ValueError:
    kind = what if isinstance(what, type) else type(what)
    return ValueError(f"{path}: not of such a {kind.__name__} ({first_line(error)})")
