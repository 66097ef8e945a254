"""Policies of Stable-Baselines3 as agents, and its files."""

import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO

from hirl_agents import HIRL, make_vec_env
from hirl_agents.agent import begin_episodes
from hirl_agents.loading import load_agent
from hirl_agents.policies import policy_agent
from hirl_agents.registry import agents
from hirl_agents.restorer import Restorer
from hirl_env.quality import measures
from hirl_env.restoration import Restoration

SMALL = {"features_extractor_kwargs": {"features_dim": 4}}


@pytest.mark.parametrize(("algorithm", "flat"), [(PPO, False), (A2C, True), (DQN, True)])
def test_what_was_saved_chooses_as_the_model_does(algorithm, flat, toy_toolset, tmp_path):
    env = make_vec_env(n_envs=2, toolset=toy_toolset, crop_size=36, stop_action=True, flat=flat)
    model = algorithm("CnnPolicy", env, policy_kwargs=SMALL, seed=0)
    model.save(tmp_path / "model.zip")
    agent = load_agent(tmp_path / "model.zip", toy_toolset, trust=True)
    env.seed(0)
    observations = env.reset()
    images = torch.as_tensor(observations).permute(0, 3, 1, 2) / 255
    start = Restoration(toy_toolset, measures.resolve("psnr"))
    start.begin(images, images)
    cells = begin_episodes(agent, start)(torch.arange(2).numpy())
    assert torch.equal(cells, begin_episodes(load_agent(model, toy_toolset), start)(torch.arange(2).numpy()))
    assert cells.shape == (2, toy_toolset.n_types + 1, toy_toolset.n_degrees)
    chosen, _ = model.predict(observations, deterministic=True)
    best = cells.flatten(1).argmax(dim=1)
    if flat:
        assert best.tolist() == chosen.tolist()
    else:
        assert torch.stack([best // 2, best % 2], dim=1).tolist() == chosen.tolist()


def test_restoring_with_a_model_in_training_leaves_it_as_it_is(toy_toolset):
    env = make_vec_env(n_envs=2, toolset=toy_toolset, crop_size=36, stop_action=True)
    model = PPO("CnnPolicy", env, policy_kwargs=SMALL, seed=0)
    model.policy.set_training_mode(True)
    agent = load_agent(model, toy_toolset)
    assert model.policy.training
    start = Restoration(toy_toolset, measures.resolve("psnr"))
    images = torch.rand(2, 3, 36, 36, generator=torch.Generator().manual_seed(0))
    start.begin(images, images)
    look = begin_episodes(agent, start)
    before = look(torch.arange(2).numpy())
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.zero_()
    assert torch.equal(before, look(torch.arange(2).numpy()))


@pytest.mark.parametrize("name", ["model.safetensors", "model.zip"])
def test_a_saved_agent_of_this_package_is_read_without_trust(name, toy_toolset, tmp_path, grey):
    env = make_vec_env(n_envs=1, toolset=toy_toolset, crop_size=16)
    model = HIRL(env=env, policy_kwargs={"width": 8})
    model.save(tmp_path / name)
    agent = load_agent(tmp_path / name, toy_toolset, view=16)
    start = Restoration(toy_toolset, measures.resolve("psnr"))
    start.begin(grey, grey)
    model.policy.set_training_mode(False)
    cells = begin_episodes(agent, start)(torch.arange(len(grey)).numpy())
    assert cells.shape == (len(grey), toy_toolset.n_types, toy_toolset.n_degrees)
    assert cells.isfinite().all()


def test_a_zip_is_loaded_only_where_it_is_trusted(toy_toolset, tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"model.zip: loading .* runs code .*; --trust, or trust=True, does so"):
        Restorer(str(path), toy_toolset)
    with pytest.raises(ValueError, match="a model of Stable-Baselines3, which says no values of tools"):
        agents.resolve(str(path))
    with pytest.raises(ValueError, match="not a whole file of Stable-Baselines3"):
        Restorer(str(path), toy_toolset, trust=True)


def test_policies_of_other_tasks_are_refused(toy_toolset):
    model = PPO("MlpPolicy", "CartPole-v1")
    with pytest.raises(ValueError, match="an agent here acts on images of HIRL-Restore-v0"):
        policy_agent(model.policy, toy_toolset)
