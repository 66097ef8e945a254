"""W&B's sweep configurations: what is read from them, and what is refused."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

import hirl_experiments
from hirl_experiments.sweeps.config import EarlyStopping, SweepConfig, read_sweep_config
from hirl_experiments.sweeps.plan import train_settings

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray Tune is not installed")


X = {"x": {"values": [1, 2]}}
HYPERBAND = {"type": "hyperband", "min_iter": 2}


@pytest.fixture
def read(tmp_path):
    def write_and_read(content) -> SweepConfig:
        path = tmp_path / "sweep_mine.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return read_sweep_config(path)

    return write_and_read


def random(read, parameter: dict, count: int = 200) -> list:
    config = read({"method": "random", "run_cap": count, "parameters": {"x": parameter}})
    return [setting["x"] for setting in config.settings(0)]


def grid(read, parameter: dict) -> list:
    return [setting["x"] for setting in read({"method": "grid", "parameters": {"x": parameter}}).settings(0)]


@needs_ray
def test_a_grid_is_every_combination(read):
    config = read(
        """
        program: train.py
        command: [hirl, train, "${args}"]
        name: two by two
        method: grid
        metric: {name: evaluation/severe, goal: maximize}
        parameters:
          algo: {value: hirl}
          hirl:
            parameters:
              gamma: {values: [0.5, 0.9]}
          total-steps: {min: 1, max: 3}
        """
    )
    settings = config.settings(0)
    assert settings[0] == {"algo": "hirl", "hirl.gamma": 0.5, "total-steps": 1}
    assert len(settings) == 6 == len({tuple(one.values()) for one in settings})
    assert config.labels(settings)[0] == "hirl.gamma=0.5 total-steps=1"
    assert (config.name, config.metric, config.maximize) == ("two by two", "severe", True)


@needs_ray
def test_defaults(read):
    config = read({"method": "grid", "run_cap": 2, "parameters": {"x": {"values": [1, 2, 3]}}})
    assert (config.name, config.metric, config.maximize) == ("mine", "gain", True)
    assert [one["x"] for one in config.settings(0)] == [1, 2]


@needs_ray
def test_settings_of_a_grid_are_told_apart_whatever_their_digits(read):
    config = read({"method": "grid", "parameters": {"x": {"values": [0.99995, 1.0]}}})
    assert config.labels(config.settings(0)) == ["x=0.99995", "x=1.0"]


@needs_ray
def test_drawn_settings_that_are_nearly_the_same_are_told_apart(read):
    gamma = {"distribution": "uniform", "min": 0.99, "max": 0.9901}
    config = read({"method": "random", "run_cap": 30, "parameters": {"x": gamma}})
    assert len(set(config.labels(config.settings(0)))) == 30


def test_bounds_where_exponents_are_meant(read):
    parameters = {"x": {"distribution": "log_uniform", "min": 1, "max": 1000}}
    with pytest.raises(ValueError, match=r"parameter x: .* take log_uniform_values for bounds themselves"):
        read({"method": "random", "run_cap": 1, "parameters": parameters})


@needs_ray
def test_a_range_of_many_integers_is_not_listed(read):
    config = read({"method": "random", "run_cap": 3, "parameters": {"x": {"min": 1, "max": 10**12}}})
    assert all(1 <= one["x"] <= 10**12 for one in config.settings(0))


@needs_ray
def test_one_setting_is_called_as_the_sweep(read):
    config = read({"method": "grid", "parameters": {"x": {"value": 1}}})
    assert config.labels(config.settings(0)) == ["mine"]


def test_a_goal_unsaid_is_to_minimize_as_in_wandb(read):
    metric = {"name": "evaluation/singles"}
    assert not read({"method": "grid", "metric": metric, "parameters": {"x": {"value": 1}}}).maximize


@needs_ray
def test_random_settings_repeat_from_a_seed(read):
    config = read({"method": "random", "run_cap": 5, "parameters": {"x": {"min": 0.0, "max": 1.0}}})
    assert config.settings(3) == config.settings(3) != config.settings(4)
    assert len(config.settings(3)) == 5


@needs_ray
@pytest.mark.parametrize(
    ("parameter", "low", "high", "kind"),
    [
        ({"min": 1, "max": 4}, 1, 4, int),
        ({"min": 1, "max": 4.0}, 1, 4, float),
        ({"distribution": "uniform", "min": 1, "max": 4}, 1, 4, float),
        ({"distribution": "int_uniform", "min": -2, "max": 2}, -2, 2, int),
        ({"distribution": "log_uniform", "min": -5, "max": -1}, np.exp(-5), np.exp(-1), float),
        ({"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}, 1e-4, 1e-2, float),
        ({"distribution": "log_uniform_values", "min": "1e-4", "max": "1e-2"}, 1e-4, 1e-2, float),
        ({"distribution": "q_uniform", "min": 16, "max": 64, "q": 16}, 16, 64, float),
        ({"distribution": "q_uniform", "min": 0.0, "max": 0.3, "q": 0.1}, 0, 0.3, float),
        ({"distribution": "q_log_uniform_values", "min": 8, "max": 512}, 8, 512, float),
    ],
)
def test_bounded_distributions(parameter, low, high, kind, read):
    drawn = random(read, parameter)
    assert all(type(value) is kind and low <= value <= high for value in drawn)
    assert min(drawn) < low + (high - low) * 0.3 < high - (high - low) * 0.45 < max(drawn)
    q = parameter.get("q")
    if q is not None:
        assert all(abs(value / q - round(value / q)) < 1e-9 for value in drawn)


@needs_ray
def test_normal_distributions(read):
    assert np.mean(random(read, {"distribution": "normal", "mu": 5, "sigma": 0.1})) == pytest.approx(5, abs=0.05)
    assert set(random(read, {"distribution": "q_normal", "q": 100})) == {0}


@needs_ray
def test_log_uniform_is_even_over_magnitudes(read):
    drawn = np.array(random(read, {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}, 1000))
    assert np.mean(drawn < 1e-3) == pytest.approx(0.5, abs=0.05)


@needs_ray
def test_values_are_drawn_alike(read):
    drawn = random(read, {"values": ["a", True, None]})
    assert all(0.2 < drawn.count(value) / len(drawn) < 0.5 for value in ("a", True, None))


def test_early_termination_is_of_evaluations(read):
    content = {"method": "grid", "parameters": X}
    assert read(content).early_stopping is None
    assert read(content | {"early_terminate": HYPERBAND}).early_stopping == EarlyStopping(min_iter=2, eta=3)
    assert read(content | {"early_terminate": HYPERBAND | {"eta": 2}}).early_stopping == EarlyStopping(2, 2)


@needs_ray
def test_a_grid_over_distributions_that_are_steps(read):
    assert grid(read, {"distribution": "q_uniform", "min": 0.1, "max": 0.4, "q": 0.1}) == [0.1, 0.2, 0.3, 0.4]
    assert grid(read, {"distribution": "q_uniform", "min": 16, "max": 48, "q": 16}) == [16, 32, 48]
    assert grid(read, {"min": 2, "max": 4}) == [2, 3, 4]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[", "no sweep configuration"),
        ("just a line", "a sweep configuration has entries"),
        ({"method": "bayes", "parameters": X}, "method: bayes is not supported; supported are: grid, random"),
        ({"parameters": X}, "method: None is not supported"),
        ({"method": "grid", "parameters": X, "early_terminate": "hyperband"}, "early_terminate: its type must be hyp"),
        ({"method": "grid", "parameters": X, "early_terminate": {"type": "median"}}, "its type must be hyperband"),
        ({"method": "grid", "parameters": X, "early_terminate": {"type": "hyperband"}}, "min_iter is missing"),
        ({"method": "grid", "parameters": X, "early_terminate": HYPERBAND | {"min_iter": 0.5}}, "min_iter is missing"),
        ({"method": "grid", "parameters": X, "early_terminate": HYPERBAND | {"eta": 1}}, "eta must be above 1, got 1"),
        ({"method": "grid", "parameters": X, "early_terminate": HYPERBAND | {"eta": "x"}}, "eta must be a number"),
        ({"method": "grid", "parameters": X, "early_terminate": HYPERBAND | {"s": 2}}, "s is not supported; supported"),
        ({"method": "grid", "parameters": X, "controller": "local"}, "controller is not supported"),
        ({"method": "grid"}, "parameters is missing"),
        ({"method": "grid", "parameters": {}}, "parameters is missing"),
        ({"method": "random", "parameters": X}, "method: random needs run_cap"),
        ({"method": "grid", "parameters": X, "run_cap": 0}, "run_cap must be"),
        ({"method": "grid", "parameters": X, "run_cap": True}, "run_cap must be"),
        ({"method": "grid", "parameters": {"x": {"min": 0.0, "max": 1.0}}}, "parameter x: method: grid needs value"),
        ({"method": "grid", "parameters": X, "metric": {"name": "loss"}}, "metric: loss is not measured"),
        ({"method": "grid", "parameters": X, "metric": "gain"}, "metric has a name and a goal"),
        ({"method": "grid", "parameters": X, "metric": {"name": "evaluation/gain", "target": 3}}, "metric has a name"),
        ({"method": "grid", "parameters": X, "metric": {"name": "evaluation/gain", "goal": "up"}}, "the goal is maxi"),
    ],
)
def test_what_cannot_be_done_is_named(content, words, read):
    with pytest.raises(ValueError, match=r"sweep_mine\.yaml: ") as error:
        read(content)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (3, "say value, values, or min and max, not 3"),
        ({}, "say value, values, min and max, or a distribution"),
        ({"values": []}, "values must be a list"),
        ({"values": 3}, "values must be a list"),
        ({"values": [[1]]}, "a value is a number"),
        ({"value": {"gamma": 1}}, "a value is a number"),
        ({"value": 1, "min": 0}, "min does not go with value"),
        ({"min": 1}, "say value, values, min and max"),
        ({"min": "a", "max": 2}, "min must be a number"),
        ({"min": 3, "max": 3}, "min must be below max"),
        ({"min": 0, "max": 1, "mu": 3}, "int_uniform does not go with max, min, mu"),
        ({"distribution": "uniform"}, "uniform does not go with nothing"),
        ({"distribution": "int_uniform", "min": 0.5, "max": 2}, "int_uniform is between integers"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "numbers above 0"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "q must be above 0"),
        ({"distribution": "q_int_uniform", "min": 0, "max": 1}, "got q_int_uniform"),
        ({"distribution": "cauchy"}, "got cauchy"),
        ({"distribution": "normal", "sigma": -1}, "must be above 0"),
        ({"values": [1, 2], "probabilities": [0.5, 0.5]}, "probabilities does not go with value"),
        ({"distribution": "q_uniform", "min": 0.1, "max": 1, "q": 0.2}, "min must be a multiple of q, 0.2, got 0.1"),
        ({"distribution": "uniform", "min": 0, "max": 1, "q": 0.2}, "uniform does not go with max, min, q"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_named(parameter, words, read):
    with pytest.raises(ValueError, match=r"sweep_mine\.yaml: parameter hirl\.x: ") as error:
        read({"method": "random", "run_cap": 1, "parameters": {"hirl": {"parameters": {"x": parameter}}}})
    assert words in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.yaml: no sweep configuration"):
        read_sweep_config(tmp_path / "nowhere.yaml")


@needs_ray
@pytest.mark.parametrize("path", sorted((Path(hirl_experiments.__file__).parent / "configs").glob("sweep_*.yaml")))
def test_shipped_sweeps_are_of_settings_that_train_takes(path):
    settings = read_sweep_config(path).settings(0)
    assert len(settings) > 1
    for setting in settings:
        train_settings({"images": "photos"} | setting).prepared()
