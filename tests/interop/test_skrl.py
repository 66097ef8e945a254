"""skrl: PPO over the native vector environment."""

import gymnasium as gym
import pytest
import torch

import hirl_env  # noqa: F401  (registers the ids)

wrappers = pytest.importorskip("skrl.envs.wrappers.torch", reason="skrl is not installed")


def train(steps, folder, **task):
    from skrl.agents.torch.ppo import PPO
    from skrl.memories.torch import RandomMemory
    from skrl.models.torch import DeterministicMixin, Model, MultiCategoricalMixin
    from skrl.trainers.torch import SequentialTrainer

    class Layers(Model):
        def __init__(self, outputs):
            super().__init__(observation_space=env.observation_space, action_space=env.action_space)
            side = self.num_observations
            self.layers = torch.nn.Sequential(torch.nn.LayerNorm(side), torch.nn.Linear(side, outputs))

        def compute(self, inputs, role):
            return self.layers(inputs["observations"].float()), {}

    class Policy(MultiCategoricalMixin, Layers):
        def __init__(self):
            Layers.__init__(self, int(env.action_space.nvec.sum()))
            MultiCategoricalMixin.__init__(self)

    class Value(DeterministicMixin, Layers):
        def __init__(self):
            Layers.__init__(self, 1)
            DeterministicMixin.__init__(self)

    env = wrappers.wrap_env(gym.make_vec("HIRL-Restore-v0", 4, **task), verbose=False)
    agent = PPO(
        models={"policy": Policy(), "value": Value()},
        memory=RandomMemory(memory_size=16, num_envs=4),
        observation_space=env.observation_space,
        action_space=env.action_space,
        cfg={"rollouts": 16, "learning_epochs": 2, "experiment": {"directory": folder, "write_interval": 0}},
    )
    SequentialTrainer(
        env=env, agents=agent, cfg={"timesteps": steps // 4, "headless": True, "close_environment_at_exit": False}
    ).train()
    return agent


def test_ppo_trains(small, tmp_path):
    before = torch.get_rng_state()
    agent = train(256, str(tmp_path), **small)
    weights = [value.clone() for value in agent.policy.parameters()]
    assert all(weight.isfinite().all() for weight in weights)
    torch.set_rng_state(before)
    untrained = train(4, str(tmp_path), **small)
    assert any(not torch.equal(*pair) for pair in zip(weights, untrained.policy.parameters(), strict=True))


def test_it_renders_the_native_environment(small):
    env = wrappers.wrap_env(gym.make_vec("HIRL-Restore-v0", 2, render_mode="rgb_array", **small), verbose=False)
    observations, _ = env.reset()
    assert observations.shape == (2, 16 * 16 * 3)
    assert len(env.render()) == 2
