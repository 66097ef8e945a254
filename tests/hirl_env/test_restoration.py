from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hirl_env import Restoration, Rules, State, measures
from hirl_env.restoration import UNBOUNDED
from hirl_env.tools.toolset import Toolset
from tests.conftest import add


def decibels(error: float) -> float:
    """PSNR of an image that is off by ``error`` / 255 everywhere."""
    return -20 * np.log10(error / 255)


def begun(toolset, values=(100,), target=110, **rules) -> Restoration:
    """A restoration of flat grey images towards a flat grey target."""
    restoration = Restoration(toolset, measures.resolve("psnr"), Rules(**rules))
    images = torch.stack([torch.full((3, 12, 12), value / 255) for value in values])
    restoration.begin(images, torch.full_like(images, target / 255))
    return restoration


def test_a_step_by_hand(toy_toolset):
    restoration = begun(toy_toolset, (100, 104))
    outcome = restoration.step([[0, 1], [1, 0]])  # +8 and -2: the errors go from 10 and 6 to 2 and 8
    assert outcome.gains == pytest.approx([decibels(2) - decibels(10), decibels(8) - decibels(6)], abs=1e-3)
    assert restoration.state.psnr == pytest.approx([decibels(2), decibels(8)], abs=1e-3)
    assert restoration.state.paths == [((0, 1),), ((1, 0),)]
    assert restoration.tool_names(0) == ("add +8",)
    assert not outcome.terminated.any()
    assert not outcome.truncated.any()


@settings(max_examples=30)
@given(data=st.data())
def test_rewards_sum_to_final_minus_initial(data):
    toolset = Toolset({"up": [add(3), add(9)], "down": [add(-4), add(-11)]})
    stop = data.draw(st.sampled_from([None, "no_gain"]))
    restoration = begun(toolset, (90, 100, 130), max_steps=6, stop=stop, stop_action=True)
    first, total = restoration.state.scores, np.zeros(3)
    while not restoration.state.ended.all():
        rows = np.flatnonzero(~restoration.state.ended)
        actions = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 1))) for _ in rows]
        total[rows] += restoration.step(actions, rows).gains
    assert total == pytest.approx(restoration.state.scores - first)
    assert restoration.state.gains == pytest.approx(total)


def test_trying_all_tools_says_what_each_would_have_gained_and_takes_the_chosen_step(toy_toolset):
    tried, plain = (begun(toy_toolset, (100, 120, 140), stop_action=True) for _ in range(2))
    rows = np.array([2, 0])
    outcome = tried.step([[1, 0], [2, 0]], rows, try_all=True)
    assert plain.step([[1, 0], [2, 0]], rows).tool_gains is None
    assert torch.equal(tried.state.images, plain.state.images)
    assert tried.state.paths == plain.state.paths
    for cell in toy_toolset.cells:
        one_step = begun(toy_toolset, (140, 100)).step(np.array([cell, cell]))
        assert outcome.tool_gains[:, cell[0], cell[1]].tolist() == one_step.gains.tolist()
    assert outcome.gains.tolist() == [outcome.tool_gains[0, 1, 0], 0]


def test_the_beginning_stays_with_its_image(toy_toolset):
    restoration = begun(toy_toolset, (100, 104, 108))
    restoration.step([[0, 1]] * 3)
    firsts = (restoration.state.first_images * 255).round()[:, 0, 0, 0]
    assert firsts.tolist() == [100, 104, 108]
    chosen = State.join([restoration.state[[2]], restoration.state[[0, 1]]])
    assert (chosen.first_images * 255).round()[:, 0, 0, 0].tolist() == [108, 100, 104]
    restoration.begin(torch.full((1, 3, 12, 12), 90 / 255), torch.zeros(1, 3, 12, 12), np.array([1]))
    assert (restoration.state.first_images * 255).round()[:, 0, 0, 0].tolist() == [100, 90, 108]


def test_max_steps_truncates(toy_toolset):
    restoration = begun(toy_toolset, max_steps=2)
    assert not restoration.step([[0, 0]]).truncated[0]
    outcome = restoration.step([[0, 0]])
    assert outcome.truncated[0]
    assert not outcome.terminated[0]


def test_no_gain_terminates_and_takes_the_step_back(toy_toolset):
    restoration = begun(toy_toolset, (100, 100), stop="no_gain")
    outcome = restoration.step([[0, 1], [1, 1]])
    assert outcome.terminated.tolist() == [False, True]
    assert outcome.gains[1] == 0
    assert restoration.state.paths == [((0, 1),), ()]
    assert restoration.state.images[:, 0, 0, 0] * 255 == pytest.approx([108, 100], abs=1e-4)
    assert restoration.state.scores == pytest.approx([decibels(2), decibels(10)], abs=1e-3)


def test_no_change_terminates_and_takes_back_a_first_step_that_cannot_be_seen():
    toolset = Toolset({"brighten": [add(0.5), add(2)]})
    restoration = begun(toolset, (100, 100), stop="no_change")
    outcome = restoration.step([[0, 0], [0, 1]])
    assert outcome.terminated.tolist() == [True, False]
    assert outcome.gains[0] == 0
    assert restoration.state.paths == [(), ((0, 1),)]
    assert restoration.state.images[:, 0, 0, 0] * 255 == pytest.approx([100, 102], abs=1e-4)
    assert not restoration.step([[0, 0]], np.array([1])).terminated[0], "it looks other than at the beginning"


def test_below_start_terminates_and_keeps_the_step(toy_toolset):
    restoration = begun(toy_toolset, (100, 100), stop="below_start")
    outcome = restoration.step([[0, 1], [1, 1]])
    assert outcome.terminated.tolist() == [False, True]
    assert outcome.gains[1] < 0
    assert restoration.state.paths == [((0, 1),), ((1, 1),)]
    again = restoration.step([[1, 0]], np.array([0]))
    assert again.gains[0] < 0
    assert not again.terminated[0], "worse than before, and better than at the start"


def test_the_stop_action_terminates_and_changes_nothing(toy_toolset):
    restoration = begun(toy_toolset, (100, 100), stop_action=True)
    outcome = restoration.step([[2, 1], [0, 0]])
    assert outcome.terminated.tolist() == [True, False]
    assert outcome.gains[0] == 0
    assert restoration.state.paths[0] == ()
    with pytest.raises(ValueError, match=r"type must be in 0\.\.1"):
        begun(toy_toolset).step([[2, 0]])


def test_each_distinct_tool_runs_once(toy_toolset, monkeypatch):
    calls = []
    apply = type(toy_toolset).apply
    monkeypatch.setattr(
        type(toy_toolset),
        "apply",
        lambda self, images, cell, precision: calls.append((cell, len(images))) or apply(self, images, cell, precision),
    )
    begun(toy_toolset, (100,) * 5).step([[0, 1], [1, 0], [0, 1], [0, 1], [1, 0]])
    assert calls == [((0, 1), 3), ((1, 0), 2)]


def test_branches_are_independent(toy_toolset):
    trunk = begun(toy_toolset)
    branch = trunk.branch()
    branch.step([[0, 1]])
    assert trunk.state.paths == [()]
    assert trunk.state.images[0, 0, 0, 0].item() * 255 == pytest.approx(100, abs=1e-4)
    trunk.step([[1, 0]])
    assert branch.state.paths == [((0, 1),)]


def test_some_rows_go_on_alone_and_are_put_back(toy_toolset):
    restoration = begun(toy_toolset, (100, 101, 102))
    chosen = restoration.with_state(restoration.state[[2, 0]])
    chosen.step([[0, 0], [0, 1]])
    restoration = restoration.with_state(restoration.state.replace(np.array([2, 0]), chosen.state))
    assert restoration.state.paths == [((0, 1),), (), ((0, 0),)]
    assert restoration.state.images[:, 0, 0, 0] * 255 == pytest.approx([108, 101, 103], abs=1e-4)
    assert restoration.state.scores == pytest.approx([decibels(2), decibels(9), decibels(7)], abs=1e-3)


def test_rows_may_be_given_in_any_order(toy_toolset):
    restoration = begun(toy_toolset, (50, 100, 150))
    restoration.step([[0, 0], [0, 1], [1, 0]], np.array([2, 0, 1]))
    assert restoration.state.images[:, 0, 0, 0] * 255 == pytest.approx([58, 98, 151], abs=1e-4)
    assert restoration.state.paths == [((0, 1),), ((1, 0),), ((0, 0),)]


@pytest.mark.parametrize("side", [1, 4, 13])
def test_images_of_another_size_do_not_fit_the_other_rows(toy_toolset, side):
    restoration = begun(toy_toolset, (100, 104, 108))
    before = restoration.state
    other = torch.zeros(1, 3, side, side)
    with pytest.raises(ValueError, match=r"do not fit the other rows, \(3, 3, 12, 12\); begin a new batch"):
        restoration.begin(other, other, np.array([1]))
    assert restoration.state is before


def test_a_refused_beginning_leaves_what_there_is(toy_toolset, grey):
    restoration = begun(toy_toolset)
    images = restoration.state.images
    with pytest.raises(ValueError, match="compares with a reference"):
        restoration.begin(grey, None)
    assert restoration.state.images is images
    assert restoration.state.references is not None


@pytest.mark.parametrize(
    ("images", "references", "message"),
    [
        (torch.zeros(2, 3, 8, 8).double(), None, r"images must be float32 of shape \(N, 3, H, W\).*got torch.float64"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), None, "got torch.uint8"),
        (torch.zeros(3, 8, 8), None, r"of shape \(3, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8), None, r"of shape \(2, 1, 8, 8\)"),
        (torch.zeros(0, 3, 8, 8), None, r"at least one; got torch.float32 of shape \(0, 3, 8, 8\)"),
        (torch.full((2, 3, 8, 8), 255.0), None, "images must lie in 0 to 1, got 255 to 255"),
        (torch.full((2, 3, 8, 8), float("nan")), None, "images must lie in 0 to 1, got nan"),
        (torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8).half(), "references must be float32 .* got torch.float16"),
        (
            torch.zeros(2, 3, 8, 8),
            torch.zeros(1, 3, 8, 8),
            r"\(2, 3, 8, 8\) and references \(1, 3, 8, 8\) differ",
        ),
    ],
)
def test_wrong_beginnings(toy_toolset, images, references, message):
    restoration = begun(toy_toolset)
    with pytest.raises(ValueError, match=message):
        restoration.begin(images, references)
    assert restoration.state.images.shape == (1, 3, 12, 12)


def test_images_with_and_without_reference_do_not_mix(toy_toolset):
    one = begun(toy_toolset, (100, 100)).state
    other = replace(one[[0]], references=None, psnr=None)
    with pytest.raises(ValueError, match="with and without a reference"):
        one.replace(np.array([1]), other)
    for parts in ([one, other], [other, one]):
        with pytest.raises(ValueError, match="with and without a reference"):
            State.join(parts)
    assert State.join([other, other]).references is None


def test_without_references_a_blind_measure_serves(toy_toolset, grey):
    def brightness(images, references):
        return images.mean(dim=(1, 2, 3)) * 255

    restoration = Restoration(toy_toolset, measures.resolve(brightness))
    restoration.begin(grey, None)
    assert restoration.step([[0, 1]]).gains == pytest.approx([8], abs=1e-3)
    assert restoration.state.psnr is None
    with pytest.raises(ValueError, match="'psnr' compares with a reference"):
        Restoration(toy_toolset, measures.resolve("psnr")).begin(grey, None)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([[0, 2]], r"action \(0, 2\) is out of range: type must be in 0\.\.1 and degree in 0\.\.1"),
        ([[-1, 0]], r"action \(-1, 0\) is out of range"),
        ([[0.0, 1.0]], r"two integers, \(type, degree\); got float64 of shape \(2,\)"),
        ([0, 1], r"as many actions as images, 1; got an array of shape \(2,\)"),
        ([[0, 0], [0, 0]], r"as many actions as images, 1; got an array of shape \(2, 2\)"),
    ],
)
def test_wrong_actions(toy_toolset, actions, message):
    with pytest.raises(ValueError, match=message):
        begun(toy_toolset).step(actions)


def test_steps_out_of_turn(toy_toolset):
    with pytest.raises(RuntimeError, match="step before reset"):
        Restoration(toy_toolset, measures.resolve("psnr")).step([[0, 0]])
    restoration = begun(toy_toolset, max_steps=1)
    restoration.step([[0, 0]])
    with pytest.raises(RuntimeError, match=r"after the end of the episode .*call reset first"):
        restoration.step([[0, 0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_steps": 0}, "max_steps must be at least 1"),
        ({"time_limit": 0}, "time_limit must be at least max_steps"),
        ({"max_steps": 3, "time_limit": 2}, "time_limit must be at least max_steps, or None for no bound; got 2"),
        ({"stop": "never"}, "stop must be None, 'no_gain', 'no_change' or 'below_start'"),
    ],
)
def test_wrong_rules(arguments, message):
    with pytest.raises(ValueError, match=message):
        Rules(**arguments)


def test_an_unknown_precision(toy_toolset):
    with pytest.raises(ValueError, match="unknown precision"):
        Restoration(toy_toolset, measures.resolve("psnr"), precision="fp8")


def test_joined_rows_are_those_of_the_parts(toy_toolset):
    restoration = begun(toy_toolset, (100, 101, 102))
    restoration.step([[0, 0], [0, 1], [1, 0]])
    restoration.step([[0, 0]], np.array([1]))
    first = restoration.state
    joined = restoration.with_state(State.join([first[[2]], first[:2]]))
    for name, values in vars(joined.state).items():
        assert values.tolist() == vars(first)[name][[2, 0, 1]].tolist(), name
    assert joined.state.paths == [((1, 0),), ((0, 0),), ((0, 1), (0, 0))]
    joined.step([[0, 0]] * 3)
    assert joined.state.lengths.tolist() == [2, 2, 3]
    assert restoration.state.lengths.tolist() == [1, 2, 1]


def test_paths_of_other_lengths_go_side_by_side(toy_toolset):
    long, short = begun(toy_toolset), begun(toy_toolset)
    for cell in [(0, 1), (1, 0), (0, 0)]:
        long.step([cell])
    together = State.join([short.state, long.state])
    assert together.path[0].tolist() == [[-1, -1]] * 3
    assert together.paths == [(), ((0, 1), (1, 0), (0, 0))]
    assert together.replace(np.array([1]), short.state).paths == [(), ()]
    assert long.with_state(together).last_tools.tolist() == [0, 1]


def test_other_rules_go_on_after_the_end(toy_toolset):
    restoration = begun(toy_toolset, max_steps=1)
    restoration.step([[0, 0]])
    unbounded = restoration.with_rules(UNBOUNDED)
    assert not unbounded.step([[0, 0]]).truncated[0]
    assert restoration.state.ended[0], "those of the first stay"
