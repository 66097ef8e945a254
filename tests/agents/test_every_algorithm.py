"""What every algorithm that is registered can do: a new one is tested by its line in the registry."""

import dataclasses
import inspect
from typing import Annotated

import docstring_parser
import numpy as np
import pytest
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from hirl_agents import make_vec_env
from hirl_agents.agent import begin_episodes, q_agent
from hirl_agents.algorithm import AlgorithmConfig, Range
from hirl_agents.common.saving import SafelySaved
from hirl_agents.loading import load_agent
from hirl_agents.networks import save_q
from hirl_agents.ppo import PPOConfig
from hirl_agents.registry import algorithms
from hirl_env.config import EnvConfig
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from tests.conftest import small

ALGORITHMS = pytest.mark.parametrize("name", algorithms.names())


@pytest.fixture
def build(pictures, toy_toolset):
    """Builds a small model of an algorithm in four environments; a second call builds the same again."""

    def built(name, **options) -> BaseAlgorithm:
        config = dataclasses.replace(small(algorithms.resolve(name)), **options)
        config.check()
        task = {"images": pictures, "toolset": toy_toolset, "crop_size": 16, "max_steps": 3, **config.environment}
        return config.build(make_vec_env(n_envs=4, **task), config.learning_rate, seed=0)

    return built


def weights(model: BaseAlgorithm) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in model.policy.state_dict().values()])


def followed(name, model, toolset):
    """The agent that `hirl train` measures."""
    config = algorithms.resolve(name)
    network = config.q_network(model, toolset.n_degrees)
    return config.agent(model, toolset) if network is None else q_agent(network)


def first_values(agent, toolset) -> torch.Tensor:
    """Cell values of three images, before the first step."""
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    start = Restoration(toolset, measures.resolve("psnr"))
    start.begin(images, images)
    with torch.no_grad():
        return begin_episodes(agent, start)(np.arange(3))


@ALGORITHMS
def test_its_options_are_explained_and_fit_the_environment(name):
    config = algorithms.resolve(name)
    explained = {
        param.arg_name for base in type(config).__mro__ for param in docstring_parser.parse(inspect.getdoc(base)).params
    }
    assert {field.name for field in dataclasses.fields(config)} <= explained
    assert config.environment.keys() <= {field.name for field in dataclasses.fields(EnvConfig)}
    assert issubclass(config.algorithm(), BaseAlgorithm)
    config.check()
    assert all(isinstance(remark, str) for remark in config.remarks(1))


@pytest.mark.parametrize(
    ("option", "value", "refused"),
    [
        ("gamma", 1.5, "gamma must lie in 0 to 1, got 1.5"),
        ("gamma", float("nan"), "gamma must lie in 0 to 1, got nan"),
        ("max_grad_norm", -1.0, "max_grad_norm must be at least 0, got -1.0"),
        ("patience", 6, "patience must lie in 1 to 5, got 6"),
    ],
)
def test_an_algorithm_of_ones_own_declares_the_ranges_of_its_options(option, value, refused):
    @dataclasses.dataclass(frozen=True)
    class OwnConfig(PPOConfig):
        patience: Annotated[int, Range(1, 5)] = 3

    OwnConfig(patience=5, max_grad_norm=float("inf")).check()
    with pytest.raises(ValueError, match=refused):
        OwnConfig(**{option: value}).check()


@pytest.mark.parametrize("option", ["batch_size", "target_update_interval", "train_freq"])
@ALGORITHMS
def test_counts_of_none_are_refused(name, build, option):
    if not hasattr(algorithms.resolve(name), option):
        pytest.skip("has no such option")
    with pytest.raises(ValueError, match=rf"{option} must be at least \d"):
        build(name, **{option: 0})


@pytest.mark.parametrize(("option", "value", "least"), [("gradient_steps", -2, -1), ("n_epochs", 0, 1)])
@ALGORITHMS
def test_impossible_numbers_of_updates_are_refused(name, build, option, value, least):
    if not hasattr(algorithms.resolve(name), option):
        pytest.skip("has no such option")
    with pytest.raises(ValueError, match=f"{option} must be at least {least}, got {value}"):
        build(name, **{option: value})


@pytest.mark.slow
@ALGORITHMS
def test_a_seed_repeats_a_run(name, build):
    one, other = (weights(build(name).learn(40)) for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.slow
@ALGORITHMS
def test_saved_and_loaded_it_is_the_same_and_goes_on(name, build, toy_toolset, tmp_path):
    model = build(name).learn(32)
    model.save(tmp_path / "model.zip")
    again = type(model).load(tmp_path / "model.zip", env=model.get_env())
    assert torch.equal(weights(again), weights(model))
    assert again.num_timesteps == model.num_timesteps == 32
    values, loaded = (first_values(followed(name, each, toy_toolset), toy_toolset) for each in (model, again))
    assert torch.equal(values, loaded)
    again.learn(32, reset_num_timesteps=False)
    assert again.num_timesteps == 64
    assert not torch.equal(weights(again), weights(model))


@ALGORITHMS
def test_the_file_for_inference_holds_the_agent(name, build, toy_toolset, tmp_path):
    config, model = algorithms.resolve(name), build(name).learn(32)
    network = config.q_network(model, toy_toolset.n_degrees)
    path = tmp_path / "best.safetensors"
    if network is None:
        path = config.save(model, toy_toolset, tmp_path)
    else:
        save_q(network, path, torch.float32)
    agent = load_agent(path, toy_toolset, trust=True)
    values = first_values(agent, toy_toolset)
    assert values.shape in {(3, toy_toolset.n_types + stop, toy_toolset.n_degrees) for stop in (0, 1)}
    # float16, in which some are stored, has three digits.
    assert torch.allclose(values, first_values(followed(name, model, toy_toolset), toy_toolset), atol=2e-2)
    assert agent.max_steps >= 1
    if isinstance(model, SafelySaved):
        model.save(tmp_path / "model.safetensors")
        for source in (model, tmp_path / "model.safetensors"):
            assert load_agent(source, toy_toolset).max_steps == model.max_steps == 3


@ALGORITHMS
def test_an_algorithm_that_says_nothing_of_its_file_has_one(name, build, toy_toolset, tmp_path):
    model = build(name)
    path = AlgorithmConfig.save(algorithms.resolve(name), model, toy_toolset, tmp_path)
    values = first_values(load_agent(path, toy_toolset, trust=True), toy_toolset)
    assert torch.allclose(values, first_values(load_agent(model, toy_toolset), toy_toolset))
