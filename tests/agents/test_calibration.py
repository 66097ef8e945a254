import numpy as np
import pytest
import torch

from hirl_agents.agent import QAgent
from hirl_agents.calibration import FullPaths, doubt_and_margins, full_paths, stop_margins
from hirl_agents.rollout import rollout
from hirl_env import Restoration, measures
from hirl_env.tools.toolset import Toolset
from tests.conftest import add


@pytest.fixture
def start(toy_toolset) -> Restoration:
    """Pictures that need brightening by 3, 4 and 5 of 255."""
    restoration = Restoration(toy_toolset, measures.resolve("psnr"))
    images = torch.tensor([97.0, 96.0, 95.0]).view(3, 1, 1, 1).expand(3, 3, 12, 12) / 255
    restoration.begin(images, torch.full_like(images, 100 / 255))
    return restoration


def brighten(bias: float):
    """Values +1 step by step at what is still missing, in units of 255, and ``bias`` too high."""

    def values(images: torch.Tensor) -> torch.Tensor:
        missing = 100 - images[:, 0, 0, 0] * 255 + bias
        return torch.stack([missing, missing - 9, missing - 9, missing - 9], dim=1).unflatten(1, (2, 2))

    return values


@pytest.mark.parametrize("bias", [0.01, 0.6, 1.7])
def test_the_margin_makes_up_for_values_that_are_too_high(start, bias):
    late = rollout(start, brighten(bias), 7)
    assert late.trials.tolist() != [3, 4, 5]
    margins = stop_margins(full_paths([start], brighten(bias), 7), per_tool=False)
    margin = margins[0]
    assert bias - 1e-3 <= margin < bias + 1
    in_time = rollout(start, lambda images: brighten(bias)(images) - margin - 1e-6, 7)
    assert in_time.trials.tolist() == [3, 4, 5]


def test_no_margin_where_none_is_needed(start):
    paths = full_paths([start], brighten(-0.01), 7)
    for per_tool in (False, True):
        margins = stop_margins(paths, per_tool)
        assert (margins == 0).all()
        assert margins.flags.writeable, "PyTorch warns about others"


def test_values_that_are_too_low_are_raised(start):
    paths = full_paths([start], brighten(-1.5), 7)
    margins = stop_margins(paths, per_tool=False)
    margin = margins[0]
    assert -1.5 <= margin < -0.5
    in_time = rollout(start, lambda images: brighten(-1.5)(images) - margin - 1e-6, 7)
    assert in_time.trials.tolist() == [3, 4, 5]
    assert paths.objective(margins) == pytest.approx((start.worth(in_time.state) - start.worth(start.state)).mean())


def test_each_tool_has_a_margin_of_its_own(start):
    def values(images: torch.Tensor) -> torch.Tensor:
        """Four too low before the first tool, half too high after it."""
        first = images[:, 3, 0, 0] == 0
        bias = torch.where(first, -4.0, 0.5)[:, None, None]
        return brighten(0)(images[:, :3]) + bias

    agent = QAgent(values, sees_tool=True)
    assert rollout(start, agent, 7).trials.tolist() != [3, 4, 5]
    margins = stop_margins(full_paths([start], agent, 7), per_tool=True)
    assert margins[0] < -1
    assert 0.5 - 1e-3 <= margins[1] < 1.5

    def in_time(images: torch.Tensor) -> torch.Tensor:
        tools = (images[:, 3, 0, 0] * 255).round().long()
        return values(images) - torch.as_tensor(margins)[tools].float()[:, None, None] - 1e-6

    assert rollout(start, QAgent(in_time, sees_tool=True), 7).trials.tolist() == [3, 4, 5]


def test_a_bound_on_harm_stops_an_agent_that_gains_on_average_and_harms_some(start):
    # The first needs eight levels more, and the others none: what is worth most on average ruins these.
    images = torch.tensor([92.0, 100.0, 100.0]).view(3, 1, 1, 1).expand(3, 3, 12, 12) / 255
    start.begin(images, torch.full_like(images, 100 / 255))

    def eight_brighter(images: torch.Tensor) -> torch.Tensor:
        values = torch.tensor([[-1.0, 2.0], [-1.0, -1.0]]).repeat(len(images), 1, 1)
        values[:, 0, 1] = torch.where(images[:, 0, 0, 0] * 255 < 99, 2.0, 1.0)
        return values

    capped = full_paths([start], eight_brighter, 1, most=20.0)
    free = stop_margins(capped, per_tool=False)
    assert free[0] < 1, "scores beyond 20 do not count, so that nothing is lost"
    strict = stop_margins(full_paths([start], eight_brighter, 1, most=50.0), per_tool=False, harm=0.0)
    assert 1 <= strict[0] < 2


def test_a_step_on_a_perfect_image_is_harm_even_where_the_loss_does_not_count(start):
    images = torch.tensor([92.0, 100.0, 100.0]).view(3, 1, 1, 1).expand(3, 3, 12, 12) / 255
    start.begin(images, torch.full_like(images, 100 / 255))

    def one_brighter(images: torch.Tensor) -> torch.Tensor:
        values = torch.tensor([[2.0, -1.0], [-1.0, -1.0]]).repeat(len(images), 1, 1)
        values[:, 0, 0] = torch.where(images[:, 0, 0, 0] * 255 < 99, 2.0, 1.0)
        return values

    # One level off is 48.1 dB: nothing to a measure of at most 40.
    paths = full_paths([start], one_brighter, 1, most=40.0)
    assert paths.perfect.tolist() == [False, True, True]
    assert (paths.gains[1:] == 0).all()
    careless, careful = (stop_margins(paths, per_tool=False, harm=harm) for harm in (1.0, 0.3))
    assert careless[0] < 1 <= careful[0] < 2


def test_a_first_step_that_nobody_sees_ends_a_path_as_it_ends_a_rollout(start):
    toolset = Toolset({"brighten": [add(0.5), add(2)]})
    restoration = Restoration(toolset, start.measure)
    images = torch.tensor([96.0, 97.5, 99.5]).view(3, 1, 1, 1).expand(3, 3, 12, 12) / 255
    restoration.begin(images, torch.full_like(images, 100 / 255))

    def two_then_half(images: torch.Tensor) -> torch.Tensor:
        missing = 100 - images[:, 0, 0, 0] * 255
        return torch.stack([torch.ones_like(missing), missing], dim=1)[:, None]

    paths = full_paths([restoration], two_then_half, 2)
    assert paths.unseen.tolist() == [False, False, True]
    result = rollout(restoration, two_then_half, 2).state
    assert result.paths == [((0, 1), (0, 1)), ((0, 1), (0, 0)), ()]
    assert paths.objective(np.zeros(1)) == pytest.approx(result.gains.mean())


def test_a_doubt_is_chosen_that_tells_good_images_from_others(start):
    # Half of the images need one level more and half none; the values are alike, but of those that need none the
    # turns disagree.
    rng = np.random.default_rng(0)
    halves = []
    for _ in range(2):
        needs = np.arange(60) % 2 == 0
        values = 1.0 + rng.uniform(0, 0.5, (60, 1))
        gains = np.stack([np.zeros(60), np.where(needs, 2.0, -1.0)], axis=1)
        doubts = np.where(needs, 0.1, 0.6)[:, None]
        tools, no = np.zeros((60, 1), np.int64), np.zeros(60, np.bool_)
        halves.append(FullPaths(values, doubts, gains, tools, no, no, 4))
    doubt, margins = doubt_and_margins(halves, per_tool=False, harm=0.0)
    assert doubt > 0
    both = halves[0] + halves[1]
    assert both.doubted(doubt).objective(margins, harm=0.0) == 1.0
    assert both.objective(stop_margins(both, per_tool=False, harm=0.0), harm=0.0) < 0.5


@pytest.mark.parametrize("per_tool", [False, True])
def test_an_agent_that_harms_the_images_that_it_is_surest_of_does_nothing_where_nothing_may_be_harmed(per_tool):
    values = np.linspace(1, 2, 20)[:, None]
    gains = np.where(values > 1.8, -1.0, 5.0)
    tools, no = np.zeros((20, 1), np.int64), np.zeros(20, np.bool_)
    paths = FullPaths(values, np.zeros((20, 1)), np.hstack([np.zeros((20, 1)), gains]), tools, no, no, 4)
    harmed = float((gains < 0).mean())
    free, bound = (stop_margins(paths, per_tool, harm) for harm in (harmed, 0.0))
    assert (paths.harm(free), paths.objective(free)) == (harmed, gains.mean())
    assert (paths.harm(bound), paths.objective(bound)) == (0, 0)


def test_doubt_is_what_an_agent_that_doubts_says_at_the_same_steps(start):
    def doubting(images: torch.Tensor) -> torch.Tensor:
        return brighten(0)(images) - images[:, 0, 0, 0, None, None]

    paths = full_paths([start], brighten(0), 3, doubting=doubting)
    levels = np.array([[97, 98, 99], [96, 97, 98], [95, 96, 97]]) / 255
    assert paths.doubts == pytest.approx(levels, abs=1e-5)
    assert paths.doubted(2).values == pytest.approx(paths.values - 2 * levels, abs=1e-5)
    assert (full_paths([start], brighten(0), 3).doubts == 0).all()
