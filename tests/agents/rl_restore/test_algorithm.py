"""What a user of Stable-Baselines3 relies on, and what the paper's equations say."""

import numpy as np
import pytest
import torch
from PIL import Image
from stable_baselines3.common.callbacks import StopTrainingOnMaxEpisodes
from stable_baselines3.common.utils import LinearSchedule

from hirl_agents import RLRestore, make_vec_env
from hirl_agents.common.buffers import buffer_state, fill_buffer
from hirl_agents.rl_restore.episodes import EpisodeReplayBuffer, Episodes
from hirl_agents.rollout import rollout
from hirl_env.data.degradations import Degradation, Mixture
from hirl_env.data.photographs import from_folder
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tensor_files import read_state, write_state
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset

FLAT = "HIRL-RestoreFlat-v0"


@pytest.fixture
def env(pictures, toy_toolset):
    task = {"images": pictures, "toolset": toy_toolset, "crop_size": 16, "max_steps": 3}
    return make_vec_env(FLAT, 4, stop="below_start", stop_action=True, **task)


def agent(env, **settings) -> RLRestore:
    defaults = {"learning_starts": 8, "buffer_size": 96, "batch_size": 8, "train_freq": 1, "exploration_steps": 40}
    return RLRestore(env=env, **{"policy_kwargs": {"units": 8}, "seed": 0, **defaults, **settings})


class Shift(Degradation):
    """Shifts one colour channel."""

    def __init__(self, channel: int, amount: float) -> None:
        self.channel, self.amount = channel, amount

    def _apply(self, image, rng):
        shifted = image.clone()
        shifted[self.channel] += self.amount
        return shifted


def unshift(channel: int, amount: float) -> Tool:
    shift = torch.zeros(1, 3, 1, 1)
    shift[0, channel] = -amount
    return Tool(f"unshift {channel} {amount}", lambda images: images + shift)


@pytest.mark.slow
def test_it_finds_the_tool_that_undoes_each_distortion_and_stops(tmp_path):
    for number, shade in enumerate((90, 110, 130)):
        Image.new("RGB", (16, 16), (shade, shade, shade)).save(tmp_path / f"{number}.png")
    amounts = (0.3, -0.3)
    shifts = {(0, degree): Shift(0, amount) for degree, amount in enumerate(amounts)}
    toolset = Toolset({"red": [unshift(0, amount) for amount in amounts]})

    def closeness(images, references):
        return -10 * (images - references).abs().mean(dim=(1, 2, 3))

    task = {"images": from_folder(tmp_path), "toolset": toolset, "crop_size": 16, "reward": closeness, "max_steps": 3}
    env = make_vec_env(FLAT, 16, degradation=Mixture(tuple(shifts.values())), stop_action=True, **task)
    model = RLRestore(
        env=env, seed=0, learning_rate=LinearSchedule(3e-3, 0, 1), learning_starts=160, buffer_size=3_000,
        train_freq=1, gradient_steps=4, target_update_interval=100, exploration_steps=1_500, gamma=0.5,
        policy_kwargs={"units": 16},
    )  # fmt: skip
    model.learn(2_560)
    model.save(tmp_path / "agent.safetensors")
    values = RLRestore.load(tmp_path / "agent.safetensors", device="cpu").agent(toolset)
    references = torch.full((1, 3, 16, 16), 110 / 255)
    for cell, shift in shifts.items():
        start = Restoration(toolset, measures.resolve("psnr"))
        start.begin(shift(references[0], np.random.default_rng(0))[None], references)
        result = rollout(start, values, 3, "steps")
        assert result.state.paths == [(cell,)]
        assert result.why == ["stop"]


def test_it_needs_an_action_to_stop(pictures, toy_toolset):
    env = make_vec_env("HIRL-RestoreFlat-v0", 2, images=pictures, toolset=toy_toolset, crop_size=16, max_steps=3)
    with pytest.raises(ValueError, match="stop_action=True"):
        RLRestore(env=env, buffer_size=8).learn(8)


def test_it_needs_one_flat_action_and_squares(pictures, toy_toolset):
    with pytest.raises(AssertionError, match="Discrete"):
        RLRestore(env=make_vec_env(n_envs=1, images=pictures, toolset=toy_toolset, crop_size=16))
    channels = {"images": pictures, "toolset": toy_toolset, "crop_size": 16, "observe_tool": True, "stop_action": True}
    with pytest.raises(ValueError, match=r"looks at images \(3, H, W\), got observations of shape \(4,\)"):
        RLRestore(env="CartPole-v1")
    with pytest.raises(ValueError, match="got 4 channels; leave observe_start and observe_tool False"):
        RLRestore(env=make_vec_env("HIRL-RestoreFlat-v0", 1, **channels))
    with pytest.raises(ValueError, match="halve_every must be at least 1, got 0"):
        RLRestore(halve_every=0)


def test_saved_and_loaded_it_is_the_same(env, tmp_path):
    model = agent(env, buffer_size=300).learn(48)
    model.save(tmp_path / "model.safetensors")
    model.save_replay_buffer(tmp_path / "memory.safetensors")
    again = RLRestore.load(tmp_path / "model.safetensors", env=env)
    again.load_replay_buffer(tmp_path / "memory.safetensors")
    observations, begins = env.reset(), np.ones(4, dtype=bool)
    states = [None, None]
    for _ in range(3):
        actions, states = zip(
            *(
                one.predict(observations, state, begins, True)
                for one, state in zip((model, again), states, strict=True)
            ),
            strict=True,
        )
        assert np.array_equal(*actions)
        begins = np.zeros(4, dtype=bool)
    kept, loaded = (one.policy.optimizer.state_dict()["state"] for one in (model, again))
    assert kept
    assert all(torch.equal(kept[key]["exp_avg"], loaded[key]["exp_avg"]) for key in kept)
    for one, other in zip(model.policy.q_target.parameters(), again.policy.q_target.parameters(), strict=True):
        assert torch.equal(one, other)
    assert (again.num_timesteps, again._n_updates) == (48, model._n_updates)
    size = again.replay_buffer.size()
    again.learn(16, reset_num_timesteps=False)
    assert again.num_timesteps == 64
    assert again._n_updates > model._n_updates
    assert again.replay_buffer.size() > size


def test_what_it_remembers_begins_with_the_episode(env):
    model = agent(env)
    torch.nn.init.normal_(model.policy.q.q.weight)
    torch.nn.init.normal_(model.policy.q.features.weight)
    observations = env.reset()
    _, fresh = model.predict(observations, deterministic=True)
    _, later = model.predict(observations, fresh, np.zeros(4, dtype=bool), deterministic=True)
    _, some = model.predict(observations, fresh, np.array([True, False, False, True]), deterministic=True)
    for part, first, second in zip(some[:2], fresh[:2], later[:2], strict=True):
        assert np.allclose(part[[0, 3]], first[[0, 3]], atol=1e-6)
        assert np.allclose(part[[1, 2]], second[[1, 2]], atol=1e-6)
        assert not np.allclose(first, second, atol=1e-3)
    one, state = model.predict(observations[0], deterministic=True)
    assert one.shape == ()
    assert state[0].shape == (1, 1, 8)


def test_exploration_begins_after_the_warm_up_and_is_remembered(env):
    model = agent(env, learning_starts=100, exploration_steps=400)
    rates = {}
    for steps in (0, 99, 100, 300, 500, 900):
        model.num_timesteps = steps
        rates[steps] = round(model.exploration_rate, 3)
    assert rates == {0: 1, 99: 1, 100: 1, 300: 0.55, 500: 0.1, 900: 0.1}
    model.num_timesteps = 300
    observations = np.repeat(env.reset()[:1], 500, axis=0)
    greedy, _ = model.predict(observations, deterministic=True)
    actions, state = model.predict(observations)
    assert (actions != greedy).mean() == pytest.approx(0.55 * 4 / 5, abs=0.08)
    assert np.array_equal(state[2], actions)


def test_the_learning_rate_halves(env):
    model = agent(env, learning_rate=0.01, halve_every=24).learn(48)
    (group,) = model.policy.optimizer.param_groups
    assert group["lr"] == pytest.approx(0.01 / 4)


def test_targets_are_copied_every_so_many_steps(env):
    model = agent(env, target_update_interval=32, learning_rate=0.01).learn(28)
    pairs = list(zip(model.policy.q.parameters(), model.policy.q_target.parameters(), strict=True))
    assert not all(torch.equal(one, other) for one, other in pairs)
    model.learning_starts = 10**9
    model.learn(4, reset_num_timesteps=False)
    assert all(torch.equal(one, other) for one, other in pairs)


def made_episodes() -> Episodes:
    """One of three steps, one of one (STOP) and one of two; what lies behind the ends is noise."""
    observations = torch.randint(0, 256, (3, 3, 3, 16, 16), dtype=torch.uint8)
    actions = torch.tensor([[0, 3, 1], [4, 4, 4], [2, 4, 0]])
    return Episodes(observations, actions, torch.randn(3, 3), torch.tensor([3, 1, 2]))


def test_goals_and_loss_by_hand(env):
    model = agent(env)
    torch.manual_seed(3)
    for network in (model.policy.q, model.policy.q_target):
        for linear in (network.q, network.features):
            torch.nn.init.normal_(linear.weight)
    episodes = made_episodes()
    goals = model._goals(episodes)
    losses = []
    for row, length in enumerate((3, 1, 2)):
        values = {}
        for name in ("q", "q_target"):
            network, state, last = getattr(model.policy, name), None, -1
            values[name] = []
            for step in range(length):
                with torch.no_grad():
                    image = episodes.observations[row, step][None] / 255
                    value, state = network(image, torch.tensor([last]), state)
                values[name].append(value[0])
                last = int(episodes.actions[row, step])
        errors = []
        for step in range(length):
            goal = episodes.rewards[row, step].item()
            if step + 1 < length:
                goal += 0.99 * values["q_target"][step + 1].max().item()
            assert goals[row, step].item() == pytest.approx(goal, abs=1e-4)
            error = abs(values["q"][step][episodes.actions[row, step]].item() - goal)
            errors.append(error**2 / 2 if error < 1 else error - 0.5)
        losses.append(np.mean(errors))
    loss, _ = model._update(episodes)
    assert loss == pytest.approx(np.mean(losses), abs=1e-4), "every episode weighs the same"


def test_the_memory_holds_whole_episodes(env):
    model = agent(env, buffer_size=30)
    model.learning_starts = 10**9
    model.learn(120)
    memory = model.replay_buffer
    assert memory.full
    assert memory.size() == 10
    lengths = memory.lengths[:10]
    assert set(lengths) <= {1, 2, 3}
    for row in range(10):
        actions = memory.actions[row, : lengths[row]]
        assert (actions[:-1] < 4).all(), "nothing follows STOP"
        assert lengths[row] == 3 or actions[-1] == 4 or memory.rewards[row, : lengths[row]].sum() < 0
    growing = memory.lengths[10:]
    model.learn(4, reset_num_timesteps=True)
    assert (memory.lengths[10:] <= 1).all(), "episodes cut off are forgotten"
    assert growing.shape == (4,)


def test_on_disk_the_memory_is_as_large_as_what_it_holds(env, tmp_path):
    memory = EpisodeReplayBuffer(3_000, env.observation_space, env.action_space, n_envs=2, max_steps=3)
    observations = np.full((2, *memory.obs_shape), 7, dtype=np.uint8)
    for done in (np.array([True, True]), np.array([True, False])):
        memory.add(observations, observations, np.array([1, 2]), np.array([0.5, 1.5]), done, [{}, {}])
    write_state(tmp_path / "memory", buffer_state(memory))
    assert (tmp_path / "memory").stat().st_size < 20 * observations.nbytes
    again = EpisodeReplayBuffer(3_000, env.observation_space, env.action_space, n_envs=2, max_steps=3)
    fill_buffer(again, read_state(tmp_path / "memory"))
    for name in ("observations", "actions", "rewards", "lengths"):
        assert np.array_equal(getattr(again, name)[:3], getattr(memory, name)[:3])
    again.add(observations, observations, np.array([1, 2]), np.array([0.5, 1.5]), np.array([True, True]), [{}, {}])
    assert again.lengths[:5].tolist() == [1, 1, 1, 1, 1], "of an episode in progress nothing is left"


def test_a_checkpoint_takes_no_second_memory(env):
    memory = EpisodeReplayBuffer(300, env.observation_space, env.action_space, n_envs=2, max_steps=3)
    observations = np.zeros((2, *memory.obs_shape), dtype=np.uint8)
    memory.add(observations, observations, np.zeros(2), np.zeros(2), np.array([True, True]), [{}, {}])
    assert all(np.shares_memory(array, getattr(memory, name)) for name, array in buffer_state(memory)["arrays"].items())


def test_long_episodes_are_drawn_more_often_and_too_long_ones_refused(env):
    memory = EpisodeReplayBuffer(30, env.observation_space, env.action_space, n_envs=2, max_steps=3)
    observations = np.zeros((2, *memory.obs_shape), dtype=np.uint8)
    for step in range(3):
        done = np.array([True, step == 2])
        memory.add(observations + step, observations, np.array([4, step]), np.array([-1.0, step]), done, [{}, {}])
    assert memory.size() == 4
    assert memory.lengths[:4].tolist() == [1, 1, 1, 3]
    np.random.seed(0)
    drawn = memory.sample(600)
    assert (drawn.lengths == 3).float().mean() == pytest.approx(0.5, abs=0.06)
    longest = int(drawn.lengths.argmax())
    assert drawn.actions[longest].tolist() == [0, 1, 2]
    assert drawn.rewards[longest].tolist() == [0, 1, 2]
    assert drawn.observations[longest].flatten(1).unique(dim=1).flatten().tolist() == [0, 1, 2]
    for step in range(4):
        if step == 3:
            with pytest.raises(ValueError, match=r"longer than max_steps=3, those of the environment"):
                memory.add(observations, observations, np.zeros(2), np.zeros(2), np.zeros(2), [{}, {}])
        else:
            memory.add(observations, observations, np.zeros(2), np.zeros(2), np.zeros(2), [{}, {}])
    with pytest.raises(ValueError, match="holds no episode"):
        EpisodeReplayBuffer(2, env.observation_space, env.action_space, max_steps=3)


def test_learning_goes_on_after_a_callback_has_stopped_it(env):
    model = agent(env)
    # The step that ends an episode is the one that is not stored.
    model.learn(100, callback=StopTrainingOnMaxEpisodes(3))
    model.learn(60, reset_num_timesteps=False)
    lengths = model.replay_buffer.sample(200).lengths
    assert lengths.max() <= 3
