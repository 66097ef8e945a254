"""TorchRL: single, in processes, and the native vector environment in the modes that it takes."""

import subprocess
import sys

import gymnasium as gym
import pytest
import torch

import hirl_env  # noqa: F401  (registers the ids)

libs = pytest.importorskip("torchrl.envs.libs.gym", reason="torchrl is not installed")


def train(env, steps):
    from tensordict.nn import TensorDictModule, TensorDictSequential
    from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
    from torchrl.modules import EGreedyModule, QValueModule
    from torchrl.objectives import DQNLoss, SoftUpdate

    actions = env.full_action_spec_unbatched["action"]
    layers = torch.nn.Sequential(torch.nn.Flatten(-3), torch.nn.LayerNorm(16 * 16 * 3), torch.nn.LazyLinear(actions.n))
    # TorchRL's name of images of a single environment, and of a vector environment.
    name = "pixels" if "pixels" in env.observation_spec.keys() else "observation"  # noqa: SIM118
    floats = TensorDictModule(lambda image: image.float(), in_keys=[name], out_keys=["floats"])
    values = TensorDictModule(layers, in_keys=["floats"], out_keys=["action_value"])
    policy = TensorDictSequential(floats, values, QValueModule(spec=actions))
    exploring = TensorDictSequential(policy, EGreedyModule(actions, eps_init=0.2, eps_end=0.2))
    exploring(env.reset())
    loss = DQNLoss(policy, action_space=actions)
    loss.make_value_estimator(gamma=0.9)
    target, optimizer = SoftUpdate(loss, eps=0.9), torch.optim.Adam(policy.parameters(), 1e-3)
    memory = TensorDictReplayBuffer(storage=LazyTensorStorage(1000), batch_size=32)
    losses = []
    for _ in range(steps // 32):
        memory.extend(env.rollout(32 // env.batch_size.numel(), exploring, break_when_any_done=False).reshape(-1))
        losses.append(loss(memory.sample())["loss"])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
        target.step()
    return torch.stack(losses)


def single(**task):
    return libs.GymEnv("hirl_env:HIRL-RestoreFlat-v0", categorical_action_encoding=True, **task)


def vector(**task):
    envs = gym.make_vec("HIRL-RestoreFlat-v0", 4, autoreset_mode="SameStep", **task)
    return libs.GymWrapper(envs, categorical_action_encoding=True)


@pytest.mark.parametrize("make", [single, vector])
def test_dqn_trains(make, small):
    losses = train(make(**small), 320)
    assert len(losses) == 10
    assert losses.isfinite().all()


@pytest.mark.parametrize("env_id", ["HIRL-Restore-v0", "HIRL-RestoreFlat-v0"])
@pytest.mark.parametrize("mode", ["SameStep", "Disabled"])
def test_the_native_vector_environment(env_id, mode, small):
    env = libs.GymWrapper(gym.make_vec(env_id, 2, autoreset_mode=mode, **small))
    steps = env.rollout(7, break_when_any_done=False)
    assert steps.batch_size == (2, 7)
    assert steps["next", "done"].sum() == 4  # two episodes of three steps each, and one that goes on
    assert steps["observation"].shape == (2, 7, 16, 16, 3)


def test_infos_are_read_beside_observations(small):
    env = libs.GymEnv("hirl_env:HIRL-Restore-v0", full_feedback=True, **small).auto_register_info_dict()
    steps = env.rollout(5, break_when_any_done=False)
    assert steps["next", "path"].shape == (5, 3, 2)
    assert steps["next", "tool_gains"].shape == (5, 2, 2)
    assert steps["next", "psnr"].isfinite().all()


IN_PROCESSES = """
from torchrl.envs.libs.gym import GymEnv
env = GymEnv("hirl_env:HIRL-Restore-v0", num_envs=2, crop_size=16, max_steps=3)
print(*env.rollout(4, break_when_any_done=False).batch_size)
env.close()
"""


@pytest.mark.slow
def test_environments_in_processes():
    """In a process that forks before it has computed anything: PyTorch's threads do not survive a fork."""
    ran = subprocess.run([sys.executable, "-c", IN_PROCESSES], capture_output=True, text=True, check=True)
    assert ran.stdout.split()[-2:] == ["2", "4"]
