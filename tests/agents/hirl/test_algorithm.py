"""What a user of Stable-Baselines3 relies on, and what the paper's equations say."""

import math
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecFrameStack

from hirl_agents import HIRL, make_vec_env
from hirl_agents.hirl.config import HIRLConfig
from hirl_env.data.degradations import Degradation, Mixture
from hirl_env.data.photographs import from_folder
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset

SMALL = {"width": 8}


@pytest.fixture
def env(pictures, toy_toolset):
    return make_vec_env(n_envs=4, images=pictures, toolset=toy_toolset, crop_size=16, max_steps=3)


def agent(env, **settings) -> HIRL:
    defaults = {"learning_starts": 8, "buffer_size": 64, "batch_size": 8, "gamma": 0.9, "seed": 0, "gradient_steps": 2}
    targets = {"tau": 1.0, "target_update_interval": 200}
    return HIRL(env=env, **{"policy_kwargs": SMALL, **defaults, **targets, **settings})


class Tint(Degradation):
    """Shifts one colour channel; which one and how far can be seen."""

    def __init__(self, channel: int, amount: float) -> None:
        self.channel, self.amount = channel, amount

    def _apply(self, image, rng):
        shifted = image.clone()
        shifted[self.channel] += self.amount
        return shifted


def untint(channel: int, amount: float) -> Tool:
    shift = torch.zeros(1, 3, 1, 1)
    shift[0, channel] = -amount
    return Tool(f"untint {channel} {amount}", lambda images: images + shift)


@pytest.mark.slow
@pytest.mark.parametrize("full_feedback", [False, True])
def test_it_finds_the_one_cell_that_undoes_each_distortion(tmp_path, full_feedback):
    """Six tints, six tools: after learning, saving and loading, every tint gets its own tool, and then no other."""
    for number, shade in enumerate((90, 110, 130)):
        Image.new("RGB", (24, 24), (shade, shade, shade)).save(tmp_path / f"{number}.png")
    cells = [(channel, degree) for channel in range(3) for degree in range(2)]
    amounts = (0.1, 0.25)
    tints = {cell: Tint(cell[0], amounts[cell[1]]) for cell in cells}
    toolset = Toolset({str(channel): [untint(channel, amount) for amount in amounts] for channel in range(3)})

    def closeness(images, references):
        return -20 * (images - references).abs().mean(dim=(1, 2, 3))

    task = {"images": from_folder(tmp_path), "toolset": toolset, "crop_size": 16, "reward": closeness, "max_steps": 2}
    env = make_vec_env(n_envs=16, degradation=Mixture(tuple(tints.values())), full_feedback=full_feedback, **task)
    model = HIRL(
        env=env, seed=0, learning_starts=160, buffer_size=2_000, batch_size=64,
        learning_rate=LinearSchedule(1e-3, 0, 1), gradient_steps=4, tau=0.02,
        exploration_steps=1_000, policy_kwargs=SMALL, full_feedback=full_feedback,
    )  # fmt: skip
    model.learn(1_600 if full_feedback else 2_400)
    model.save(tmp_path / "agent.safetensors")
    loaded = HIRL.load(tmp_path / "agent.safetensors")
    for cell, tint in tints.items():
        one = make_vec_env(n_envs=3, degradation=tint, **task)
        one.seed(1)
        actions, _ = loaded.predict(one.reset(), deterministic=True)
        assert [tuple(action) for action in actions] == [cell] * 3
        restored, *_ = one.step(actions)
        images = loaded.policy.seen(torch.as_tensor(restored).permute(0, 3, 1, 2))
        with torch.no_grad():
            values = loaded.policy.acting(images)
        assert (values < 0.5).all(), "nothing is left to gain"


def test_it_needs_types_and_degrees(pictures, toy_toolset):
    with pytest.raises(AssertionError, match="MultiDiscrete"):
        HIRL(env=make_vec_env("HIRL-RestoreFlat-v0", 1, images=pictures, toolset=toy_toolset, crop_size=16))
    with pytest.raises(ValueError, match="huber"):
        HIRL(env=None, loss="l1")


def test_with_muon_and_local_variances_it_learns_and_goes_on(env, tmp_path):
    network = {**SMALL, "log_variances": True, "optimizer_class": "muon"}
    model = agent(env, policy_kwargs=network, learning_rate=0.02).learn(48)
    model.save(tmp_path / "model")
    again = HIRL.load(tmp_path / "model", env=env)
    assert again.policy.q.architecture["log_variances"]
    again.learn(16, reset_num_timesteps=False)
    assert again._n_updates > model._n_updates
    with pytest.raises(ValueError, match=r"optimizer must be one of adam, muon; got 'sgd'"):
        agent(env, policy_kwargs={"optimizer_class": "sgd"})


def test_saved_and_loaded_it_is_the_same(env, tmp_path):
    model = agent(env).learn(48)
    model.save(tmp_path / "model.safetensors")
    model.save_replay_buffer(tmp_path / "memory.safetensors")
    again = HIRL.load(tmp_path / "model.safetensors", env=env)
    again.load_replay_buffer(tmp_path / "memory.safetensors")
    for one in (model, again, HIRL.load(tmp_path / "model.safetensors")):
        assert one.policy.q.max_steps == one.policy.acting.max_steps == 3, "as the episodes of its environment"
    observations = env.reset()
    assert np.array_equal(
        model.predict(observations, deterministic=True)[0], again.predict(observations, deterministic=True)[0]
    )
    for name in ("type_optimizer", "degree_optimizer"):
        kept, loaded = (getattr(one.policy, name).state_dict()["state"] for one in (model, again))
        assert kept
        assert all(torch.equal(kept[key]["exp_avg"], loaded[key]["exp_avg"]) for key in kept)
    for kept, loaded in zip(model.policy.q_target.parameters(), again.policy.q_target.parameters(), strict=True):
        assert torch.equal(kept, loaded)
    assert (again.num_timesteps, again._n_updates) == (48, model._n_updates)
    again.learn(16, reset_num_timesteps=False)
    assert again.num_timesteps == 64
    assert again._n_updates > model._n_updates


def test_exploration_tosses_a_coin_per_environment_and_per_level(env):
    model = agent(env, exploration_initial_eps=0.5, exploration_final_eps=0.5)
    observations = np.repeat(env.reset()[:1], 400, axis=0)
    greedy, _ = model.predict(observations, deterministic=True)
    assert (greedy == greedy[0]).all()
    actions, _ = model.predict(observations)
    changed = actions != greedy
    # A coin of 0.5, then one of two values: a quarter differs, at either level, and independently.
    assert changed.mean(axis=0) == pytest.approx([0.25, 0.25], abs=0.08)
    assert changed.all(axis=1).mean() == pytest.approx(1 / 16, abs=0.05)
    one, _ = model.predict(observations[0])
    assert one.shape == (2,)


def test_epsilon_falls_in_stairs_or_linearly(env):
    model = agent(env, exploration_initial_eps=0.5, exploration_final_eps=0.1, exploration_steps=400)
    seen = {}
    for stairs in (0, 4):
        model.exploration_stairs = stairs
        for steps in (0, 50, 99, 100, 399, 400, 900):
            model.num_timesteps = steps
            seen[stairs, steps] = round(model.exploration_rate, 3)
    assert [seen[4, steps] for steps in (0, 99, 100, 399, 400, 900)] == [0.5, 0.5, 0.4, 0.2, 0.1, 0.1]
    assert [seen[0, steps] for steps in (0, 50, 100, 400, 900)] == [0.5, 0.45, 0.4, 0.1, 0.1]


def test_targets_are_copied_every_so_many_updates(env):
    model = agent(env, target_update_interval=1_000).learn(48)
    pairs = list(zip(model.policy.q.parameters(), model.policy.q_target.parameters(), strict=True))
    assert not all(torch.equal(one, other) for one, other in pairs)
    model.target_update_interval = 1
    model.learn(4, reset_num_timesteps=False)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_it_starts_from_weights_that_saw_no_tool_and_other_crops(env, pictures, toy_toolset):
    larger = make_vec_env(n_envs=4, images=pictures, toolset=toy_toolset, crop_size=20)
    seeing = make_vec_env(n_envs=4, images=pictures, toolset=toy_toolset, crop_size=16, observe_tool=True)
    before, model = agent(larger).learn(40).policy.q.eval(), agent(seeing)
    model.policy.start_from(before)
    images = torch.rand(2, 3, 16, 16)
    model.policy.set_training_mode(False)
    with torch.no_grad():
        for number in (0, 3):
            shown = torch.cat([images, torch.full((2, 1, 16, 16), number / 255)], dim=1)
            for network in (model.policy.q, model.policy.q_target):
                assert torch.allclose(network(shown), before(images), atol=1e-5)
    with pytest.raises(ValueError, match="another architecture"):
        agent(env, policy_kwargs={"width": 16}).policy.start_from(before)
    with pytest.raises(ValueError, match="squash True instead of False"):
        agent(env, policy_kwargs={**SMALL, "squash": False}).policy.start_from(before)


def test_it_starts_from_weights_that_did_not_see_the_start(env, pictures, toy_toolset):
    seeing = make_vec_env(
        n_envs=4, images=pictures, toolset=toy_toolset, crop_size=16, observe_start=True, observe_tool=True
    )
    before, model = agent(env).learn(40).policy.q.eval(), agent(seeing)
    model.policy.start_from(before)
    model.policy.set_training_mode(False)
    images = torch.rand(2, 3, 16, 16)
    shown = torch.cat([images, torch.rand(2, 3, 16, 16), torch.full((2, 1, 16, 16), 3 / 255)], dim=1)
    with torch.no_grad():
        assert torch.allclose(model.policy.q(shown), before(images), atol=1e-5)
    network = model.learn(40).policy.q.eval()
    with torch.no_grad():
        values = network(shown)
        shown[:, 3:6] = images
        assert not torch.allclose(network(shown), values, atol=1e-5), "it has learned to look at the start"
    with pytest.raises(ValueError, match="another architecture"):
        agent(env).policy.start_from(model.policy.q)


def test_it_starts_from_weights_that_did_not_see_traces(env):
    before, model = agent(env).learn(40).policy.q.eval(), agent(env, policy_kwargs={**SMALL, "traces": True})
    model.policy.start_from(before)
    model.policy.set_training_mode(False)
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        for network in (model.policy.q, model.policy.q_target):
            assert torch.allclose(network(images), before(images), atol=1e-5)
    learned = model.learn(40).policy.q.ds.second[-1].weight
    assert learned.abs().max() > 0
    again = agent(env, policy_kwargs={**SMALL, "traces": True})
    again.policy.start_from(model.policy.q)
    assert torch.equal(again.policy.q.ds.second[-1].weight, learned)
    with pytest.raises(ValueError, match="another architecture"):
        agent(env).policy.start_from(model.policy.q)


@pytest.fixture
def telling(pictures, toy_toolset):
    return make_vec_env(n_envs=4, images=pictures, toolset=toy_toolset, crop_size=16, max_steps=3, full_feedback=True)


def test_full_feedback_by_hand(telling):
    model = filled(agent(telling, full_feedback=True, gamma=0.0, augment=False), telling)
    model.policy.set_training_mode(False)
    batch = model.learning.sample(model.replay_buffer, 32)
    assert batch.images.shape == (32, 3, 16, 16)
    assert batch.gains.shape == (32, 2, 2)
    goal = model.policy.q.encode(batch.gains)
    with torch.no_grad():
        expected = torch.nn.functional.smooth_l1_loss(model.policy.q.degree_values(batch.images), goal).item()
    assert model._update_degrees(batch)[0] == pytest.approx(expected, rel=1e-4)


def test_feedback_goes_with_its_image(pictures, toy_toolset):
    def brightness(images, references):
        return 100 * images.square().mean(dim=(1, 2, 3))

    env = make_vec_env(
        n_envs=4, images=pictures, toolset=toy_toolset, crop_size=16, max_steps=3, full_feedback=True, reward=brightness
    )
    sample = filled(agent(env, full_feedback=True, gamma=0.0), env).replay_buffer.sample(64)
    images = sample.images.float() / 255
    for kind, degree in toy_toolset.cells:
        brightened = toy_toolset.apply(images, (kind, degree))
        gains = brightness(brightened, None) - brightness(images, None)
        assert torch.allclose(sample.gains[:, kind, degree], gains, atol=0.05)  # observed in 8 bits


def test_full_feedback_is_saved_loaded_and_goes_on(telling, tmp_path):
    model = agent(telling, full_feedback=True, gamma=0.0).learn(48)
    model.save(tmp_path / "model.safetensors")
    model.save_replay_buffer(tmp_path / "memory.safetensors")
    again = HIRL.load(tmp_path / "model.safetensors", env=telling)
    again.load_replay_buffer(tmp_path / "memory.safetensors")
    for name in ("observations", "gains"):
        assert np.array_equal(getattr(again.replay_buffer, name), getattr(model.replay_buffer, name))
    assert again.replay_buffer.size() == model.replay_buffer.size() == 12
    assert again.learn(48, reset_num_timesteps=False).replay_buffer.size() == 16, "full"


def test_full_feedback_without_it_is_refused(env, telling):
    with pytest.raises(ValueError, match="make that with full_feedback=True, too"):
        agent(env, full_feedback=True, gamma=0.0).learn(4)
    for settings in ({"gamma": 0.9}, {"gamma": 0.0, "type_target": "transition"}, {"gamma": 0.0, "n_steps": 2}):
        with pytest.raises(ValueError, match="full_feedback teaches what each tool gains at once"):
            agent(telling, full_feedback=True, **settings)


def test_averages_over_time_act(env, tmp_path):
    model = agent(env, tau=0.2, target_update_interval=1).learn(48)
    model.save(tmp_path / "model.safetensors")
    again = HIRL.load(tmp_path / "model.safetensors", env=env)
    images = model.policy.seen(model.policy.obs_to_tensor(env.reset())[0])
    for one in (model, again):
        assert one.policy.acting is one.policy.q_target
        with torch.no_grad():
            assert torch.equal(one.policy.acting(images), model.policy.q_target(images))
            assert not torch.allclose(one.policy.q(images), model.policy.q_target(images))
    assert agent(env).policy.acting is not agent(env).policy.q_target


def test_averages_of_a_young_training_forget_its_random_beginning(env):
    model = agent(env, tau=1e-9, target_update_interval=1)
    beginning = [parameter.detach().clone() for parameter in model.policy.q.parameters()]
    model.learn(48)
    now = list(model.policy.q.parameters())

    def distance(parameters):
        return sum((one - other).square().sum() for one, other in zip(parameters, now, strict=True))

    assert distance(model.policy.q_target.parameters()) < 0.2 * distance(beginning)


def filled(model, env, steps: int = 16):
    """The model with that many transitions in memory, and no update made."""
    model.learning_starts = 10**9
    return model.learn(steps)


@pytest.mark.parametrize("may_stop", [True, False])
@pytest.mark.parametrize("double_q", [True, False])
@pytest.mark.parametrize("squash", [True, False])
def test_degree_targets_by_hand(env, may_stop, double_q, squash):
    policy = {**SMALL, "squash": squash}
    model = filled(agent(env, may_stop=may_stop, double_q=double_q, policy_kwargs=policy), env)
    model.policy.set_training_mode(False)
    for parameter in [*model.policy.q.parameters(), *model.policy.q_target.parameters()]:
        torch.nn.init.normal_(parameter, std=0.05)
    batch = model.learning.sample(model.replay_buffer, 8)
    with torch.no_grad():
        online = model.policy.q.degree_values(batch.next_images).reshape(8, -1)
        target = model.policy.q_target.degree_values(batch.next_images).reshape(8, -1)
        best = [int((online if double_q else target)[row].argmax()) for row in range(8)]
        values = [float(target[row, best[row]]) for row in range(8)]
        if squash:
            values = [math.copysign((abs(value) / 2 + 1) ** 2 - 1, value) for value in values]
        expected = [
            float(batch.rewards[row]) + float(batch.discounts[row]) * (max(0.0, value) if may_stop else value)
            for row, value in enumerate(values)
        ]
        if squash:
            expected = [math.copysign(2 * math.sqrt(1 + abs(value)) - 2, value) for value in expected]
        found = model.learning.bootstrapped(batch, lambda network: network.degree_values(batch.next_images).flatten(1))
        assert found.tolist() == pytest.approx(expected, abs=1e-5)
    # Truncation is no end: it bootstraps.
    assert batch.discounts.tolist() == pytest.approx([0.9] * 8)


def test_n_step_targets_sum_rewards(env):
    model = filled(agent(env, n_steps=2), env)
    discounts = set(np.round(model.learning.sample(model.replay_buffer, 64).discounts.tolist(), 4))
    assert discounts <= {0.9, 0.81}
    assert 0.81 in discounts


def test_an_n_step_agent_is_loaded_as_one(env, tmp_path):
    agent(env, n_steps=2).save(tmp_path / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = HIRL.load(tmp_path / "model.safetensors", env=env)
    assert isinstance(again.replay_buffer, NStepReplayBuffer)
    assert again.replay_buffer.n_steps == 2
    assert HIRL.load(tmp_path / "model.safetensors", env=env, n_steps=1).replay_buffer_kwargs == {}


def test_stacks_of_images_are_refused(env):
    for count in (2, 3):  # six channels might be the start and the image
        with pytest.raises(ValueError, match="leave stacks of images out"):
            agent(VecFrameStack(env, count))


def test_the_paper_updates_degrees_from_the_newest_transition(pictures, toy_toolset):
    env = make_vec_env(n_envs=1, images=pictures, toolset=toy_toolset, crop_size=16)
    settings = {"degree_updates": "online", "type_target": "transition", "learning_starts": 0, "batch_size": 30}
    with pytest.raises(ValueError, match="does not go with norm='batch'"):
        agent(env, **settings)
    policy = {**SMALL, "degree_head": "blind", "norm": "group"}
    model = agent(env, **settings, policy_kwargs=policy, loss="mse")
    before = [value.clone() for value in model.policy.q.ts.parameters()]
    degrees_before = [value.clone() for value in model.policy.q.ds.parameters()]
    model.learn(20)
    # The memory does not hold a batch yet: TS has not moved, DS has moved with every transition.
    assert all(torch.equal(*pair) for pair in zip(before, model.policy.q.ts.parameters(), strict=True))
    assert not all(torch.equal(*pair) for pair in zip(degrees_before, model.policy.q.ds.parameters(), strict=True))
    newest = model.learning.newest(model.replay_buffer)
    last = (model.replay_buffer.pos - 1) % model.replay_buffer.buffer_size
    assert newest.rewards.tolist() == model.replay_buffer.rewards[last].tolist()
    assert newest.degrees.tolist() == model.replay_buffer.actions[last][:, 1].tolist()
    model.learn(15, reset_num_timesteps=False)
    assert not all(torch.equal(*pair) for pair in zip(before, model.policy.q.ts.parameters(), strict=True))


def test_augmentation_turns_both_images_alike(env):
    model = filled(agent(env, augment=True), env)
    np.random.seed(3)
    batch = model.learning.sample(model.replay_buffer, 8)
    memory = model.replay_buffer
    originals = torch.as_tensor(memory.observations[: memory.pos]).flatten(0, 1).float() / 255
    followers = torch.as_tensor(memory.next_observations[: memory.pos]).flatten(0, 1).float() / 255
    for image, after in zip(batch.images, batch.next_images, strict=True):
        assert any(
            torch.allclose(image, turned(one), atol=1e-6) and torch.allclose(after, turned(two), atol=1e-6)
            for one, two in zip(originals, followers, strict=True)
            for turned in [lambda x, k=k, m=m: (x.rot90(k, (1, 2)).flip(2) if m else x.rot90(k, (1, 2)))
                           for k in range(4) for m in range(2)]
        )  # fmt: skip


@pytest.mark.parametrize(("gamma", "looked_at"), [(0.0, 1), (0.9, 2)])
def test_next_images_are_looked_at_only_where_they_count(env, monkeypatch, gamma, looked_at):
    model = filled(agent(env, gamma=gamma), env)
    looks, seen = [], model.policy.seen
    monkeypatch.setattr(model.policy, "seen", lambda images: looks.append(images) or seen(images))
    model.train(1, 8)
    assert len(looks) == looked_at


def test_evaluation_mode_leaves_statistics_alone(env):
    model = agent(env, policy_kwargs={"width": 8, "norm": "batch"})
    model.learn(24)
    statistics = [value.clone() for name, value in model.policy.q.named_buffers() if "running" in name]
    model.predict(env.reset(), deterministic=True)
    after = [value for name, value in model.policy.q.named_buffers() if "running" in name]
    assert all(torch.equal(*pair) for pair in zip(statistics, after, strict=True))
    assert not model.policy.q_target.training


def test_the_end_of_an_episode_is_worth_nothing(pictures, toy_toolset):
    env = make_vec_env(n_envs=4, images=pictures, toolset=toy_toolset, crop_size=16, stop="no_gain")
    model = filled(agent(env), env, 60)
    ended = model.replay_buffer.dones[: model.replay_buffer.pos] * (
        1 - model.replay_buffer.timeouts[: model.replay_buffer.pos]
    )
    assert ended.any(), "some random actions gained nothing"
    batch = model.learning.sample(model.replay_buffer, 256)
    stopped = batch.rewards == 0
    assert stopped.any()
    assert not stopped.all()
    assert (batch.discounts[stopped] == 0).all()
    assert batch.discounts[~stopped].tolist() == pytest.approx([0.9] * int((~stopped).sum()))


def test_target_networks_get_the_statistics_of_batch_norm(env):
    model = agent(env, policy_kwargs={"width": 8, "norm": "batch"}, target_update_interval=1).learn(24)
    states = model.policy.q.state_dict(), model.policy.q_target.state_dict()
    running = [name for name in states[0] if "running" in name]
    assert running
    assert all(torch.equal(states[0][name], states[1][name]) for name in running)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"policy_kwargs": {**SMALL, "degree_head": "blind"}}, "says nothing about types"),
        ({"buffer_size": 16, "batch_size": 32}, "holds no batch of 32"),
        ({"degree_updates": "online", "n_steps": 2, "policy_kwargs": {**SMALL, "norm": "group"}}, "single steps"),
        ({"target_update_interval": 0}, "target_update_interval must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"exploration_final_eps": 1.5}, "lie in 0 to 1, got 1.5"),
        ({"gamma": 2.0}, "gamma must lie in 0 to 1, got 2.0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm must be at least 0, got -1.0"),
        ({"exploration_steps": -5}, "exploration_steps must be at least 0, got -5"),
    ],
)
def test_settings_that_cannot_work_are_refused(env, settings, words):
    with pytest.raises(ValueError, match=words):
        agent(env, **settings)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"degree_head": "blind"}, "says nothing about types"),
        ({"buffer_size": 16, "batch_size": 32}, "holds no batch of 32"),
        ({"degree_updates": "online", "norm": "group", "n_steps": 2}, "single steps"),
        ({"degree_updates": "online"}, "does not go with norm='batch'"),
        ({"full_feedback": True, "gamma": 0.9}, "looks no further"),
        ({"width": 12}, "width must be a multiple of 8, got 12"),
        ({"train_freq": 0}, "train_freq must be at least 1, got 0"),
    ],
)
def test_a_configuration_says_before_a_training_what_cannot_work(options, words):
    with pytest.raises(ValueError, match=words):
        HIRLConfig(**options).check()


def test_updates_that_had_nothing_to_learn_from_are_not_counted(env):
    model = HIRL(env=env, learning_starts=0, batch_size=64, buffer_size=64, policy_kwargs={"width": 8}).learn(8)
    assert model._n_updates == 0
