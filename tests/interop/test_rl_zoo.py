"""RL Baselines3 Zoo, with the hyper-parameters that the documentation ships."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rl_zoo3", reason="rl_zoo3 is not installed")
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("algorithm", "env_id"), [("ppo", "HIRL-Restore-v0"), ("dqn", "HIRL-RestoreFlat-v0")])
def test_the_zoo_trains(algorithm, env_id, small, tmp_path):
    task = [f"{name}:{value!r}" for name, value in small.items()]
    sizes = {"ppo": ["n_envs:2", "n_steps:16", "batch_size:32"], "dqn": ["learning_starts:32", "buffer_size:500"]}
    command = [
        sys.executable,
        "-m",
        "rl_zoo3.train",
        "--algo",
        algorithm,
        "--env",
        env_id,
        "--gym-packages",
        "hirl_env",
    ]
    command += ["--conf-file", str(DOCS / f"rl-zoo-{algorithm}.yaml"), "--n-timesteps", "200", "--seed", "1"]
    command += ["--env-kwargs", *task, "--hyperparams", *sizes[algorithm], "-f", str(tmp_path), "--eval-freq", "-1"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert len(list(tmp_path.rglob(f"{env_id}.zip"))) == 1
