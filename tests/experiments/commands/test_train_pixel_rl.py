"""Training PixelRL: it resumes after a kill as if nothing had happened, and leaves usable files."""

import csv
import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from hirl_agents.pixel_rl import PixelRL, load_pixel_rl, save_pixel_rl
from hirl_experiments.commands.train_pixel_rl import train_pixel_rl
from hirl_experiments.training.pixel_rl_trainer import PixelRLSettings, PixelRLTrainer


def train(folder, out, episodes=4, every=2, **arguments):
    options = {"hold_out": 1, "episodes": episodes, "every": every, "batch": 2, "crop": 16} | arguments
    train_pixel_rl(PixelRLSettings(str(folder), **options), out)
    return load_file(out / "pixel-rl.safetensors")


@pytest.fixture(autouse=True)
def small_evaluations(monkeypatch):
    monkeypatch.setattr("hirl_experiments.training.pixel_rl_trainer.EVALUATION_CROP", 16)


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_writes_the_best_network_a_card_and_a_log_that_evaluate_takes(folder, tmp_path, hirl):
    train(folder, tmp_path)
    rows = read(tmp_path / "pixel-rl.csv")
    assert [row["episode"] for row in rows] == ["2", "4"]
    card = (tmp_path / "pixel-rl.md").read_text()
    assert "488,331 parameters" in card
    assert "\nseed: 0\n" in card
    assert str(tmp_path) not in card
    best = max(rows, key=lambda row: float(row["gain"]))
    assert f"after {best['episode']} of 4 episodes" in card

    method, target = f"pixel-rl:weights={tmp_path / 'pixel-rl.safetensors'}", tmp_path / "rows.json"
    arguments = ["--images", str(folder), "--degradations", "mild", "--crop", "None", "--methods", "distorted", method]
    assert hirl("evaluate", *arguments, "--json", str(target)) == 0
    distorted, restored = json.loads(target.read_text())["rows"]
    assert restored["method"] == method
    assert restored["trials"] == 5
    assert restored["gain"] == pytest.approx(restored["psnr"] - distorted["psnr"])
    assert restored["gain"] != 0


def test_grey_and_half_precision(folder, tmp_path):
    train(folder, tmp_path, grey=True, precision="bf16")
    assert load_pixel_rl(tmp_path / "pixel-rl.safetensors").channels == 1


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.slow
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(folder, tmp_path):
    whole = train(folder, tmp_path / "whole", episodes=4, every=1)
    settings = PixelRLSettings(str(folder), "levels", None, 1, 4, 2, 16, 1e-3, False, "float32", 0, 1)
    (tmp_path / "cut").mkdir()
    first = PixelRLTrainer(settings, tmp_path / "cut", torch.device("cpu"))

    save = first.save

    def save_or_die():
        if first.step == 3:  # evaluated and logged, without a checkpoint
            raise SystemExit
        save()

    first.save = save_or_die
    with pytest.raises(SystemExit):
        first.run(every=1, wandb=False)
    assert_same(whole, train(folder, tmp_path / "cut", episodes=4, every=1))
    rows = [read(tmp_path / name / "pixel-rl.csv") for name in ("whole", "cut")]
    assert [row["gain"] for row in rows[0]] == [row["gain"] for row in rows[1]]
    assert [row["episode"] for row in rows[1]] == ["1", "2", "3", "4"]


@pytest.mark.slow
def test_a_kill_between_the_first_weights_and_their_checkpoint_is_gone_on_from(folder, tmp_path, monkeypatch):
    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("hirl_experiments.training.loop.CsvLog.write", killed)
        train(folder, tmp_path)
    assert (tmp_path / "pixel-rl.safetensors").exists()
    assert_same(train(folder, tmp_path), train(folder, tmp_path.parent / "whole"))


def test_photographs_that_cannot_be_measured_on_are_named_before_training(folder, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("it trained")

    monkeypatch.setattr(PixelRLTrainer, "train_step", never)
    monkeypatch.setattr("hirl_experiments.training.pixel_rl_trainer.EVALUATION_CROP", 64)
    with pytest.raises(ValueError, match="a crop of 64x64 fits into no picture"):
        train(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sigterm_saves_and_says_how_to_go_on(folder, tmp_path, monkeypatch, hirl, capsys):
    before = PixelRLTrainer.train_step

    def interrupted(trainer):
        if trainer.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return before(trainer)

    monkeypatch.setattr(PixelRLTrainer, "train_step", interrupted)
    arguments = ["--images", str(folder), "--hold-out", "1", "--out", str(tmp_path), "--batch", "1"]
    assert hirl("train-pixel-rl", *arguments, "--crop", "16", "--episodes", "9", "--every", "9") == 143
    assert "stopped at episode 3; the same command goes on from there" in capsys.readouterr().err
    assert torch.load(tmp_path / "pixel-rl.checkpoint.pt", weights_only=True)["step"] == 3


def test_other_settings_damage_and_weights_of_someone_are_refused(folder, tmp_path):
    train(folder, tmp_path / "a", episodes=1)
    with pytest.raises(ValueError, match=r"run with other settings: batch \(there 2, now 1\)"):
        train(folder, tmp_path / "a", episodes=1, batch=1)
    checkpoint = tmp_path / "a" / "pixel-rl.checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint.pt is damaged; start over in another --out"):
        train(folder, tmp_path / "a", episodes=1)
    save_pixel_rl(PixelRL(), tmp_path / "b" / "pixel-rl.safetensors")
    with pytest.raises(ValueError, match="is there already"):
        train(folder, tmp_path / "b")


@pytest.mark.parametrize("name", ["episodes", "batch", "crop", "every", "threads", "hold_out", "lr"])
def test_impossible_options_are_named(name, folder, tmp_path):
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} must"):
        if name == "threads":
            train_pixel_rl(PixelRLSettings(str(folder)), tmp_path, threads=0)
        PixelRLSettings(str(folder), **{name: 0})
