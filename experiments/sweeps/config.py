"""Sweep configurations in the format of Weights & Biases: the parameters, and the settings that result from them.

The format: https://docs.wandb.ai/models/sweeps/sweep-config-keys
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hirl_env.data.degradations import degradations
from hirl_experiments.distributed import import_ray
from hirl_experiments.training.validation import AS_GIVEN

# Entries on how W&B starts a run, and where it keeps the sweep, have no meaning here, because Ray does that.
IGNORED = ("program", "command", "description", "project", "entity")
KEYS = ("name", "method", "metric", "parameters", "run_cap", "early_terminate", *IGNORED)
METHODS = ("grid", "random")
# Columns of evaluation.csv that are measured, not chosen.
METRICS = tuple(f"evaluation/{column}" for column in ("gain", *degradations.names(), AS_GIVEN, "trials"))


def _exponential(exponent: float) -> float:
    """The bound of W&B's log_uniform, whose arguments are exponents."""
    try:
        return math.exp(exponent)
    except OverflowError:
        raise ValueError(
            f"log_uniform takes exponents, and exp({exponent:g}) is too large; take log_uniform_values for bounds "
            "themselves"
        ) from None


# Functions of ray.tune and their arguments, by W&B's name and its arguments.
DISTRIBUTIONS: dict[str, Callable[..., tuple[str, float, float]]] = {
    "uniform": lambda min, max: ("uniform", min, max),
    "int_uniform": lambda min, max: ("randint", min, max + 1),
    "log_uniform": lambda min, max: ("loguniform", _exponential(min), _exponential(max)),
    "log_uniform_values": lambda min, max: ("loguniform", min, max),
    "normal": lambda mu=0.0, sigma=1.0: ("randn", mu, sigma),
}
QUANTIZED = ("uniform", "log_uniform_values", "normal")  # a "q_" before the name rounds to multiples of q

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Parameter:
    """The possible values of one option of a run: a list of values, or a distribution of numbers.

    Attributes:
        values: Values to choose from; empty for a distribution without a finite list.
        distribution: Function of ``ray.tune`` that makes the distribution, and its arguments; None for values alone.
    """

    values: Sequence[Value] = ()
    distribution: tuple[str, tuple[float, ...]] | None = None

    def space(self, method: str) -> Any:
        """The parameter in the form that Ray Tune's searchers take.

        Args:
            method: Method of the sweep.
        """
        tune = import_ray("ray.tune", "sweep")
        if method == "grid":
            return tune.grid_search(list(self.values))
        if self.distribution is None:
            return tune.choice(list(self.values))
        function, arguments = self.distribution
        return getattr(tune, function)(*arguments)

    def without_noise(self, value: Value) -> Value:
        """A drawn value without floating-point noise, so that 0.30000000000000004 becomes 0.3."""
        return _rounded(value) if self.distribution is not None and isinstance(value, float) else value


@dataclass(frozen=True)
class EarlyStopping:
    """The rule that stops runs that lag behind: asynchronous successive halving, Ray's ASHA.

    A run continues past its evaluations ``min_iter``, ``min_iter * eta``, ``min_iter * eta**2``, ... if it is among the
    best 1 in ``eta`` of the runs that have come as far.

    Attributes:
        min_iter: Number of evaluations before the first comparison, not counting that of the untrained agent.
        eta: Factor between one comparison and the next.
    """

    min_iter: int
    eta: float = 3


@dataclass(frozen=True)
class SweepConfig:
    """The configuration of a sweep.

    Attributes:
        name: Name of the sweep.
        method: Method, ``grid`` or ``random``.
        parameters: Parameters by the options of ``hirl train`` (``algorithm.gamma``).
        metric: Column of evaluation.csv that settings are ranked by.
        maximize: Whether larger values are better.
        run_cap: Largest number of settings to try.
        early_stopping: Rule that stops runs before their end; None for none.
    """

    name: str
    method: str
    parameters: dict[str, Parameter]
    metric: str
    maximize: bool
    run_cap: int | None
    early_stopping: EarlyStopping | None = None

    def settings(self, seed: int) -> list[dict[str, Value]]:
        """The options of each setting: every combination, or ``run_cap`` draws.

        Args:
            seed: Seed of the draws.

        Raises:
            ImportError: If Ray Tune is not installed.
        """
        variants = import_ray("ray.tune.search.variant_generator", "sweep").generate_variants
        space = {name: parameter.space(self.method) for name, parameter in self.parameters.items()}
        random_state = np.random.RandomState(seed)
        searches = range(self.run_cap or 0) if self.method == "random" else range(1)
        found = (setting for _ in searches for _, setting in variants(space, random_state=random_state))
        return [
            {name: self.parameters[name].without_noise(value) for name, value in setting.items()}
            for setting in islice(found, self.run_cap)
        ]

    def labels(self, settings: Sequence[dict[str, Value]]) -> list[str]:
        """Labels that distinguish settings from each other; settings that are equal have the same."""
        distinct = len({tuple(setting.items()) for setting in settings})
        for digits in range(4, 18):
            labels = [self._label(setting, digits) for setting in settings]
            if len(set(labels)) == distinct:
                break
        return labels

    def _label(self, setting: dict[str, Value], digits: int) -> str:
        varied = {
            # Drawn values have sixteen digits; listed ones are as they were given.
            name: f"{value:.{digits}g}" if isinstance(value, float) and not self.parameters[name].values else value
            for name, value in setting.items()
            if len(self.parameters[name].values) != 1
        }
        return " ".join(f"{name}={value}" for name, value in varied.items()) or self.name


def read_sweep_config(path: Path) -> SweepConfig:
    """Reads a sweep configuration in the format of ``wandb sweep``.

    Args:
        path: YAML file.

    Raises:
        ValueError: If it is not a sweep configuration, or uses a feature that only W&B's own sweeps have; names the
            file and the entry.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: no sweep configuration ({' '.join(str(error).split())})") from None
    try:
        return _sweep_config(content, path.stem.removeprefix("sweep_"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _sweep_config(content: Any, name: str) -> SweepConfig:
    if not isinstance(content, dict):
        raise ValueError("a sweep configuration has entries such as method and parameters")
    unknown = [str(key) for key in content if key not in KEYS]
    if unknown:
        raise ValueError(f"{unknown[0]} is not supported; supported are: {', '.join(KEYS)}")
    method = content.get("method")
    if method not in METHODS:
        raise ValueError(f"method: {method} is not supported; supported are: {', '.join(METHODS)}")
    if not isinstance(content.get("parameters"), dict) or not content["parameters"]:
        raise ValueError("parameters is missing: name the options of hirl train to vary")
    parameters = dict(_parameters(content["parameters"]))
    run_cap = content.get("run_cap")
    if run_cap is not None and not (type(run_cap) is int and run_cap >= 1):
        raise ValueError(f"run_cap must be an integer of at least 1, got {run_cap!r}")
    if method == "random" and run_cap is None:
        raise ValueError("method: random needs run_cap, the number of settings to draw")
    if method == "grid":
        for option, parameter in parameters.items():
            if not parameter.values:
                raise ValueError(
                    f"parameter {option}: method: grid needs value, values, or the distribution int_uniform or "
                    "q_uniform; take method: random for others"
                )
    metric, maximize = _metric(content.get("metric", {"name": METRICS[0], "goal": "maximize"}))
    early_stopping = _early_stopping(content["early_terminate"]) if "early_terminate" in content else None
    return SweepConfig(str(content.get("name", name)), method, parameters, metric, maximize, run_cap, early_stopping)


def _metric(content: Any) -> tuple[str, bool]:
    """Name of the column, and whether more is better."""
    if not isinstance(content, dict) or set(content) - {"name", "goal"}:
        raise ValueError("metric has a name and a goal, and nothing else is supported")
    name, goal = content.get("name"), content.get("goal", "minimize")
    if name not in METRICS:
        raise ValueError(f"metric: {name} is not measured; choose from {', '.join(METRICS)}")
    if goal not in ("maximize", "minimize"):
        raise ValueError(f"metric: the goal is maximize or minimize, not {goal!r}")
    return name.removeprefix("evaluation/"), goal == "maximize"


def _early_stopping(content: Any) -> EarlyStopping:
    if not isinstance(content, dict) or content.get("type") != "hyperband":
        raise ValueError("early_terminate: its type must be hyperband")
    given = {key: value for key, value in content.items() if key != "type"}
    for key in given:
        if key not in ("min_iter", "eta"):
            raise ValueError(f"early_terminate: {key} is not supported; supported are: type, min_iter, eta")
    try:
        _numbers(given)
    except ValueError as error:
        raise ValueError(f"early_terminate: {error}") from None
    if type(given.get("min_iter")) is not int or given["min_iter"] < 1:
        raise ValueError("early_terminate: min_iter is missing: an integer of at least 1, a number of evaluations")
    if given.get("eta", EarlyStopping.eta) <= 1:
        raise ValueError(f"early_terminate: eta must be above 1, got {given['eta']}")
    return EarlyStopping(**given)


def _parameters(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    """Parameters by their options; nested ones (``env: {parameters: {reward: ...}}``) have dots (``env.reward``)."""
    for key, entry in content.items():
        option = f"{prefix}{key}"
        if not isinstance(entry, dict):
            raise ValueError(f"parameter {option}: say value, values, or min and max, not {entry!r}")
        if set(entry) == {"parameters"} and isinstance(entry["parameters"], dict):
            yield from _parameters(entry["parameters"], f"{option}.")
        else:
            try:
                yield option, _parameter(dict(entry))
            except ValueError as error:
                raise ValueError(f"parameter {option}: {error}") from None


def _parameter(entry: dict[str, Any]) -> Parameter:
    name = entry.pop("distribution", None)
    if "value" in entry and name in (None, "constant"):
        return Parameter(_values([entry.pop("value")], entry))
    if "values" in entry and name in (None, "categorical"):
        return Parameter(_values(entry.pop("values"), entry))
    if name is None and {"min", "max"} <= set(entry):
        name = "int_uniform" if all(type(entry[bound]) is int for bound in ("min", "max")) else "uniform"
    return _distribution(name, entry)


def _values(values: Any, others: dict[str, Any]) -> tuple[Value, ...]:
    if others:
        raise ValueError(f"{next(iter(others))} does not go with value or values")
    if not isinstance(values, list) or not values:
        raise ValueError("values must be a list of at least one")
    for value in values:
        if value is not None and not isinstance(value, bool | int | float | str):
            raise ValueError(f"a value is a number, a word, true, false or null, not {value!r}")
    return tuple(values)


def _distribution(name: Any, entry: dict[str, Any]) -> Parameter:
    plain = str(name).removeprefix("q_")
    quantized = plain != name
    if name is None or plain not in DISTRIBUTIONS or (quantized and plain not in QUANTIZED):
        known = [*DISTRIBUTIONS, *(f"q_{one}" for one in QUANTIZED)]
        raise ValueError(f"say value, values, min and max, or a distribution of {', '.join(known)}; got {name}")
    _numbers(entry)
    q = entry.pop("q", 1) if quantized else None
    _check_range(name, entry, q)
    try:
        function, *arguments = DISTRIBUTIONS[plain](**entry)
    except TypeError:
        raise ValueError(f"{name} does not go with {', '.join(sorted(entry)) or 'nothing'}") from None
    if q is None:
        values = range(entry["min"], entry["max"] + 1) if name == "int_uniform" else ()
        return Parameter(values, (function, tuple(arguments)))
    steps: tuple[float, ...] = ()
    if name == "q_uniform":
        count = round((entry["max"] - entry["min"]) / q)
        steps = tuple(_rounded(entry["min"] + step * q) for step in range(count + 1))
    return Parameter(steps, (f"q{function}", (*arguments, q)))


def _check_range(name: str, entry: dict[str, Any], q: float | None) -> None:
    bounds = {bound: entry[bound] for bound in ("min", "max") if bound in entry}
    if q is not None and q <= 0:
        raise ValueError(f"q must be above 0, got {q}")
    if name == "int_uniform" and any(type(bound) is not int for bound in bounds.values()):
        raise ValueError("int_uniform is between integers")
    if len(bounds) == 2 and bounds["min"] >= bounds["max"]:
        raise ValueError(f"min must be below max, got {bounds['min']} and {bounds['max']}")
    if name.endswith("_values") and bounds.get("min", 1) <= 0:
        raise ValueError(f"{name} is of numbers above 0, got min {bounds['min']}")
    if entry.get("sigma", 1) <= 0:
        raise ValueError(f"sigma must be above 0, got {entry['sigma']}")
    for which, bound in bounds.items():
        if q is not None and not math.isclose(bound / q, round(bound / q)):
            raise ValueError(f"{which} must be a multiple of q, {q}, got {bound}")


def _numbers(entry: dict[Any, Any]) -> None:
    """Checks that all values are numbers, and converts those that YAML reads as text, such as 1e-4."""
    for key, given in entry.items():
        if isinstance(given, str):
            with contextlib.suppress(ValueError):
                entry[key] = float(given)
        value = entry[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{key} must be a number, got {value!r}")


def _rounded(number: float) -> float:
    """A number without floating-point noise; integers are unchanged."""
    return number if isinstance(number, int) else float(f"{number:.12g}")
