import pytest
import torch

from hirl_agents import FlatDQN, make_vec_env


def test_it_learns_saves_loads_and_gives_its_network(pictures, toy_toolset, tmp_path):
    env = make_vec_env("HIRL-RestoreFlat-v0", 4, images=pictures, toolset=toy_toolset, crop_size=16, max_steps=3)
    trunk = {"features_extractor_kwargs": {"width": 8}}
    model = FlatDQN(env=env, learning_starts=8, buffer_size=64, batch_size=8, policy_kwargs=trunk, seed=0).learn(40)
    model.save(tmp_path / "model.safetensors")
    again = FlatDQN.load(tmp_path / "model.safetensors", env=env)
    observations = env.reset()
    actions, _ = model.predict(observations, deterministic=True)
    assert (again.predict(observations, deterministic=True)[0] == actions).all()
    images = torch.as_tensor(observations).permute(0, 3, 1, 2).float() / 255
    network = again.q_network(toy_toolset.n_degrees)
    assert not any(module.training for module in network.modules())
    assert network.view == 16
    assert network.max_steps == FlatDQN.load(tmp_path / "model.safetensors").q_network(2).max_steps == 3
    values = network(images)
    assert values.shape == (4, 2, 2)
    assert values.flatten(1).argmax(dim=1).tolist() == actions.tolist()


def test_a_norm_of_ones_own_leaves_the_width_as_it_is(pictures, toy_toolset):
    env = make_vec_env("HIRL-RestoreFlat-v0", 1, images=pictures, toolset=toy_toolset, crop_size=16)
    trunk = {"features_extractor_kwargs": {"norm": "group"}}
    model = FlatDQN(env=env, buffer_size=8, policy_kwargs=trunk)
    assert model.q_network(toy_toolset.n_degrees).architecture == {"width": 16, "norm": "group", "view": 16}


def test_what_its_network_could_not_say_is_refused(pictures, toy_toolset):
    task = {"images": pictures, "toolset": toy_toolset, "crop_size": 16}
    env = make_vec_env("HIRL-RestoreFlat-v0", 1, **task)
    with pytest.raises(ValueError, match="4 actions are not types x 3 degrees"):
        FlatDQN(env=env, buffer_size=8, policy_kwargs={"features_extractor_kwargs": {"width": 8}}).q_network(3)
    with pytest.raises(ValueError, match="leave net_arch out"):
        FlatDQN(env=env, policy_kwargs={"net_arch": [16]})
