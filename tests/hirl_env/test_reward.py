"""A price on compute: what rewards are then, and what searches take for best."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import hirl_env  # noqa: F401  (registers the ids)
from hirl_agents.search import greedy
from hirl_env import Restoration, Rules, Toolset, measures
from hirl_env.reward import Reward, rewards

PRICE = 500.0  # dB per GFLOP: tools on small images cost little


def begun(toolset: Toolset, price: float, **rules: object) -> Restoration:
    restoration = Restoration(toolset, measures.resolve("psnr"), Rules(**rules), price=price)
    images = torch.stack([torch.full((3, 16, 16), value / 255) for value in (90, 100, 109)])
    restoration.begin(images, torch.full_like(images, 110 / 255))
    return restoration


@pytest.mark.parametrize(
    ("text", "measure", "price"),
    [
        ("psnr", "psnr", 0),
        ("psnr - 0.05*cost", "psnr", 0.05),
        ("ssim-1e-3 * cost", "ssim", 1e-3),
        ("psnr - cost", "psnr", 1),
        ("hirl-biqa - 2*cost", "hirl-biqa", 2),
        ("0.5*psnr + 10*ssim - .1*cost", "0.5*psnr + 10*ssim", 0.1),
    ],
)
def test_a_price_on_cost_ends_a_reward(text, measure, price):
    reward = rewards.resolve(text)
    assert (reward.measure.name, reward.price) == (measure, price)
    assert rewards.resolve(reward) is reward


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("psnr + 0.1*cost", "the price on cost comes last, as in 'psnr - 0.05\\*cost'"),
        ("-0.1*cost + psnr", "the price on cost comes last"),
        ("psnr - -0.1*cost", "the price on cost comes last"),
        ("pnsr - 0.1*cost", "unknown measure 'pnsr'"),
        ("psnr - 1e999*cost", "must be at least 0 and finite"),
    ],
)
def test_other_prices_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        rewards.resolve(value)


def test_a_price_is_not_negative(costly_toolset):
    with pytest.raises(ValueError, match="at least 0 and finite, got -1"):
        Reward(measures.resolve("psnr"), -1)
    with pytest.raises(ValueError, match="at least 0 and finite, got nan"):
        begun(costly_toolset, float("nan"))


def test_the_cost_is_that_of_the_tools_for_the_image(costly_toolset):
    restoration = begun(costly_toolset, 0, stop_action=True)
    restoration.step([[0, 0], [1, 0], [2, 0]])
    layer = 2 * 81 * 16 * 16 / 1e9
    assert restoration.state.costs == pytest.approx([layer, 2 * layer, 0])
    restoration.step([[0, 1], [1, 1]], np.array([0, 1]))
    assert restoration.state.costs == pytest.approx([2 * layer, 2 * layer, 0])


@pytest.mark.parametrize("rules", [{}, {"stop": "no_gain"}, {"stop": "below_start"}, {"stop_action": True}])
def test_rewards_sum_to_the_gain_less_the_price_of_the_whole_cost(costly_toolset, rules):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        restoration = begun(costly_toolset, PRICE, max_steps=5, **rules)
        total = np.zeros(3)
        while not restoration.state.ended.all():
            rows = np.flatnonzero(~restoration.state.ended)
            actions = np.stack(
                [rng.integers(2 + ("stop_action" in rules), size=len(rows)), rng.integers(2, size=len(rows))], 1
            )
            total[rows] += restoration.step(actions, rows).gains
        state = restoration.state
        assert total == pytest.approx(state.scores - state.first_scores - PRICE * state.costs)


def test_a_step_that_gains_less_than_it_costs_is_taken_back(costly_toolset):
    assert begun(costly_toolset, 0, stop="no_gain").step([[1, 0]] * 3).terminated.tolist() == [False, False, True]
    restoration = begun(costly_toolset, 1e6, stop="no_gain")
    outcome = restoration.step([[1, 0]] * 3)
    assert outcome.terminated.all()
    assert outcome.gains.tolist() == restoration.state.costs.tolist() == [0, 0, 0]


def test_full_feedback_is_less_the_price(costly_toolset):
    outcome = begun(costly_toolset, PRICE).step([[1, 0]] * 3, try_all=True)
    for cell in costly_toolset.cells:
        assert outcome.tool_gains[:, cell[0], cell[1]] == pytest.approx(
            begun(costly_toolset, PRICE).step([cell] * 3).gains
        )


def test_of_tools_that_do_the_same_a_search_takes_the_cheaper(costly_toolset):
    dearest_first = Toolset({"dear": [costly_toolset[1, 0]], "cheap": [costly_toolset[0, 1]]})
    assert greedy(begun(dearest_first, 0), 1)[0].state.paths[1] == ((0, 0),)
    assert greedy(begun(dearest_first, PRICE), 1)[0].state.paths[1] == ((1, 0),)
    assert greedy(begun(dearest_first, 1e6), 1)[0].trials.tolist() == [2, 2, 2]
    assert greedy(begun(dearest_first, 1e6), 1)[0].state.paths == [()] * 3


@pytest.mark.parametrize("vector", [False, True])
def test_environments_take_the_price_off(costly_toolset, vector):
    def made(reward):
        arguments = {"reward": reward, "toolset": costly_toolset, "crop_size": 16, "full_feedback": True}
        made = gym.make_vec("HIRL-Restore-v0", 2, **arguments) if vector else gym.make("HIRL-Restore-v0", **arguments)
        return made, made.reset(seed=0)[1]

    (free, first), (priced, told) = made("ssim"), made(f"ssim - {PRICE}*cost")
    assert np.array_equal(told["cost"], first["cost"])
    assert not np.any(told["cost"])
    action = np.array([[1, 0]] * 2 if vector else [1, 0])
    for count in (1, 2):
        reward, info = free.step(action)[1], priced.step(action)
        cost = costly_toolset.costs[1, 0] * 16**2 / 1e6
        assert info[4]["cost"] == pytest.approx(count * cost)
        assert info[4]["cost"].dtype == np.float64
        assert info[1] == pytest.approx(reward - PRICE * cost)
