"""Training the blind measure: its examples, that it learns, goes on after a stop, and what it says to bad input."""

import contextlib

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from hirl_agents.loading import load_agent
from hirl_env.data.degradations import LEVELS
from hirl_env.data.images import to_tensor
from hirl_env.data.photographs import Entry, Photographs
from hirl_env.quality import measures
from hirl_env.quality.hirl_biqa import load_blind_quality
from hirl_env.tools.registry import toolsets
from hirl_experiments.commands.train_biqa import train_biqa
from hirl_experiments.training.biqa_examples import (
    FIRST,
    TEACHERS,
    VERSIONS,
    ExampleGroups,
    ExampleMaker,
    cached_examples,
    targets,
)
from hirl_experiments.training.biqa_trainer import BiqaSettings, BiqaTrainer


def always_first(images: torch.Tensor) -> torch.Tensor:
    values = torch.zeros(len(images), 2, 2)
    values[:, 0, 0] = 1
    return values


@pytest.fixture
def maker(pictures, toy_toolset) -> ExampleMaker:
    return ExampleMaker(pictures, toy_toolset, always_first, 32, "float32")


def train(folder, out, **arguments):
    settings = {"groups": 2, "hold_out": 1, "steps": 3, "batch": 2} | arguments
    train_biqa(BiqaSettings(str(folder), **settings), out, every=1, threads=1)


def test_a_group_holds_a_crop_from_clean_to_spoilt_with_its_scores(maker):
    groups = maker.make(3, np.random.default_rng(0))
    assert groups.pictures.shape == (3, VERSIONS, 32, 32, 3)
    assert groups.scores.shape == (3, VERSIONS, len(TEACHERS))
    assert np.allclose(groups.scores[:, 0], 1, atol=1e-4)
    picture, clean = (to_tensor(groups.pictures[1, version])[None] for version in (len(FIRST) + 2, 0))
    for name, score in zip(TEACHERS, groups.scores[1, len(FIRST) + 2], strict=True):
        assert measures.resolve(name).score(picture, clean).item() == pytest.approx(score, abs=1e-5)


def test_distorted_versions_are_of_one_crop_cut_from_a_larger_window(toy_toolset, tmp_path):
    # A slope, of which a strong JPEG leaves one colour a block.
    rows, columns = np.mgrid[0:150, 0:150]
    slope = np.repeat((rows + columns)[..., None] // 2, 3, axis=2).astype(np.uint8)
    Image.fromarray(slope).save(tmp_path / "slope.png")
    slope = Photographs([Entry("slope", reference=tmp_path / "slope.png")], "slope")
    groups = ExampleMaker(slope, toy_toolset, always_first, 32, "float32").make(12, np.random.default_rng(0))
    severe = groups.pictures[:, len(LEVELS)].astype(float).mean(axis=3)
    edges = np.abs(np.diff(severe, axis=2)).mean(axis=1)  # (groups, columns)
    assert len({int(edge[:24].reshape(3, 8).mean(axis=0).argmax()) for edge in edges}) > 2, "blocks begin anywhere"
    means = groups.pictures[:, : len(FIRST)].mean(axis=(2, 3, 4))
    assert np.abs(means - means[:, :1]).max() < 4, "the same crop"


def test_chains_of_tools_go_on_from_the_version_that_is_noted(maker):
    groups = maker.make(8, np.random.default_rng(1))
    steps = {1, 8, -2, -16}
    for group, parents in zip(groups.pictures.astype(int), groups.parents, strict=True):
        inner = np.all((group > 40) & (group < 215), axis=0)  # what no tool has clamped
        assert np.array_equal(parents[: len(FIRST)], np.arange(len(FIRST))), "no tool made them"
        for version in range(len(FIRST), VERSIONS):
            change = np.unique((group[version] - group[parents[version]])[inner])
            assert len(change) == 1
            assert int(change[0]) in steps
        assert 1 <= parents[len(FIRST)] <= 3, "the first chain begins with a level"


def test_an_agent_that_would_stop_takes_the_best_tool_all_the_same(pictures, toy_toolset):
    def rather_stop(images: torch.Tensor) -> torch.Tensor:
        return torch.cat([always_first(images), torch.full((len(images), 1, 2), 2.0)], dim=1)

    made = []
    for agent in (always_first, rather_stop):
        maker = ExampleMaker(pictures, toy_toolset, agent, 32, "float32")
        made.append(maker.make(2, np.random.default_rng(0)).pictures)
    assert np.array_equal(*made)


def test_groups_are_made_once_and_found_again(maker, tmp_path):
    first = cached_examples(maker, 3, 0, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = cached_examples(maker, 3, 0, tmp_path)
    assert np.array_equal(first.pictures, again.pictures)
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_clean_crops_are_the_references_and_there_must_be_one(folder, pictures, toy_toolset):
    given, clean = pictures.files[:2]
    pair = Photographs([Entry("pair", reference=clean, distorted=given)], "pairs")
    groups = ExampleMaker(pair, toy_toolset, always_first, 32, "float32").make(1, np.random.default_rng(0))
    start = next(iter(pair))
    assert any(np.array_equal(groups.pictures[0, 0], start.reference[:, column : column + 32]) for column in range(9))
    alone = Photographs([Entry("alone", distorted=given)], "folder")
    with pytest.raises(ValueError, match="folder: alone has no reference; give clean photographs"):
        ExampleMaker(alone, toy_toolset, always_first, 32, "float32").make(1, np.random.default_rng(0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_chains_of_tools_may_run_elsewhere(pictures):
    toolset = toolsets.resolve("hirl").to("cuda")
    agent = load_agent("hirl-paper", toolset)
    assert ExampleMaker(pictures, toolset, agent, 32, "float32").make(2, np.random.default_rng(0)).scores.shape[0] == 2


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_examples_are_those_of_the_settings(folder, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(BiqaTrainer, "run", stopped)
    counts = []
    for hold_out in (1, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            train(folder, tmp_path, hold_out=hold_out)
        counts.append(len(list(tmp_path.rglob("*.npz"))))
    assert counts == [2, 2, 4]


def test_targets_are_mean_ranks_from_0_to_100():
    scores = np.array([[[0.1, 5], [0.2, 9]], [[0.3, 7], [0.9, 11]]], dtype=np.float32)
    # Ranks of the first teacher are 0, 1, 2, 3, of the second 0, 2, 1, 3, of 3 in all.
    assert np.allclose(targets(scores), [[0, 50], [50, 100]])


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_it_writes_weights_a_card_and_a_log(folder, tmp_path, capsys):
    train(folder, tmp_path)
    assert f"wrote {tmp_path / 'hirl-biqa.safetensors'} and its model card" in capsys.readouterr().out
    network = load_blind_quality(tmp_path / "hirl-biqa.safetensors")
    assert network(torch.rand(2, 3, 40, 50)).shape == (2,)
    card = (tmp_path / "hirl-biqa.md").read_text()
    assert "not on what people said" in card
    assert "\nseed: 0\n" in card
    assert str(tmp_path) not in card
    lines = (tmp_path / "hirl-biqa.csv").read_text().splitlines()
    assert lines[0].startswith("step,loss,seconds,spearman ssim")
    assert len(lines) == 4


@pytest.mark.slow
def test_it_learns(tmp_path):
    levels = np.linspace(0, 255, VERSIONS)
    pictures = np.broadcast_to(levels[None, :, None, None, None], (4, VERSIONS, 32, 32, 3)).astype(np.uint8)
    scores = np.broadcast_to(levels[None, :, None], (4, VERSIONS, len(TEACHERS))).astype(np.float32)
    groups = ExampleGroups(pictures, scores, np.tile(np.maximum(np.arange(VERSIONS) - 1, 0), (4, 1)))
    trainer = BiqaTrainer(
        BiqaSettings("", 4, 1, "hirl-paper", 40, 4, 0.01, "float32", 0), tmp_path, torch.device("cpu")
    )
    trainer.set_examples(groups, groups)
    losses = [trainer.train_step()["loss"] for _ in range(15)]
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(folder, tmp_path, monkeypatch):
    train(folder, tmp_path / "whole")

    @contextlib.contextmanager
    def stopped_after_two_looks():
        looks = iter([False, False])
        yield type("Interrupts", (), {"__bool__": lambda self: next(looks, True)})()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="stopped at step 2"):
        patch.setattr("hirl_experiments.training.loop.deferred_interrupts", stopped_after_two_looks)
        train(folder, tmp_path / "cut")
    train(folder, tmp_path / "cut")
    whole, cut = (load_file(tmp_path / run / "hirl-biqa.safetensors") for run in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 0}, "--groups must be at least 1"),
        ({"steps": 0}, "--steps must be at least 1"),
        ({"hold_out": 3}, "3 of 3 pictures cannot be split off"),
    ],
)
def test_impossible_options_are_named(arguments, message, folder, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(folder, tmp_path, **arguments)


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_other_settings_do_not_go_on_with_a_run(folder, tmp_path):
    train(folder, tmp_path)
    with pytest.raises(ValueError, match=r"run with other settings: lr \(there 0.01, now 0.5\)"):
        train(folder, tmp_path, lr=0.5)


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_starting_from_weights(folder, tmp_path):
    train(folder, tmp_path / "first")
    weights = tmp_path / "first" / "hirl-biqa.safetensors"
    settings = BiqaSettings("", 4, 1, "hirl-paper", 40, 4, 0.01, "float32", 1, str(weights))
    network = BiqaTrainer(settings, tmp_path / "second", torch.device("cpu")).network
    assert torch.allclose(network.head[2].weight.half(), load_file(weights)["head.2.weight"])
