import pytest
import torch
from PIL import Image

from hirl_agents.networks import TwoLevelQ, load_q, save_q
from hirl_agents.registry import agents
from hirl_env.tools.registry import toolsets
from hirl_experiments.commands.calibrate import calibrate


@pytest.fixture
def agent(toy_toolset, monkeypatch, tmp_path):
    monkeypatch.setitem(toolsets.factories, "toy", lambda: toy_toolset)
    torch.manual_seed(0)
    network = TwoLevelQ(2, 2, width=8, norm="none", view=16, max_steps=2)
    # To this one every picture is worth brightening.
    with torch.no_grad():
        network.ts[-1].bias.copy_(torch.tensor([1.0, -1.0]))
    save_q(network, tmp_path / "eager.safetensors")
    return tmp_path / "eager.safetensors"


def test_an_agent_that_ruins_clean_pictures_learns_to_leave_them(agent, folder, tmp_path, capsys):
    calibrate(str(agent), str(folder), tmp_path / "careful.safetensors", ("clean",), harm=0.0, toolset="toy")
    careful, eager = load_q(tmp_path / "careful.safetensors"), load_q(agent)
    assert careful.stop_margin.max() > 0.5
    images = torch.rand(4, 3, 16, 16)
    assert torch.equal(careful(images).flatten(1).argmax(dim=1), eager(images).flatten(1).argmax(dim=1))
    assert careful(images).max() < 0.1 < 0.5 < eager(images).max()
    assert "of the crops that they were fitted to, it harms 0.0%" in capsys.readouterr().out


def test_an_agent_whose_values_are_the_same_in_all_turns_does_not_doubt(agent, folder, tmp_path, capsys):
    network = load_q(agent)
    with torch.no_grad():
        for strategy in (network.ts, network.ds):
            strategy[-1].weight.zero_()
    save_q(network, agent)
    calibrate(str(agent), str(folder), tmp_path / "sure.safetensors", ("clean",), harm=0.0, toolset="toy")
    assert load_q(tmp_path / "sure.safetensors").doubt == 0
    assert "its doubt: 0; its stop margins: " in capsys.readouterr().out


def test_nothing_is_overwritten_unasked(agent, folder):
    with pytest.raises(ValueError, match="exists already; --force overwrites it"):
        calibrate(str(agent), str(folder), agent, toolset="toy")


def test_a_file_of_another_kind_is_refused_before_anything_is_computed(agent, folder, tmp_path):
    with pytest.raises(ValueError, match=r"agent.pth: name a file that ends in .safetensors"):
        calibrate(str(agent), str(folder), tmp_path / "agent.pth", toolset="toy")


@pytest.mark.parametrize("harm", [-0.5, 2.0, float("nan")])
def test_an_impossible_bound(agent, folder, tmp_path, harm):
    with pytest.raises(ValueError, match=f"--harm must lie in 0 to 1, got {harm}"):
        calibrate(str(agent), str(folder), tmp_path / "new.safetensors", harm=harm, toolset="toy")


def test_an_agent_may_be_given_by_name_and_must_have_a_margin(agent, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(agents.factories, "eager", lambda: load_q(agent))
    monkeypatch.setitem(agents.factories, "indifferent", lambda: torch.zeros)
    out = tmp_path / "new.safetensors"
    calibrate("eager", str(folder), out, ("clean",), harm=0.0, toolset="toy")
    assert load_q(out).stop_margin.max() > 0.5
    with pytest.raises(ValueError, match="--agent indifferent: has no stop margin"):
        calibrate("indifferent", str(folder), tmp_path / "other.safetensors", toolset="toy")


def test_pictures_that_are_damaged_or_too_small_are_left_out(agent, folder, tmp_path):
    (folder / "a.png").write_bytes(b"damaged")
    Image.new("RGB", (8, 8)).save(folder / "b.png")
    out = tmp_path / "new.safetensors"
    with pytest.warns(UserWarning, match="left out: "):
        calibrate(str(agent), str(folder), out, ("clean",), harm=0.0, toolset="toy")
    assert out.exists()


def test_one_photograph_is_too_few(agent, folder, tmp_path):
    for picture in sorted(folder.iterdir())[1:]:
        picture.unlink()
    with pytest.raises(ValueError, match="cross-validation needs at least two photographs"):
        calibrate(str(agent), str(folder), tmp_path / "new.safetensors", ("clean",), toolset="toy")
