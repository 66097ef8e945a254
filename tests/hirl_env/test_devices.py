import subprocess
import sys

import pytest
import torch

from hirl_env.devices import available_device, available_precision


def test_auto_is_the_best_device_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert available_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "float32")])
def test_auto_is_half_precision_where_the_processor_has_it(monkeypatch, native, precision):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert available_precision("auto", "cpu") == precision
    assert available_precision("bf16", "cpu") == "bf16"
    assert available_precision("float32", "cpu") == "float32"


@pytest.mark.parametrize("set_default", ["dtype(torch.float64)", "device('meta')"])
def test_what_the_caller_has_set_for_new_tensors_is_of_no_matter(set_default):
    code = f"""
import gymnasium as gym, numpy as np, torch
torch.set_num_threads(1)
torch.set_default_{set_default}
envs = gym.make_vec("hirl_env:HIRL-Restore-v0", 2, degradation="everything", toolset="hirl", crop_size=16)
envs.reset(seed=0)
for kind in range(4):
    _, rewards, *_ = envs.step(np.array([[kind, 0], [kind, 3]]))
    print(*rewards.tolist())
"""
    mine = code.replace(f"torch.set_default_{set_default}", "")
    runs = [
        subprocess.run([sys.executable, "-c", each], capture_output=True, text=True, check=True).stdout
        for each in (mine, code)
    ]
    assert runs[0] == runs[1]
