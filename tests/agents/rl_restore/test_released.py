"""The authors' weights: their layout, and, where a user has them, what the authors' program made of three pictures.

Set HIRL_TEST_RL_RESTORE to a folder with weights.npz and golden.npz to run the latter.
"""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from hirl_agents.rl_restore import load_released
from hirl_agents.rollout import rollout
from hirl_env.data.images import to_tensor
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets

FOLDER = os.environ.get("HIRL_TEST_RL_RESTORE")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def same(image, kernel, bias, stride=1):
    """TensorFlow's SAME convolution of an image (h, w, in) with a kernel (h, w, in, out), term by term."""
    size = kernel.shape[0]
    total = [max(0, (-(-length // stride) - 1) * stride + size - length) for length in image.shape[:2]]
    padded = np.pad(image, [(part // 2, part - part // 2) for part in total] + [(0, 0)])
    outputs = [correlate(padded, kernel[..., k], "valid", "direct")[::stride, ::stride, 0] for k in range(len(bias))]
    return np.stack(outputs, axis=-1) + bias


@pytest.mark.slow
def test_the_released_layout_by_hand(arrays, made):
    """A small tool, and two steps of the agent, against the same in numpy, on images as the authors store them."""
    agent = load_released(made)
    rng = np.random.default_rng(1)
    images = rng.random((2, 63, 63, 3), dtype=np.float32)
    swapped = torch.from_numpy(images).permute(0, 3, 2, 1)

    x = images[0]
    for layer in ("conv1", "conv2", "conv3"):
        x = same(x, arrays[f"tool06/{layer}/weights"], arrays[f"tool06/{layer}/biases"])
        x = x if layer == "conv3" else np.maximum(x, 0)
    toolset = agent.toolset(toolsets.resolve("hirl"))
    restored = toolset.apply(swapped[:1], (1, 1))
    assert np.allclose(restored[0].permute(2, 1, 0), images[0] + x, atol=1e-5)
    assert restored.min() < 0, "nothing is clamped"

    policy = {name.removeprefix("policy/"): value for name, value in arrays.items() if name.startswith("policy/")}
    h = c = np.zeros(50)
    expected = []
    for image, last in zip(images, (-1, 5), strict=True):
        x = image
        for layer in ("l1", "l2", "l3", "l4"):
            x = np.maximum(same(x, policy[f"{layer}/w"], policy[f"{layer}/biases"], 2), 0)
        x = np.maximum(x.reshape(-1) @ policy["l7/Matrix"] + policy["l7/bias"], 0)
        one_hot = np.eye(12)[last] if last >= 0 else np.zeros(12)
        cell = "prediction_rnn/basic_lstm_cell"
        gates = np.concatenate([x, one_hot, h]) @ policy[f"{cell}/kernel"] + policy[f"{cell}/bias"]
        i, j, f, o = np.split(gates, 4)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h @ policy["q/Matrix"] + policy["q/bias"])
    with torch.no_grad():
        first, state = agent.q(swapped[:1], torch.tensor([-1]))
        second, _ = agent.q(swapped[1:], torch.tensor([5]), state)
    assert np.allclose(torch.cat([first, second]), expected, atol=1e-5)


def test_the_tools_alone_are_a_toolset(made):
    toolset = toolsets.resolve(made)
    assert toolset.types == ("deblur", "denoise", "dejpeg")
    assert toolset.n_degrees == 4
    assert toolset[2, 3].name == "RL-Restore 12 (dejpeg)"
    assert toolsets.resolve("hirl") is toolsets.resolve("hirl")
    assert toolsets.resolve(toolset) is toolset


def test_what_is_missing_or_misshapen_is_named(arrays, tmp_path):
    path = tmp_path / "bad.npz"
    for name in ("tool03/conv2c/weights", "policy/q/bias"):
        np.savez(path, **{key: value for key, value in arrays.items() if key != name})
        with pytest.raises(ValueError, match=rf"bad.npz: the array '{name}' is missing"):
            load_released(path)
        np.savez(path, **{**arrays, name: np.zeros((2, 3), np.float32)})
        with pytest.raises(ValueError, match=rf"bad.npz: the array '{name}' must have the shape .* got \(2, 3\)"):
            load_released(path)
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    for data in (b"PK no archive", b"", array.getvalue()):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"bad.npz: not a readable .npz file"):
            load_released(path)
    with pytest.raises(ValueError, match=r"absent.npz: not a readable .npz file"):
        load_released(tmp_path / "absent.npz")


@pytest.mark.skipif(FOLDER is None, reason="HIRL_TEST_RL_RESTORE names no folder with weights.npz and golden.npz")
def test_the_authors_results():
    agent = load_released(Path(FOLDER) / "weights.npz")
    toolset = agent.toolset(toolsets.resolve("hirl"))
    golden = np.load(Path(FOLDER) / "golden.npz")
    # There, height and width are swapped.
    distorted, reference = (to_tensor(golden[name]).mT for name in ("distorted", "reference"))
    each = torch.cat([toolset.apply(distorted[:1], cell) for cell in toolset.cells])
    assert np.abs(each.permute(0, 3, 2, 1).numpy() - golden["per_tool_of_first"]).max() < 1e-5

    start = Restoration(toolset, measures.resolve("psnr"))
    start.begin(distorted, reference)
    values = agent.begin(start)(np.arange(3)).flatten(1)[:, :13]
    assert np.abs(values.numpy() - golden["first_q"]).max() < 1e-4
    result = rollout(start, agent, agent.max_steps, "steps")
    chains = [[kind * 4 + degree for kind, degree in path] for path in result.state.paths]
    assert np.array_equal(chains, golden["toolchain"] - 1), "the authors count from one"
    images = result.state.images.permute(0, 3, 2, 1).numpy()
    assert np.abs(images - golden["restored"]).max() < 1e-5
