"""Sweep configurations in the format of Weights & Biases: what is varied, and the settings that come of it.

The format: https://docs.wandb.ai/models/sweeps/sweep-config-keys
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from hirl_env.data.degradations import LEVELS, SINGLES
from hirl_experiments.training.validation import AS_GIVEN

# What says how W&B starts a run, and where it keeps the sweep, has no meaning here, where Ray does.
IGNORED = ("program", "command", "description", "project", "entity")
KEYS = ("name", "method", "metric", "parameters", "run_cap", *IGNORED)
METHODS = ("grid", "random")
# Columns of evaluation.csv that are measured, not chosen.
METRICS = tuple(f"evaluation/{column}" for column in ("gain", *LEVELS, SINGLES, AS_GIVEN, "trials"))

# Of scipy, by W&B's name and its arguments; a "q_" before the name rounds to multiples of q.
DISTRIBUTIONS: dict[str, Callable[..., Any]] = {
    "uniform": lambda min, max: stats.uniform(min, max - min),
    "int_uniform": lambda min, max: stats.randint(min, max + 1),
    "log_uniform": lambda min, max: stats.loguniform(math.exp(min), math.exp(max)),
    "log_uniform_values": lambda min, max: stats.loguniform(a=min, b=max),
    "inv_log_uniform": lambda min, max: stats.loguniform(math.exp(-max), math.exp(-min)),
    "inv_log_uniform_values": lambda min, max: stats.loguniform(a=min, b=max),
    "normal": lambda mu=0.0, sigma=1.0: stats.norm(mu, sigma),
    "log_normal": lambda mu=0.0, sigma=1.0: stats.lognorm(s=sigma, scale=math.exp(mu)),
    "beta": stats.beta,
}
QUANTIZED = ("uniform", "log_uniform", "log_uniform_values", "normal", "log_normal", "beta")

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Parameter:
    """What one option of a run may be: one of some values, or a number of a distribution.

    Attributes:
        values: Values to choose from; empty for a distribution that has no end of them.
        probabilities: Probabilities of the values; None for all alike.
        distribution: Distribution of scipy.
        q: Number that drawn numbers are multiples of; None for numbers as drawn.
    """

    values: tuple[Value, ...] = ()
    probabilities: tuple[float, ...] | None = None
    distribution: Any = None
    q: float | None = None

    def draw(self, rng: np.random.Generator) -> Value:
        """A value at random."""
        if self.distribution is None:
            return self.values[rng.choice(len(self.values), p=self.probabilities)]
        drawn = self.distribution.rvs(random_state=rng)
        number = drawn.item() if isinstance(drawn, np.generic) else drawn
        return number if self.q is None else _rounded(round(number / self.q) * self.q, self.q)


@dataclass(frozen=True)
class SweepConfig:
    """What a sweep varies.

    Attributes:
        name: Name of the sweep.
        method: Method, ``grid`` or ``random``.
        parameters: Parameters by the options of ``hirl train`` (``algorithm.gamma``).
        metric: Column of evaluation.csv that settings are ranked by.
        maximize: Whether more of it is better.
        run_cap: Largest number of settings to try.
    """

    name: str
    method: str
    parameters: dict[str, Parameter]
    metric: str
    maximize: bool
    run_cap: int | None

    def settings(self, seed: int) -> list[dict[str, Value]]:
        """The options of each setting: every combination, or ``run_cap`` draws.

        Args:
            seed: Seed of the draws.
        """
        if self.method == "random":
            rng = np.random.default_rng(seed)
            assert self.run_cap is not None
            return [{name: one.draw(rng) for name, one in self.parameters.items()} for _ in range(self.run_cap)]
        every = itertools.product(*(parameter.values for parameter in self.parameters.values()))
        return [dict(zip(self.parameters, values, strict=True)) for values in itertools.islice(every, self.run_cap)]

    def label(self, setting: dict[str, Value]) -> str:
        """What distinguishes a setting from the others."""
        drawn = self.method == "random"  # with sixteen digits; of a grid, values are as they were given
        varied = {
            name: f"{value:.4g}" if drawn and isinstance(value, float) else value
            for name, value in setting.items()
            if len(self.parameters[name].values) != 1
        }
        return " ".join(f"{name}={value}" for name, value in varied.items()) or self.name


def read_sweep_config(path: Path) -> SweepConfig:
    """Reads what ``wandb sweep`` takes.

    Args:
        path: YAML file.

    Raises:
        ValueError: If it is no sweep configuration, or asks for what only W&B's own sweeps can do; names the file and
            the entry.
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
    if "early_terminate" in content:
        raise ValueError("early_terminate is not supported: every run is trained to its end; leave it out")
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
            if not parameter.values or parameter.probabilities is not None:
                raise ValueError(
                    f"parameter {option}: method: grid needs value, values, or the distribution int_uniform or "
                    "q_uniform; take method: random for others"
                )
    metric, maximize = _metric(content.get("metric", {"name": METRICS[0], "goal": "maximize"}))
    return SweepConfig(str(content.get("name", name)), method, parameters, metric, maximize, run_cap)


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
    if "values" in entry and name in (None, "categorical", "categorical_w_probabilities"):
        probabilities = entry.pop("probabilities", None)
        values = _values(entry.pop("values"), entry)
        if probabilities is None:
            return Parameter(values)
        if not isinstance(probabilities, list):
            raise ValueError(f"probabilities must be a list, one for each value, got {probabilities!r}")
        numbers = {f"probability {number}": value for number, value in enumerate(probabilities, 1)}
        _numbers(numbers)
        probabilities = [*numbers.values()]
        if len(probabilities) != len(values) or min(probabilities) < 0 or not np.isclose(sum(probabilities), 1):
            raise ValueError(f"probabilities must be one for each value and sum to 1, got {probabilities}")
        return Parameter(values, tuple(np.divide(probabilities, sum(probabilities)).tolist()))
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
    if q is not None and q <= 0:
        raise ValueError(f"q must be above 0, got {q}")
    if plain == "int_uniform" and any(type(entry.get(bound, 0)) is not int for bound in ("min", "max")):
        raise ValueError("int_uniform is between integers")
    if "min" in entry and "max" in entry and entry["min"] >= entry["max"]:
        raise ValueError(f"min must be below max, got {entry['min']} and {entry['max']}")
    if plain.endswith("_values") and entry.get("min", 1) <= 0:
        raise ValueError(f"{name} is of numbers above 0, got min {entry['min']}")
    if any(entry.get(scale, 1) <= 0 for scale in ("sigma", "a", "b")):
        raise ValueError("sigma, a and b must be above 0")
    try:
        distribution = DISTRIBUTIONS[plain](**entry)
    except TypeError:
        raise ValueError(f"{name} does not go with {', '.join(sorted(entry)) or 'nothing'}") from None
    values: tuple[Value, ...] = ()
    if plain == "int_uniform":
        values = tuple(range(entry["min"], entry["max"] + 1))
    elif name == "q_uniform" and q is not None:
        count = int((entry["max"] - entry["min"]) / q + 1e-9)
        values = tuple(_rounded(entry["min"] + step * q, entry["min"], q) for step in range(count + 1))
    return Parameter(values, distribution=distribution, q=q)


def _numbers(entry: dict[Any, Any]) -> None:
    """Checks that all values are numbers, and makes them so where YAML reads text: 1e-4 is, 1.0e-4 is not."""
    for key, given in entry.items():
        if isinstance(given, str):
            with contextlib.suppress(ValueError):
                entry[key] = float(given)
        value = entry[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{key} must be a number, got {value!r}")


def _rounded(number: float, *parts: float) -> int | float:
    """A number without the noise of binary fractions; an integer where the parts it was made of are."""
    return round(number) if all(float(part).is_integer() for part in parts) else float(f"{number:.12g}")
