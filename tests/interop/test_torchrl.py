"""TorchRL: single, in processes, and the native vector environment in the modes that it takes."""

import subprocess
import sys

import gymnasium as gym
import pytest

import hirl_env  # noqa: F401  (registers the ids)

libs = pytest.importorskip("torchrl.envs.libs.gym", reason="torchrl is not installed")


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
    assert steps["next", "tool_gains"].shape == (5, 3, 3)
    assert steps["next", "psnr"].isfinite().all()


IN_PROCESSES = """
from torchrl.envs.libs.gym import GymEnv
env = GymEnv("hirl_env:HIRL-Restore-v0", num_envs=2, crop_size=16, max_steps=3)
print(*env.rollout(4, break_when_any_done=False).batch_size)
env.close()
"""


def test_environments_in_processes():
    """In a process that forks before it has computed anything: PyTorch's threads do not survive a fork."""
    ran = subprocess.run([sys.executable, "-c", IN_PROCESSES], capture_output=True, text=True, check=True)
    assert ran.stdout.split()[-2:] == ["2", "4"]
