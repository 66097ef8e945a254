"""What methods are charged: the tools of a path, and whatever was computed."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hirl_agents.loading import load_agent
from hirl_agents.networks import FlatQ
from hirl_env.data.degradations import degradations
from hirl_experiments.evaluation.methods import Chain, Distorted, Greedy, follow
from hirl_experiments.evaluation.runner import Runner
from hirl_experiments.evaluation.sampling import evaluation_samples

SIDE = 16


def test_a_clean_image_counts_no_more_than_what_can_be_seen(pictures, toy_toolset):
    runs = {"distorted": Distorted().open("distorted", toy_toolset)}
    samples = list(evaluation_samples(pictures, degradations.resolve("clean"), SIDE, 1, 0))
    (row,) = Runner(runs, toy_toolset, "float32").rows(samples, len(samples), "clean")
    assert (row.psnr, row.gain) == (50, 0)


def test_all_that_was_computed_is_counted(pictures, costly_toolset):
    torch.manual_seed(0)
    network = FlatQ(2, 2, width=8, view=SIDE, max_steps=1).eval()
    agent = follow(load_agent(network, costly_toolset), costly_toolset, "agent", "steps", None)
    runs = {
        "chain": Chain(("cheap-1", "dear-0")).open("chain", costly_toolset),
        "search": Greedy(1).open("search", costly_toolset),
        "agent": agent,
    }
    samples = list(evaluation_samples(pictures, degradations.resolve("mild"), SIDE, 2, 0))
    measured = Runner(runs, costly_toolset, "float32").measure(samples, len(samples))
    computed = {name: sum(part["computed"] for part in parts) / len(samples) for name, parts in measured.items()}
    paths = {name: sum(sum(part["gflop"]) for part in parts) / len(samples) for name, parts in measured.items()}
    assert computed["chain"] == pytest.approx(paths["chain"])
    megapixels = SIDE**2 / 1e6
    assert computed["search"] == pytest.approx(costly_toolset.costs.sum() * megapixels), "every tool was tried"
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIDE, SIDE))
    turns = 8 * counter.get_total_flops() / 1e9
    assert computed["agent"] == pytest.approx(paths["agent"] + turns)
