"""Training a tool: it learns, resumes after a kill as if nothing had happened, and leaves usable files."""

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from hirl_env.data.degradations import GaussianNoise, JpegCompression, degradations
from hirl_env.files import only_here
from hirl_env.tools.fast_arcnn import FastARCNN
from hirl_env.weights import load_weights
from hirl_experiments.commands.train_tools import train_tools
from hirl_experiments.training.tool_recipes import tool_recipes
from hirl_experiments.training.tool_settings import ToolSettings
from hirl_experiments.training.tool_trainer import ToolTrainer


def train(folder, out, steps=4, every=2, wandb=False, **arguments):
    settings = ToolSettings("fast-arcnn-10", str(folder), steps=steps, batch=2, patch=(16,), **arguments)
    train_tools(settings, out, every=every, wandb=wandb)
    return load_file(out / "fast-arcnn-10.safetensors")


@pytest.fixture
def validation(folder, tmp_path):
    """The same pictures in a folder of their own."""
    return shutil.copytree(folder, tmp_path / "validation")


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_it_writes_weights_a_card_and_a_log(folder, validation, tmp_path):
    train(folder, tmp_path, validate=str(validation))
    load_weights(FastARCNN(), tmp_path / "fast-arcnn-10.safetensors")
    card = (tmp_path / "fast-arcnn-10.md").read_text()
    assert "85,763 parameters" in card
    assert "\nseed: 0\n" in card
    assert str(tmp_path) not in card
    lines = (tmp_path / "fast-arcnn-10.csv").read_text().splitlines()
    assert lines[0] == "step,loss,seconds,JpegCompression(quality=10)"
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "4"]


def test_two_runs_into_one_folder_do_not_mix(folder, tmp_path):
    with only_here(tmp_path / ".fast-arcnn-10.lock"), pytest.raises(ValueError, match="another process does the same"):
        train(folder, tmp_path)
    train(folder, tmp_path)


def test_a_seed_repeats_the_run(folder, tmp_path):
    assert_same(train(folder, tmp_path / "a"), train(folder, tmp_path / "b"))


@pytest.mark.slow
@pytest.mark.parametrize("tool", tool_recipes.names())
def test_every_network_learns_from_its_recipe(tool, folder, tmp_path):
    settings = ToolSettings(
        tool,
        str(folder),
        steps=30,
        batch=2,
        patch=(16,),
        lr=0.005,
        own_share=0.5,
        light_share=0.2,
        leftover_share=0.5,
    )
    trainer = ToolTrainer(settings, tmp_path, torch.device("cpu"))
    examples = trainer.examples.batch(np.random.default_rng(1))
    trainer.examples.batch = lambda rng: examples
    losses = [trainer.train_step()["loss"] for _ in range(20)]
    assert losses[-1] < losses[0]


def test_larger_patches_make_smaller_batches(folder, tmp_path):
    settings = ToolSettings("fast-arcnn-10", str(folder), batch=8, patch=(16, 32), own_share=0, leftover_share=1)
    trainer = ToolTrainer(settings, tmp_path, torch.device("cpu"))
    rng = np.random.default_rng(0)
    shapes = {tuple(trainer.examples.batch(rng)[0].shape) for _ in range(8)}
    assert shapes == {(8, 3, 16, 16), (2, 3, 32, 32)}


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(folder, tmp_path):
    shares = {"own_share": 0.2, "leftover_share": 0.8}  # leftovers are remembered
    whole = train(folder, tmp_path / "whole", steps=5, every=1, **shares)
    settings = ToolSettings("fast-arcnn-10", str(folder), steps=5, batch=2, patch=(16,), **shares)
    (tmp_path / "cut").mkdir()
    first = ToolTrainer(settings, tmp_path / "cut", torch.device("cpu"))
    for _ in range(3):
        first.train_step()
        first.step += 1
    first.save()
    assert first.examples.leftovers[16]
    assert_same(whole, train(folder, tmp_path / "cut", steps=5, every=1, **shares))


def test_means_of_an_interrupted_run_are_over_all_steps_since_the_row_before(folder, tmp_path):
    train(folder, tmp_path / "whole", steps=4, every=4)
    settings = ToolSettings("fast-arcnn-10", str(folder), steps=4, batch=2, patch=(16,))
    (tmp_path / "cut").mkdir()
    first = ToolTrainer(settings, tmp_path / "cut", torch.device("cpu"))
    for _ in range(3):
        first.recent.append(first.train_step())
        first.step += 1
    first.save()
    train(folder, tmp_path / "cut", steps=4, every=4)
    losses = [(tmp_path / run / "fast-arcnn-10.csv").read_text().split(",")[3:] for run in ("whole", "cut")]
    assert losses[0][0] == losses[1][0]


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(folder, tmp_path, until):
    command = [sys.executable, "-m", "hirl_experiments.cli", "train-tools", "fast-arcnn-10", "--images", str(folder)]
    command += ["--out", str(tmp_path), "--batch", "2", "--patch", "16", "--every", "1", "--steps"]
    process = subprocess.Popen([*command, "1000000"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "fast-arcnn-10.checkpoint.pt"
    until((tmp_path / "fast-arcnn-10.csv").exists, process)  # written after a step
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert "the same command goes on from there" in error
    assert torch.load(checkpoint, weights_only=True)["step"] >= 1
    assert not list(tmp_path.glob(".*.part"))
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.slow
def test_weights_and_biases_offline(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    train(folder, tmp_path / "out", wandb=True)
    (run,) = (tmp_path / "out" / "wandb").glob("offline-run-*")
    assert list(run.glob("*.wandb"))


def test_other_settings_do_not_go_on_with_a_run(folder, tmp_path):
    train(folder, tmp_path)
    with pytest.raises(ValueError, match=r"run with other settings: lr \(there 0.015, now 0.5\)"):
        train(folder, tmp_path, lr=0.5)


def test_a_damaged_checkpoint_is_named(folder, tmp_path):
    train(folder, tmp_path)
    checkpoint = tmp_path / "fast-arcnn-10.checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint.pt is damaged; start over in another --out"):
        train(folder, tmp_path)


def test_weights_of_someone_are_not_overwritten(folder, tmp_path):
    (tmp_path / "fast-arcnn-10.safetensors").write_bytes(b"precious")
    with pytest.raises(ValueError, match="is there already"):
        train(folder, tmp_path)
    assert (tmp_path / "fast-arcnn-10.safetensors").read_bytes() == b"precious"


def test_figures_of_someone_are_not_overwritten(folder, tmp_path):
    (tmp_path / "fast-arcnn-10.csv").write_text("day,weight\n1,70\n")
    with pytest.raises(ValueError, match=r"fast-arcnn-10.csv is there already, without a checkpoint"):
        train(folder, tmp_path)
    assert (tmp_path / "fast-arcnn-10.csv").read_text() == "day,weight\n1,70\n"


def test_validation_on_nothing_is_refused(folder, tmp_path):
    (tmp_path / "small").mkdir()
    Image.new("RGB", (40, 8)).save(tmp_path / "small" / "flat.png")
    with pytest.raises(ValueError, match="no clean photograph of 16 pixels or more to validate on"):
        train(folder, tmp_path, validate=str(tmp_path / "small"))


def test_validation_on_photographs_that_are_trained_on_is_refused(folder, tmp_path):
    shutil.copytree(folder, folder / "validation")
    with pytest.raises(ValueError, match=r"picture0.png: in --images and in --validate.* neither of which lies in"):
        train(folder, tmp_path, validate=str(folder / "validation"))


def test_photographs_too_small_for_a_patch_are_passed_over(folder, validation, tmp_path):
    for place in (folder, validation):
        Image.new("RGB", (8, 8)).save(place / "tiny.png")
    train(folder, tmp_path, validate=str(validation))
    with pytest.raises(ValueError, match="readable picture of at least 64x64 pixels"):
        train_tools(ToolSettings("srn", str(folder), steps=1, patch=(64,)), tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        {"steps": 0},
        {"batch": 0},
        {"every": 0},
        {"threads": 0},
        {"own_share": 2.0},
        {"leftover_share": -1.0},
        {"light_share": 1.5},
        {"patch": (64, 50)},
    ],
)
def test_impossible_options_are_named(arguments, folder, tmp_path):
    (name,) = arguments
    command = {key: arguments.pop(key) for key in ("every", "threads") if key in arguments}
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} must"):
        train_tools(ToolSettings("srn", str(folder), **arguments), tmp_path, **command)


def test_starting_from_weights(folder, tmp_path):
    train(folder, tmp_path / "first")
    weights = tmp_path / "first" / "fast-arcnn-10.safetensors"
    settings = ToolSettings(
        "fast-arcnn-20", str(folder), steps=4, batch=2, patch=(16,), seed=1, start_from=str(weights)
    )
    network = ToolTrainer(settings, tmp_path / "second", torch.device("cpu")).network
    assert torch.allclose(network.layers[4].weight.half(), load_file(weights)["layers.4.weight"])


def test_rl_restores_tools_learn_their_own_bands():
    rng = np.random.default_rng(0)
    drawn = {
        number: [recipe.own(rng).strength for _ in range(200)]
        for number, recipe in ((number, tool_recipes.resolve(f"rl-restore-{number}")) for number in (1, 4, 7, 9, 12))
    }
    ranges = {number: (min(strengths), max(strengths)) for number, strengths in drawn.items()}
    assert ranges[1] == pytest.approx((0, 1.25), abs=0.05)
    assert ranges[4] == pytest.approx((3.75, 5), abs=0.05)
    assert ranges[7] == pytest.approx((25, 37.5), abs=0.5)
    assert ranges[9] == pytest.approx((0, 40), abs=1), "100 less the quality"
    assert ranges[12] == pytest.approx((80, 90), abs=1)
    networks = [tool_recipes.resolve(f"rl-restore-{number}").network() for number in range(1, 13)]
    sizes = [sum(value.numel() for value in network.parameters()) for network in networks]
    assert sizes == [21_827, 21_827, 50_851, 50_851] * 3


@pytest.mark.parametrize(
    ("tool", "degradation", "error", "strength"),
    [
        ("hirl-denoise", GaussianNoise(50), 47.0, 47.0),
        ("hirl-denoise", GaussianNoise(20), 30.0, 20.0),
        ("hirl-denoise", JpegCompression(10), 9.0, 0.0),
        ("hirl-deblur", degradations.resolve("moderate"), 20.0, 1.85),
        ("hirl-restore", degradations.resolve("moderate"), 20.0, 20.0),
        ("hirl-restore-strong", degradations.resolve("moderate"), 20.0, 20.0),
    ],
)
def test_a_conditional_network_is_given_the_strength_of_what_is_there(tool, degradation, error, strength):
    assert tool_recipes.resolve(tool).condition(degradation, error) == pytest.approx(strength)


def test_a_conditional_network_learns_from_strengths_that_are_too_large(folder, tmp_path):
    settings = ToolSettings("hirl-denoise", str(folder), batch=64, patch=(16,), light_share=1.0)
    _, _, strengths = ToolTrainer(settings, tmp_path, torch.device("cpu")).examples.batch(np.random.default_rng(0))
    assert (strengths < 9).any(), "the truth"
    assert (strengths > 20).any(), "an exaggeration"
    assert strengths.max() <= 60


def test_a_network_for_strong_mixtures_learns_from_no_weak_ones_and_takes_its_strength_for_a_hint(folder, tmp_path):
    settings = ToolSettings("hirl-restore-strong", str(folder), batch=64, patch=(16,), own_share=0.0)
    examples = ToolTrainer(settings, tmp_path, torch.device("cpu")).examples
    images, references, strengths = examples.batch(np.random.default_rng(0))
    errors = 255 * (images - references).square().mean(dim=(1, 2, 3)).sqrt()
    assert (errors >= 10).all()
    hints = (strengths / errors).log().abs()
    assert 0.5 < hints.max() <= 0.7 + 1e-3
