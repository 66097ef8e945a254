"""The update, checked by hand, and that it learns."""

import numpy as np
import pytest
import torch

from hirl_agents.pixel_rl import PixelEnvironment, PixelRL
from hirl_agents.pixel_rl.algorithm import ActorCritic, Step, actor_critic_loss, play
from hirl_env.data.degradations import GaussianNoise
from hirl_env.data.samples import Samples


def step(log_probability, entropy, value, reward):
    return Step(*(torch.full((1, 1, 1, 1), number) for number in (log_probability, entropy, value, reward)))


def test_the_loss_by_hand():
    weight = torch.tensor(2.0, requires_grad=True)
    steps = [step(-1.0, 0.5, 0.3, 0.1), step(-2.0, 0.4, 0.2, 0.6)]
    for one in steps:
        one.log_probability.requires_grad_()
        one.entropy.requires_grad_()
        one.value.requires_grad_()
    loss = actor_critic_loss(steps, lambda returns: weight * returns)
    # Returns: 0.6, and 0.1 + 2 x 0.95 x 0.6 = 1.24. Advantages: 0.4 and 0.94.
    policy = 2.0 * 0.4 + 1.0 * 0.94 - 0.01 * (0.5 + 0.4)
    value = 0.5 * (0.4**2 + 0.94**2) / 2
    assert loss.item() == pytest.approx(policy + value, rel=1e-6)
    loss.backward()
    assert steps[0].log_probability.grad.item() == pytest.approx(-0.94)
    assert steps[1].log_probability.grad.item() == pytest.approx(-0.4)
    assert steps[0].entropy.grad.item() == pytest.approx(-0.01)
    assert steps[0].value.grad.item() == pytest.approx(-0.5 * 0.94)
    assert steps[1].value.grad.item() == pytest.approx(-0.5 * 0.4)
    # From the value's loss alone: 0.5 x 0.94 x (0.95 x 0.6).
    assert weight.grad.item() == pytest.approx(0.5 * 0.94 * 0.57)


def test_neighbours_returns_reach_a_pixel_through_the_reward_map():
    network = PixelRL(1)
    with torch.no_grad():
        network.reward_map.weight.zero_()
        network.reward_map.weight[0, 0, 16, 17] = 1.0  # looks at the pixel to the right
    shape = (1, 1, 1, 3)
    first = Step(torch.full(shape, -1.0), torch.zeros(shape), torch.zeros(shape), torch.zeros(shape))
    last = Step(torch.zeros(shape), torch.zeros(shape), torch.zeros(shape), torch.tensor([[[[0.0, 1.0, 0.0]]]]))
    loss = actor_critic_loss([first, last], network.reward_map)
    # The left pixel's return at first is 0.95, the middle's at last 1; all others are 0.
    assert loss.item() == pytest.approx((0.95 + 0.5 * (0.95**2 + 1) / 2) / 3)


@pytest.fixture
def environment(pictures):
    return PixelEnvironment(Samples(pictures, GaussianNoise(35), 16), batch=2)


def test_one_update_by_hand(environment):
    torch.manual_seed(0)
    network = PixelRL()
    steps = play(network, environment, np.random.default_rng(0), torch.Generator().manual_seed(0))
    assert len(steps) == 5
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    ActorCritic(network, lr=1e-3, episodes=10).update(steps)
    for name, value in network.named_parameters():
        # Adam's first step is lr g / (|g| + eps): its learning rate, against the gradient.
        expected = before[name] - 1e-3 * value.grad / (value.grad.abs() + 1e-8)
        torch.testing.assert_close(value.detach(), expected, atol=1e-7, rtol=1e-5)
        assert value.grad.abs().max() > 0, name


def test_steps_hold_what_the_policy_did(environment):
    network = PixelRL()
    with torch.no_grad():
        network.policy_head.weight.zero_()
        network.policy_head.bias.copy_(torch.tensor([0.0, 1, 0, 0, 0, 0, 0, 0, 0]))
    (first, *_) = play(network, environment, np.random.default_rng(0), torch.Generator().manual_seed(0))
    keep = float(np.e / (np.e + 8))
    other = (1 - keep) / 8
    kept = first.reward == 0
    assert kept.float().mean().item() == pytest.approx(keep, abs=0.08)
    torch.testing.assert_close(first.log_probability[~kept].exp(), torch.full_like(first.reward[~kept], other))
    entropy = -keep * np.log(keep) - 8 * other * np.log(other)
    torch.testing.assert_close(first.entropy, torch.full_like(first.entropy, entropy))


def test_nothing_goes_back_through_time(environment):
    network = PixelRL()
    *_, last = play(network, environment, np.random.default_rng(0), torch.Generator().manual_seed(0))
    last.log_probability.sum().backward()
    assert network.gru.gates.weight.grad.abs().max() > 0
    assert network.value[0][0].weight.grad is None


def test_the_learning_rate_falls_as_published(environment):
    learner = ActorCritic(PixelRL(), lr=1e-3, episodes=4)
    rates = []
    for _ in range(4):
        rates.append(learner.optimiser.param_groups[0]["lr"])
        learner.update(play(learner.network, environment, np.random.default_rng(0), torch.Generator().manual_seed(0)))
    assert rates == pytest.approx([1e-3 * (1 - episode / 4) ** 0.9 for episode in range(4)])


@pytest.mark.slow
def test_it_learns_to_take_noise_away(environment):
    torch.manual_seed(0)
    learner = ActorCritic(PixelRL(), lr=1e-3, episodes=1000)
    rng, sampler = np.random.default_rng(0), torch.Generator().manual_seed(0)
    rewards = []
    for _ in range(20):
        steps = play(learner.network, environment, rng, sampler)
        learner.update(steps)
        rewards.append(sum(one.reward.mean().item() for one in steps))
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) + 0.1
