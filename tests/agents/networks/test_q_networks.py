import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hirl_agents.agent import QAgent, q_agent
from hirl_agents.networks import (
    TOOL_WEIGHT,
    FlatQ,
    ResNet18Extractor,
    TurnAveraged,
    TwoLevelQ,
    load_q,
    save_q,
    squashed,
    turned,
    unsquashed,
)
from hirl_agents.networks.q_network import MOST_RAISED, QNetwork
from hirl_agents.pixel_rl import load_pixel_rl
from hirl_agents.rl_restore import RLRestoreAgent, load_rl_restore, save_rl_restore
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_env import Restoration, measures
from hirl_env.log_variances import with_log_variances
from hirl_env.resnet import ResNet18
from hirl_env.traces import TRACES, traces_of
from hirl_env.weights import save_weights


def parameters(network) -> int:
    return sum(value.numel() for value in network.parameters())


def test_cell_values_choose_the_best_type_then_its_best_degree():
    torch.manual_seed(0)
    network = TwoLevelQ(3, 4, width=8)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    images = torch.rand(6, 3, 32, 32)
    values = network(images)
    assert values.shape == (6, 3, 4)
    types = network.type_values(images)
    assert torch.allclose(values.amax(dim=2), types, atol=1e-5)
    chosen = values.flatten(1).argmax(dim=1)
    assert torch.equal(chosen // 4, types.argmax(dim=1))
    rows = torch.arange(6)
    assert torch.equal(chosen % 4, network.degree_values(images)[rows, chosen // 4].argmax(dim=1))


@given(st.floats(-100, 100, width=32))
def test_squashed_values_come_back(value):
    value = torch.tensor(value)
    assert torch.allclose(unsquashed(squashed(value)), value, rtol=1e-3, atol=1e-5)
    assert squashed(value).abs() <= value.abs() + 1e-6
    assert squashed(torch.tensor(8.0)) == 4 == -squashed(torch.tensor(-8.0))


def test_a_network_that_learns_squashed_values_speaks_of_rewards():
    plain, squashing = TwoLevelQ(2, 3, width=8).eval(), TwoLevelQ(2, 3, width=8, squash=True).eval()
    squashing.load_state_dict(plain.state_dict())
    torch.nn.init.constant_(plain.ts[-1].bias, 2.0)
    torch.nn.init.constant_(squashing.ts[-1].bias, 2.0)
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(squashing(images), unsquashed(plain(images)))
        assert torch.equal(squashing.encode(torch.tensor(3.0)), torch.tensor(2.0))
        assert torch.equal(plain.encode(torch.tensor(3.0)), torch.tensor(3.0))


@pytest.mark.parametrize("sees_start", [False, True])
def test_local_variances_are_seen_of_every_image(tmp_path, sees_start):
    torch.manual_seed(0)
    network = TwoLevelQ(2, 2, width=8, sees_start=sees_start, sees_tool=True, log_variances=True).eval()
    images = torch.rand(3, 7 if sees_start else 4, 32, 32)
    images[:, -1] = 1 / 255
    seen = network.seen(images)
    assert torch.equal(seen[:, :6], with_log_variances(images[:, :3]))
    if sees_start:
        assert torch.equal(seen[:, 6:12], with_log_variances(images[:, 3:6]))
    assert torch.equal(seen[:, -1], images[:, -1])
    save_q(network, tmp_path / "q.safetensors", torch.float32)
    with torch.no_grad():
        assert torch.allclose(load_q(tmp_path / "q.safetensors")(images), network(images), atol=1e-6)


def test_traces_raise_a_value_by_little_and_lower_it_by_any_amount():
    network, features, traces = QNetwork(2, 8, "batch", n_traces=TRACES), torch.rand(4, 64), torch.rand(4, TRACES)
    first = network.values(features, traces, None)
    last = network.second[-1]
    for bias, change in ((50.0, MOST_RAISED), (-50.0, -50.0), (0.0, 0.0)):
        torch.nn.init.constant_(last.bias, bias)
        assert torch.allclose(network.values(features, traces, None) - first, torch.tensor(change), atol=1e-5)


@pytest.mark.parametrize("sees_start", [False, True])
def test_traces_are_seen_of_every_image_and_count_once_learned(tmp_path, sees_start):
    torch.manual_seed(0)
    network = TwoLevelQ(2, 3, 8, sees_start=sees_start, sees_tool=True, log_variances=True, traces=True).eval()
    images = torch.rand(4, 7 if sees_start else 4, 32, 32)
    images[:, -1] = 2 / 255
    seen = network.seen(images)
    for number in range(1 + sees_start):
        channels = seen[:, (6 + 6 * sees_start) + TRACES * number :][:, :TRACES]
        assert torch.equal(channels.amin(dim=(2, 3)), channels.amax(dim=(2, 3))), "the same everywhere"
        assert torch.allclose(channels[..., 0, 0], traces_of(images[:, 3 * number :][:, :3]))
    assert torch.equal(seen[:, -1], images[:, -1])
    others = seen.clone()
    others[:, -1 - TRACES * (1 + sees_start) : -1] += 1
    with torch.no_grad():
        assert torch.equal(network.expected_returns(others), network.expected_returns(seen)), "nothing is learned yet"
        for strategy in (network.ts, network.ds):
            torch.nn.init.normal_(strategy.second[-1].weight)
        assert not torch.allclose(network.expected_returns(others), network.expected_returns(seen), atol=1e-3)
        save_q(network, tmp_path / "q.safetensors", torch.float32)
        assert torch.allclose(load_q(tmp_path / "q.safetensors")(images), network(images), atol=1e-5)


def test_a_blind_degree_strategy_does_not_see_the_type():
    network = TwoLevelQ(3, 2, width=8, degree_head="blind")
    assert parameters(network.ds) == parameters(ResNet18(8)) + 64 * 2 + 2
    values = network.degree_values(torch.rand(2, 3, 32, 32))
    assert values.shape == (2, 3, 2)
    assert torch.equal(values[:, 0], values[:, 2])
    with pytest.raises(ValueError, match="degree_head"):
        TwoLevelQ(3, 2, degree_head="both")


@pytest.mark.parametrize(
    "network",
    [
        TwoLevelQ(3, 2, 8, "none", "blind"),
        FlatQ(2, 5, 16, view=48, max_steps=3),
        TwoLevelQ(2, 2, 8, sees_tool=True, squash=True),
        TwoLevelQ(2, 2, 8, sees_start=True, sees_tool=True),
    ],
)
def test_a_file_says_what_to_build(network, tmp_path):
    save_q(network, tmp_path / "q.safetensors", torch.float32)
    again = load_q(tmp_path / "q.safetensors")
    assert type(again) is type(network)
    assert again.architecture == network.architecture
    assert again.max_steps == network.max_steps
    assert not again.training
    images = torch.rand(2, 6 if network.sees_start else 3, 32, 32)
    if network.sees_tool:
        images = torch.cat([images, torch.full((2, 1, 32, 32), 4 / 255)], dim=1)
    assert torch.allclose(again(images), network.eval()(images), atol=1e-6)  # another memory layout


@pytest.mark.parametrize("log_variances", [False, True])
def test_a_network_is_not_shown_less_than_it_sees(log_variances):
    network = TwoLevelQ(2, 2, width=8, sees_start=True, sees_tool=True, log_variances=log_variances)
    with pytest.raises(ValueError, match="looks at 7 channels, got 3; ask it through q_agent"):
        network(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize("network", [TwoLevelQ(3, 2, width=8), FlatQ(3, 2, width=8)])
def test_averaged_values_do_not_depend_on_which_side_is_up(network):
    torch.nn.init.normal_((network.ts if isinstance(network, TwoLevelQ) else network.q)[-1].weight)
    averaged = TurnAveraged(network.eval())
    images = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        values = averaged(images)
        assert not torch.allclose(network(images), network(turned(images, 1, True)), atol=1e-2)
        for turns in range(4):
            for mirror in (False, True):
                assert torch.allclose(averaged(turned(images, turns, mirror)), values, atol=1e-5)


def test_averaged_values_do_not_depend_on_how_many_images_there_are():
    network = FlatQ(3, 2, width=8).eval()
    torch.nn.init.normal_(network.q[-1].weight)
    averaged, images = TurnAveraged(network, turns=7), torch.rand(6, 3, 32, 48)
    with torch.no_grad():
        together = averaged(images)
        assert torch.allclose(torch.cat([averaged(few) for few in images.split(2)]), together, atol=1e-5)
        assert torch.allclose(torch.cat([averaged(one) for one in images.split(1)]), together, atol=1e-5)


def test_who_doubts_values_an_image_less_where_its_turns_disagree(tmp_path):
    network = FlatQ(2, 2, width=8).eval()
    torch.nn.init.normal_(network.q[-1].weight)
    save_q(network.with_stop_margin(np.zeros(1), doubt=3), tmp_path / "q.safetensors", torch.float32)
    doubting = load_q(tmp_path / "q.safetensors")
    images = torch.rand(3, 3, 32, 32)
    images[0] = 0.5  # the same whichever side is up
    with torch.no_grad():
        turns = torch.stack([network(turned(images, turn, mirror)) for turn in range(4) for mirror in (False, True)])
        cautious, of_nine = TurnAveraged(doubting)(images), TurnAveraged(doubting)(images, looks=9)
        assert torch.allclose(TurnAveraged(network)(images), turns.mean(0), atol=1e-5)
    means, deviations = turns.mean(0).flatten(1).numpy(), turns.numpy().std(0).reshape(3, 4)
    of_largest = deviations[range(3), means.argmax(1)]
    assert of_largest[0] < 1e-5 < of_largest[1:].min()
    assert cautious.flatten(1).numpy() == pytest.approx(means - 3 * of_largest[:, None], abs=1e-4)
    assert of_nine.flatten(1).numpy() == pytest.approx(means - of_largest[:, None], abs=1e-4)


@pytest.mark.parametrize("sees_start", [False, True])
def test_an_agents_network_is_shown_what_it_was_trained_on(toy_toolset, sees_start):
    network = TwoLevelQ(2, 2, width=8, sees_start=sees_start, sees_tool=True, max_steps=4).eval()
    torch.nn.init.normal_(network.ts[-1].weight)
    agent = q_agent(network)
    assert isinstance(agent, QAgent)
    assert agent.max_steps == 4
    restoration = Restoration(toy_toolset, measures.resolve("psnr"))
    restoration.begin(torch.rand(3, 3, 16, 16), torch.rand(3, 3, 16, 16))
    restoration.step([(0, 1), (1, 0)], np.array([0, 2]))
    rows = np.array([2, 0, 1])
    numbers = torch.tensor([3.0, 2.0, 0.0])[:, None, None, None].expand(3, 1, 16, 16)
    firsts = [restoration.state.first_images[rows]] if sees_start else []
    with torch.no_grad():
        values = agent.begin(restoration)(rows)
        expected = TurnAveraged(network)(torch.cat([restoration.state.images[rows], *firsts, numbers / 255], dim=1))
        assert torch.equal(values, expected)
        assert torch.equal(agent.begin(restoration.with_state(restoration.state[rows]))(np.arange(3)), values), (
            "a part knows its paths"
        )


def test_the_tool_used_last_changes_values_as_the_head_says():
    network = TwoLevelQ(2, 2, width=8, sees_tool=True).eval()
    torch.nn.init.zeros_(network.ds[-1].weight)
    with torch.no_grad():
        network.ds[-1].weight[:, -5:] = torch.arange(20.0).view(4, 5)
        images = torch.rand(5, 3, 16, 16)
        planes = (torch.arange(5.0) / 255)[:, None, None, None].expand(5, 1, 16, 16)
        values = network.degree_values(torch.cat([images, planes], dim=1)).flatten(1)
    assert torch.allclose(values, TOOL_WEIGHT * torch.arange(20.0).view(4, 5).T)


def test_opening_agents_moves_no_draw_of_the_users(tmp_path):
    save_q(TwoLevelQ(2, 2, width=8), tmp_path / "q.safetensors")
    save_rl_restore(RLRestoreAgent(RecurrentQ(units=8)), tmp_path / "rl-restore.safetensors")
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    load_q(tmp_path / "q.safetensors")
    load_rl_restore(tmp_path / "rl-restore.safetensors")
    load_pixel_rl()
    assert torch.rand(1) == wanted


def test_files_that_hold_no_agent_are_refused(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        load_q(tmp_path / "none.safetensors")
    save_weights(torch.nn.Linear(2, 2), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not those of HIRL or a flat DQN"):
        load_q(tmp_path / "other.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_q(tmp_path / "torn.safetensors")


def test_the_extractor_serves_stable_baselines():
    from gymnasium.spaces import Box

    extractor = ResNet18Extractor(Box(0, 255, (3, 32, 32), "uint8"), width=8)
    assert extractor(torch.rand(2, 3, 32, 32)).shape == (2, extractor.features_dim)
    with pytest.raises(ValueError, match="leave observe_start and observe_tool False"):
        ResNet18Extractor(Box(0, 255, (4, 32, 32), "uint8"))


@pytest.mark.parametrize(
    "network", [TwoLevelQ(3, 2, width=8), TwoLevelQ(3, 2, width=8, squash=True), FlatQ(3, 2, width=8)]
)
def test_a_stop_margin_lowers_values_and_changes_no_choice(network):
    torch.nn.init.normal_((network.ts if isinstance(network, TwoLevelQ) else network.q)[-1].weight)
    images = torch.rand(8, 3, 32, 32)
    with torch.no_grad():
        values = network.eval()(images)
        patient = network.with_stop_margin(np.array([0.25]))(images)
        assert torch.equal(patient, values - 0.25)
        assert torch.equal(network(images), values), "it is a copy that has the margin"
        averaged = TurnAveraged(network.with_stop_margin(np.array([0.25])))(images)
        assert torch.allclose(averaged, TurnAveraged(network)(images) - 0.25, atol=1e-6)


def test_each_tool_has_a_stop_margin_of_its_own(tmp_path):
    network = TwoLevelQ(2, 2, width=8, sees_tool=True).eval()
    images, margins = torch.rand(5, 4, 32, 32), np.array([0.0, 0.25, -0.5, 1.0, 0.125])
    images[:, 3] = torch.arange(5)[:, None, None] / 255
    patient = network.with_stop_margin(margins)
    with torch.no_grad():
        by = torch.as_tensor(margins).float()[:, None, None]
        assert torch.equal(patient(images), network(images) - by)
    save_q(patient, tmp_path / "q.safetensors")
    assert load_q(tmp_path / "q.safetensors").stop_margin.tolist() == margins.tolist()


@pytest.mark.parametrize(
    "said", [{"view": "foo"}, {"max_steps": str(10**9)}, {"n_types": "9" * 5000}, {"width": "-8"}, {"view": "\u0663"}]
)
def test_what_a_file_says_of_its_network_is_checked(said, tmp_path):
    network = FlatQ(2, 2, width=8)
    metadata = {"network": "flat", "n_types": "2", "n_degrees": "2", "width": "8", "norm": "batch"}
    (name,) = said
    save_weights(network, tmp_path / "network.safetensors", metadata=metadata | said)
    with pytest.raises(ValueError, match=f"network.safetensors: {name} must be [0-9]+ to [0-9]+, got ") as refused:
        load_q(tmp_path / "network.safetensors")
    assert len(str(refused.value)) < 250
