"""Second heads, taught what a run remembered."""

import numpy as np
import pytest
import torch

from hirl_agents.hirl.heads import remembered, seeing_traces, teach_heads
from hirl_agents.networks import FlatQ, TwoLevelQ, load_q, save_q
from hirl_env.tensor_files import write_state
from hirl_env.tools.registry import toolsets
from hirl_experiments.commands.train_heads import train_heads


@pytest.fixture
def agent(toy_toolset, monkeypatch, tmp_path):
    monkeypatch.setitem(toolsets.factories, "toy", lambda: toy_toolset)
    torch.manual_seed(0)
    network = TwoLevelQ(2, 2, width=8, view=16, max_steps=2, sees_tool=True, squash=True, log_variances=True)
    save_q(network, tmp_path / "agent.safetensors", torch.float32)
    return tmp_path / "agent.safetensors"


def some_run(path, gains_of, algo="hirl", channels=4, reward="psnr"):
    """A run that remembers noise and flat pictures in turn, and gains that hang on which it was."""
    generator = np.random.default_rng(0)
    images = np.full((120, 1, channels, 16, 16), 128, np.uint8)
    images[::2, :, :3] = generator.integers(0, 256, (60, 1, 3, 16, 16))
    images[:, :, 3:] = 1
    gains = np.array([gains_of(row % 2 == 0) for row in range(120)], np.float32)[:, None]
    path.mkdir()
    (path / "config.yaml").write_text(
        f"algo: {algo}\nlabel: some\nimages: photos\nenv:\n  toolset: toy\n  crop_size: 16\n"
        f"  reward: {reward}\nalgorithm: {{}}\n"
    )
    arrays = {"observations": images, "gains": gains}
    write_state(path / "replay_buffer.safetensors", {"size": 120, "pos": 0, "full": True, "arrays": arrays})
    return torch.as_tensor(images[:, 0]), torch.as_tensor(gains[:, 0])


def worth(noise):
    # No more than second heads may raise values by, because those of the first are about 0.
    return [[0.2, 0.1], [-2.0, 0.0]] if noise else [[-4.0, -1.0], [-1.0, 0.15]]


def test_the_heads_learn_what_the_runs_remembered_and_all_else_stays(agent, tmp_path, capsys):
    images, gains = some_run(tmp_path / "run", worth)
    out = tmp_path / "taught.safetensors"
    train_heads(str(agent), (tmp_path / "run",), out, steps=300, batch=32, learning_rate=1e-2)
    assert "120 images; losses at the end: degrees 0.0" in capsys.readouterr().out
    before, taught = load_q(agent), load_q(out)
    assert taught.traces
    for name, value in before.state_dict().items():
        assert torch.allclose(taught.state_dict()[name], value, atol=1e-3), name
    with torch.no_grad():
        values = taught(images / 255)
    assert torch.allclose(values.amax(dim=2), gains.amax(dim=2), atol=0.1)
    assert torch.equal(values.flatten(1).argmax(dim=1), gains.flatten(1).argmax(dim=1))


def test_the_same_seed_teaches_the_same(agent, tmp_path):
    some_run(tmp_path / "run", worth)
    files = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        train_heads(str(agent), (tmp_path / "run",), file, steps=3, batch=4, seed=seed)
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other


def test_heads_that_have_learned_go_on(agent):
    network = seeing_traces(load_q(agent))
    images, gains = torch.randint(256, (8, 4, 16, 16), dtype=torch.uint8), torch.ones(8, 2, 2)
    images[:, 3] = 2
    counts = []
    memory = remembered(network, images, gains, counts.append)
    assert counts == [8]
    losses = list(teach_heads(network, memory, 20, 8, 1e-2, 0))
    assert len(losses) == 40
    again = seeing_traces(network)
    assert again is not network
    assert torch.equal(again.ds.second[-1].weight, network.ds.second[-1].weight)
    more = list(teach_heads(again, memory, 20, 8, 1e-2, 0))
    assert more[0] < losses[0]


def test_memories_of_different_rewards_are_not_joined(agent, tmp_path):
    some_run(tmp_path / "one", worth)
    some_run(tmp_path / "other", worth, reward="ssim")
    with pytest.raises(ValueError, match=r"other: its reward is ssim, and that of .*one is psnr; give runs of the"):
        train_heads(str(agent), (tmp_path / "one", tmp_path / "other"), tmp_path / "new.safetensors")


def test_runs_and_agents_that_do_not_go_together(agent, tmp_path):
    def refused(message, of=agent, memory="run", out="new.safetensors", **options):
        with pytest.raises(ValueError, match=message):
            train_heads(str(of), (tmp_path / memory,), tmp_path / out, **options)
        assert not (tmp_path / "new.safetensors").exists()

    some_run(tmp_path / "run", worth)
    some_run(tmp_path / "first", worth, channels=7)
    write_state(tmp_path / "first" / "replay_buffer.safetensors", {"arrays": {"observations": np.zeros(1)}})
    refused("first: remembers no gains of all tools; give a run with full feedback", memory="first")
    some_run(tmp_path / "start", worth, channels=7)
    refused("start: images have 7 channels, and the agent looks at 4", memory="start")
    save_q(TwoLevelQ(2, 2, 8, sees_tool=True, view=32), tmp_path / "large.safetensors")
    refused("run: images of 16 pixels, and the agent looks at 32", of=tmp_path / "large.safetensors")
    refused("nowhere is no run of hirl train", memory="nowhere")
    refused("agent.safetensors.*exists already; --force overwrites it", out="agent.safetensors")
    refused("new.zip: name a file that ends in .safetensors", out="new.zip")
    refused("--learning-rate must be above 0, got 0", learning_rate=0.0)
    refused("--steps must be at least 1, got 0", steps=0)
    save_q(FlatQ(2, 2, 8), tmp_path / "flat.safetensors")
    save_q(TwoLevelQ(2, 2, 8, degree_head="blind", sees_tool=True), tmp_path / "blind.safetensors")
    for name in ("flat", "blind"):
        refused(f"{name}.safetensors: has no heads to teach", of=tmp_path / f"{name}.safetensors")
    save_q(TwoLevelQ(4, 2, 8, sees_tool=True), tmp_path / "other.safetensors")
    refused("the agent chooses among 4 types x 2 degrees", of=tmp_path / "other.safetensors")
