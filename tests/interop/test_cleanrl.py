"""Loops in the manner of CleanRL, in a file each there: DQN and PPO on the native vector environment."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

import hirl_env  # noqa: F401  (registers the ids)


def network(outputs, side=16):
    """Outputs for images (N, H, W, 3), uint8."""
    return nn.Sequential(nn.Flatten(), nn.LayerNorm(side * side * 3), nn.Linear(side * side * 3, outputs))


def train_dqn(steps, **task):
    envs = gym.make_vec("HIRL-RestoreFlat-v0", 4, autoreset_mode="SameStep", **task)
    actions = int(envs.single_action_space.n)
    values, target = network(actions), network(actions)
    optimizer, memory = torch.optim.Adam(values.parameters(), 1e-3), []
    observations, _ = envs.reset(seed=0)
    for step in range(steps // envs.num_envs):
        chosen = values(torch.as_tensor(observations).float()).argmax(1).numpy()
        explored = np.random.rand(envs.num_envs) < 0.2
        chosen[explored] = np.random.randint(0, actions, explored.sum())
        following, rewards, terminated, truncated, infos = envs.step(chosen)
        last = following.copy()
        for ended in np.flatnonzero(terminated | truncated):
            last[ended] = infos["final_obs"][ended]
        memory += zip(observations, chosen, rewards, last, terminated, strict=True)
        observations = following
        if step % 10 == 0:
            target.load_state_dict(values.state_dict())
        batch = [memory[place] for place in np.random.randint(0, len(memory), 32)]
        seen, taken, gains, after, over = (torch.as_tensor(np.stack(part)) for part in zip(*batch, strict=True))
        with torch.no_grad():
            wanted = gains.float() + 0.9 * target(after.float()).amax(1) * ~over
        loss = nn.functional.smooth_l1_loss(values(seen.float()).gather(1, taken[:, None])[:, 0], wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return values, float(loss.detach())


def train_ppo(steps, **task):
    # In the next step after an end, whatever the action, an episode begins: that step is left out below.
    envs = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec("HIRL-Restore-v0", 4, **task))
    sizes = [int(size) for size in envs.single_action_space.nvec]
    actor, critic, length = network(sum(sizes)), network(1), 8
    optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], 1e-3)

    def heads(images):
        return [torch.distributions.Categorical(logits=each) for each in actor(images).split(sizes, dim=1)]

    observations, over = envs.reset(seed=0)[0], np.zeros(4, bool)
    for _ in range(steps // (4 * length)):
        seen, taken, gains, logs, values, begun = [], [], [], [], [], []
        for _ in range(length):
            images = torch.as_tensor(observations).float()
            with torch.no_grad():
                both = heads(images)
                action = torch.stack([head.sample() for head in both], dim=1)
                logs.append(sum(head.log_prob(part) for head, part in zip(both, action.T, strict=True)))
                values.append(critic(images)[:, 0])
            begun.append(torch.as_tensor(over))
            observations, rewards, terminated, truncated, _ = envs.step(action.numpy())
            over = terminated | truncated
            seen.append(images), taken.append(action), gains.append(torch.as_tensor(rewards).float())
        with torch.no_grad():
            value, returns = critic(torch.as_tensor(observations).float())[:, 0], []
        ends = [*begun[1:], torch.as_tensor(over)]
        for gain, end in zip(reversed(gains), reversed(ends), strict=True):
            value = gain + 0.9 * value * ~end
            returns.insert(0, value)
        kept = ~torch.cat(begun)
        images, action, log, wanted, before = (torch.cat(part)[kept] for part in (seen, taken, logs, returns, values))
        for _ in range(2):
            now = sum(head.log_prob(part) for head, part in zip(heads(images), action.T, strict=True))
            ratio, advantage = (now - log).exp(), wanted - before
            loss = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
            loss = loss + 0.5 * (critic(images)[:, 0] - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return actor, float(loss.detach()), len(envs.return_queue)


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)
    torch.manual_seed(0)


def test_dqn_learns_which_tool_to_use(small):
    values, loss = train_dqn(600, **small)
    assert np.isfinite(loss)
    images = torch.as_tensor(gym.make_vec("HIRL-RestoreFlat-v0", 16, **small).reset(seed=1)[0])
    # The weakest two tools lose least.
    assert np.isin(values(images.float()).argmax(1), [0, 2]).mean() > 0.5


def test_ppo_trains(small):
    _, loss, episodes = train_ppo(512, **small)
    assert np.isfinite(loss)
    assert episodes == 100  # as many as it remembers, of 128
