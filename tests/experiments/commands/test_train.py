"""`hirl train`: what it writes, that it goes on after a kill, and what it says to bad input."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from hirl_agents import make_vec_env
from hirl_agents.loading import load_agent
from hirl_agents.networks import load_q
from hirl_agents.registry import algorithms
from hirl_env.tensor_files import read_state
from hirl_env.tools.registry import toolsets
from hirl_experiments import cli
from hirl_experiments.command_line.options import replaced
from hirl_experiments.commands.train import train
from hirl_experiments.training.callbacks.interruption import Interruption
from hirl_experiments.training.config import TrainConfig, preset, preset_names, train_config
from hirl_experiments.training.run import recall, restored
from hirl_experiments.training.run_folder import read_config
from tests.conftest import SMALL, evil_pickle, small

SHORT = ["--hold-out", "1", "--every", "32", "--n-envs", "4", "--env.crop-size", "16"]
TINY = [*SHORT, "--threads", "1", "--no-wandb"]
CHANGED = ("images", "hold_out", "total_steps", "every", "n_envs", "env", "algorithm")


def sizes_of(algo: str) -> list[str]:
    """Options of an algorithm for a training as short as can be."""
    own = small(algorithms.resolve(algo))
    sizes = {name: str(getattr(own, name)) for name in SMALL if hasattr(own, name)}
    return [part for name, size in sizes.items() for part in (f"--algorithm.{name.replace('_', '-')}", size)]


LEARNING = sizes_of("hirl")


def curve(out: Path) -> list[dict[str, str]]:
    with (out / "evaluation.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.parametrize("algo", algorithms.names())
def test_every_algorithm_trains(algo, folder, tmp_path, hirl, capsys):
    out = tmp_path / "run"
    arguments = ["--images", str(folder), "--out", str(out), "--total-steps", "64"]
    assert hirl("train", *arguments, *TINY, "--preset", algo, *sizes_of(algo)) == 0, capsys.readouterr().err
    rows = curve(out)
    assert [int(row["step"]) for row in rows] == [0, 32, 64]
    config = yaml.safe_load((out / "config.yaml").read_text())
    measured = {"mild", "moderate", "severe", "singles"} | {config["env"]["degradation"]} - {"levels", "mixture"}
    assert set(rows[0]) == {"step", "gain", "trials", "margin"} | measured
    for row in rows:
        levels = [float(row[level]) for level in ("mild", "moderate", "severe")]
        assert float(row["gain"]) == pytest.approx(sum(levels) / 3), "the mean of the levels alone"
    assert config["total_steps"] == 64
    assert config["algorithm"]["gamma"] == preset(algo).algorithm.gamma
    assert {"command", "git_revision", "versions"} <= set(config)
    assert list((out / "tensorboard").glob("events*"))
    with (out / "progress.csv").open(newline="") as file:
        logged = set(next(csv.reader(file)))
    assert {"evaluation/gain", "rollout/type_0", "rollout/degree_2", "rollout/ep_rew_mean"} <= logged
    (file,) = [*out.glob("best.safetensors"), *out.glob("best.zip")]
    agent = load_agent(file, toolsets.resolve(config["env"]["toolset"]), trust=True)
    if file.suffix == ".safetensors":
        assert agent.max_steps == config["env"]["max_steps"]
    if algo in ("hirl", "flat-dqn"):
        assert load_q(file).tools == toolsets.resolve(config["env"]["toolset"]).signature
    if issubclass(algorithms.resolve(algo).algorithm(), OffPolicyAlgorithm):
        assert {"train/n_updates", "rollout/exploration_rate"} <= logged
    assert "## How it was made" in (out / "best.md").read_text()
    best = max(rows, key=lambda row: sum(float(row[level]) for level in measured))
    assert f"By `hirl train`, {best['step']} of 64 environment steps" in (out / "best.md").read_text()
    written = read_config(out)
    assert written == replace(preset(algo), **{name: getattr(written, name) for name in CHANGED}), "all else as preset"
    assert not list(out.glob(".*.part"))


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_pictures_without_references_serve_with_a_blind_reward(folder, tmp_path, monkeypatch, hirl, capsys):
    """CLIVE's layout: distorted pictures, and no clean ones anywhere."""
    data = tmp_path / "data" / "ChallengeDB_release"
    data.mkdir(parents=True)
    folder.rename(data / "Images")
    monkeypatch.setenv("HIRL_DATA", str(tmp_path / "data"))
    out = tmp_path / "run"
    small = ["--total-steps", "16", "--hold-out", "1", "--every", "8", "--threads", "1", "--no-wandb"]
    environment = ["--n-envs", "2", "--env.crop-size", "64", "--env.reward", "hirl-biqa"]
    arguments = ["train", "--images", "clive", "--out", str(out), *small, *environment, *LEARNING]
    assert hirl(*arguments) == 0, capsys.readouterr().err
    rows = curve(out)
    assert set(rows[0]) == {"step", "gain", "as given", "trials", "margin"}
    assert "Gain in hirl-biqa" in (out / "best.md").read_text()
    arguments[arguments.index("hirl-biqa")] = "psnr"
    arguments[arguments.index(str(out))] = str(tmp_path / "other")
    assert hirl(*arguments) == 1
    assert "compares with a reference, and there is none" in capsys.readouterr().err


def test_it_is_evaluated_on_what_it_trains_on(folder, tmp_path, hirl, capsys):
    run = ["--images", str(folder), "--out", str(tmp_path / "run"), "--total-steps", "32", "--env.degradation", "light"]
    assert hirl("train", *run, *TINY, *LEARNING) == 0, capsys.readouterr().err
    rows = curve(tmp_path / "run")
    assert list(rows[0]) == ["step", "gain", "mild", "moderate", "severe", "singles", "light", "trials", "margin"]
    measured = ("mild", "moderate", "severe", "singles", "light")
    best = max(rows, key=lambda row: sum(float(row[level]) for level in measured))
    assert f"By `hirl train`, {best['step']} of 32 environment steps" in (tmp_path / "run" / "best.md").read_text()


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_read_as_they_are_written(name):
    config = preset(name)
    assert config.label == name
    assert config.algo == ("hirl" if name in ("paper", "hirl-transitions") else name)
    assert train_config(config.as_dict(), "") == config


def test_a_short_hand_of_tools_may_be_longer_than_a_path():
    tools = ";".join(f"{kind}=" + ",".join(f"hirl:{kind}-{degree}" for degree in range(4)) for kind in ("denoise",) * 9)
    config = preset("paper")
    config = replace(config, images="photos", env=replace(config.env, toolset=tools))
    assert config.prepared().env.toolset == tools


def test_a_preset_of_ones_own_is_a_yaml_file(folder, tmp_path, hirl, capsys):
    own = tmp_path / "own.yaml"
    own.write_text("algo: hirl\ntotal_steps: 123\nalgorithm: {gamma: 0.5}\n")
    config = preset(str(own))
    assert (config.label, config.total_steps, config.algorithm.gamma) == ("own", 123, 0.5)
    assert hirl("train", "--preset", str(own), "--help") == 0
    assert "(default: 0.5)" in capsys.readouterr().out
    for content, words in {
        "algo: hirl\nalgorithm: {gama: 0.5}": "unknown option algorithm.gama; did you mean algorithm.gamma?",
        "algo: hirl\nenv: {crop_size: large}": "env.crop_size does not take 'large'",
        "algo: hirl\nenv: {flat: true}": "env.flat is no setting",
        "algo: hirl\nenv:": "env holds options of its own, and is not None",
        "algo: sarsa": "unknown algorithm 'sarsa'",
        "just a line": "it holds no settings",
    }.items():
        own.write_text(content)
        assert hirl("train", "--preset", str(own), "--images", str(folder)) == 1
        assert words in capsys.readouterr().err


def test_the_papers_preset_is_the_papers():
    settings = preset("paper").algorithm
    assert (settings.buffer_size, settings.batch_size, settings.target_update_interval) == (100, 30, 30)
    assert (settings.exploration_initial_eps, settings.exploration_final_eps) == (0.5, 0.1)
    assert (settings.gamma, settings.exploration_stairs) == (0.9, 4)
    assert (settings.degree_updates, settings.type_target) == ("online", "transition")
    assert (settings.degree_head, settings.loss) == ("blind", "mse")
    assert not (settings.double_q or settings.may_stop or settings.augment)
    assert (settings.tau, settings.max_grad_norm, settings.gradient_steps) == (1, float("inf"), 1)
    assert preset("paper").n_envs == 1


def test_none_is_a_setting(folder):
    config = replaced(preset("hirl"), {"env": {"degradation": None, "max_steps": None, "reward": "hirl-biqa"}})
    assert (config.env.degradation, config.env.max_steps, config.env.reward) == (None, None, "hirl-biqa")
    assert config.env.observe_tool


def test_the_environment_follows_from_the_algorithm():
    """HIRL with full feedback makes its environment give it; who stops by an action has one."""
    assert preset("hirl").environment.full_feedback
    assert not preset("hirl-transitions").environment.full_feedback
    for name in algorithms.names():
        config = preset(name)
        assert config.environment.stop_action == (name in ("ppo", "rl-restore"))
        assert config.environment.flat == (name in ("flat-dqn", "rl-restore"))


@pytest.mark.parametrize("options", [{"gamma": 0.9}, {"n_steps": 2}])
def test_looking_ahead_needs_another_preset(options):
    with pytest.raises(ValueError, match="leave full_feedback out, as the preset hirl-transitions does"):
        replaced(preset("hirl"), {"algorithm": options}).algorithm.check()
    replaced(preset("hirl"), {"algorithm": options | {"full_feedback": False}}).algorithm.check()


@pytest.mark.parametrize(
    ("steps", "words"),
    [(500, "500 steps are no more than learning_starts, 500"), (8000, "8000 steps end before exploration has fallen")],
)
def test_trainings_that_are_too_short_are_named(steps, words):
    assert any(remark.startswith(words) for remark in preset("hirl").algorithm.remarks(steps))


def test_help_explains_the_options_of_every_algorithm(hirl, capsys):
    assert hirl("train", "--help") == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for option in ("--algorithm.double-q", "--env.crop-size", "--n-envs"):
        assert option in shown
    assert "an agent can always stop" in shown
    assert "preset)" not in shown, "defaults are values"
    assert "(default: 8)" in shown, "those of the preset"
    for name, option in {"flat-dqn": "exploration-fraction", "ppo": "clip-range", "rl-restore": "units"}.items():
        assert hirl("train", "--preset", name, "--help") == 0
        assert f"--algorithm.{option}" in capsys.readouterr().out


def command(folder: Path, out: Path, steps: int) -> list[str]:
    start = [sys.executable, "-m", "hirl_experiments.cli", "train", "--images", str(folder), "--out", str(out)]
    return [*start, "--total-steps", str(steps), *TINY, *LEARNING]


def has_rows(out: Path, count: int) -> bool:
    return (out / "evaluation.csv").exists() and len(curve(out)) >= count and (out / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_goes_on(how, folder, tmp_path, hirl, capsys, until):
    out = tmp_path / "run"
    with subprocess.Popen(command(folder, out, 10**6), stderr=subprocess.PIPE, text=True) as process:
        until(lambda: has_rows(out, 2), process)
        process.send_signal(how)
        _, errors = process.communicate()
    before = curve(out)
    if how == signal.SIGTERM:
        assert process.returncode == 143
        assert f"go on with: hirl train --resume {out}" in errors
    # A shorter horizon, so that the rest is soon done.
    config = yaml.safe_load((out / "config.yaml").read_text())
    total = int(before[-1]["step"]) + 40
    (out / "config.yaml").write_text(yaml.safe_dump(config | {"total_steps": total}))
    hirl_train = [sys.executable, "-m", "hirl_experiments.cli", "train"]
    resume = [*hirl_train, "--resume", str(out), "--threads", "1", "--no-wandb"]
    subprocess.run(resume, check=True)
    rows = curve(out)
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))
    assert steps[-1] >= total
    kept = [row for row in before if int(row["step"]) <= steps[len(before) - 1]]
    assert rows[: len(kept) - 1] == kept[:-1]
    (out / "replay_buffer.safetensors").unlink()  # a finished run needs it no more
    assert hirl("train", "--resume", str(out), "--no-wandb") == 0
    assert "is complete" in capsys.readouterr().out
    assert curve(out) == rows


@pytest.mark.slow
def test_a_run_goes_on_with_the_photographs_that_it_began_with(folder, tmp_path, hirl, capsys):
    out = tmp_path / "run"
    arguments = ["--images", str(folder), "--out", str(out), "--total-steps", "16", *TINY, *LEARNING]
    assert hirl("train", *arguments) == 0
    shutil.copy(folder / "picture0.png", folder / "picture9.png")
    assert hirl("train", "--resume", str(out), "--no-wandb") == 1
    assert "began with other photographs to train on (" in capsys.readouterr().err
    (folder / "picture9.png").unlink()
    assert hirl("train", "--resume", str(out), "--no-wandb") == 0


@pytest.mark.slow
def test_a_run_that_was_killed_in_its_last_evaluation_makes_it_again(folder, tmp_path, hirl, capsys):
    out = tmp_path / "run"
    arguments = ["--images", str(folder), "--out", str(out), "--total-steps", "32", *TINY, *LEARNING]
    assert hirl("train", *arguments) == 0
    rows, memory = curve(out), (out / "replay_buffer.safetensors").read_bytes()
    written = (out / "evaluation.csv").read_text().splitlines(keepends=True)
    (out / "evaluation.csv").write_text("".join(written[:-1]))
    assert hirl("train", "--resume", str(out), "--threads", "1", "--no-wandb") == 0
    assert "is complete" not in capsys.readouterr().out
    assert curve(out) == rows
    assert (out / "replay_buffer.safetensors").read_bytes() == memory


@pytest.mark.slow
def test_starting_from_weights(folder, tmp_path, hirl, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = ["--images", str(folder), "--total-steps", "32", *TINY, *LEARNING]
    assert hirl("train", "--out", str(first), *arguments, "--env.no-observe-tool") == 0
    weights = str(first / "best.safetensors")
    assert hirl("train", "--out", str(second), *arguments, "--start-from", weights) == 0
    assert yaml.safe_load((second / "config.yaml").read_text())["start_from"] == weights
    card = (second / "best.md").read_text()
    assert "start_from: best.safetensors" in card
    assert str(tmp_path) not in card
    capsys.readouterr()
    for others, words in (
        (["--start-from", str(tmp_path / "none.safetensors")], "none.safetensors: No such file"),
        (["--start-from", "hirl"], "the weights are of another architecture"),
        (["--start-from", "hirl", "--preset", "flat-dqn"], "--start-from is for HIRL"),
    ):
        algo = [] if "--preset" in others else LEARNING
        given = ["--images", str(folder), "--total-steps", "32", *TINY, *algo, *others]
        assert hirl("train", "--out", str(tmp_path / "third"), *given) == 1
        assert words in capsys.readouterr().err
        assert not (tmp_path / "third" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--algorithm.gamma", "2", "gamma must lie in 0 to 1, got 2.0"),
        ("--algorithm.exploration-final-eps", "-0.1", "exploration_final_eps must lie in 0 to 1, got -0.1"),
        ("--algorithm.learning-starts", "-5", "learning_starts must be at least 0, got -5"),
        ("--algorithm.gradient-steps", "-7", "gradient_steps must be at least -1, got -7"),
        ("--algorithm.learning-rate", "-1", "learning_rate must be above 0, got -1.0"),
        ("--label", "../elsewhere", "--label names a curve and a folder, without slashes; got '../elsewhere'"),
    ],
)
def test_impossible_settings_are_named(option, value, words, folder, tmp_path, hirl, capsys):
    assert hirl("train", "--images", str(folder), "--out", str(tmp_path / "run"), option, value) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_beginning_with_the_memory_of_another_run(folder, tmp_path, hirl, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = ["--images", str(folder), *TINY, *LEARNING]
    assert hirl("train", "--out", str(first), "--total-steps", "32", *arguments) == 0
    assert hirl("train", "--out", str(second), "--total-steps", "16", *arguments, "--memory", str(first)) == 0
    config = read_config(second)
    env = make_vec_env(n_envs=config.n_envs, **vars(config.environment) | {"images": str(folder)})
    model = restored(replace(config, total_steps=32), second, env)
    recall(model, second)
    memory = model.replay_buffer
    assert memory.size() * memory.n_envs == 32 + 16
    third, both = tmp_path / "third", ["--algorithm.buffer-size", "200", "--memory", str(first), str(second)]
    assert hirl("train", "--out", str(third), "--total-steps", "16", *arguments, *both) == 0
    joined = read_state(third / "replay_buffer.safetensors")
    parts = [read_state(run / "replay_buffer.safetensors")["arrays"]["gains"] for run in (first, second)]
    assert np.array_equal(joined["arrays"]["gains"][: joined["pos"] - 16 // memory.n_envs], np.concatenate(parts))
    capsys.readouterr()
    for others, words in (
        (["--memory", str(tmp_path / "none")], "No such file"),
        (["--memory", str(first), "--algorithm.buffer-size", "20"], "give a larger buffer_size"),
        (["--memory", str(first), str(first)], f"--memory names {first} twice"),
        (["--memory", str(first), "--env.reward", "ssim"], "its reward is psnr, and this run's is ssim"),
        (["--memory", str(first), "--n-envs", "2"], "its n_envs is 4, and this run's is 2"),
        (["--memory", str(first), "--env.toolset", "hirl"], "its toolset is paper, and this run's is hirl"),
        (
            ["--memory", str(first), "--preset", "ppo", "--label", "tuned"],
            "--memory is for algorithms that have a replay buffer, not for ppo",
        ),
    ):
        algo = [] if "--preset" in others else LEARNING
        given = ["--images", str(folder), "--total-steps", "32", *TINY, *algo, *others]
        assert hirl("train", "--out", str(tmp_path / "fourth"), *given) == 1
        assert words in capsys.readouterr().err
        assert not (tmp_path / "fourth" / "config.yaml").exists()


@pytest.mark.slow
def test_episodes_that_a_kill_cut_off_end_where_it_did(folder, tmp_path, hirl):
    """Sums of several rewards would otherwise run on from one episode into another."""
    out = tmp_path / "run"
    settings = ["--preset", "hirl-transitions", *LEARNING, "--every", "64"]
    settings += ["--algorithm.n-steps", "2", "--env.max-steps", "4"]
    assert hirl("train", "--images", str(folder), "--out", str(out), "--total-steps", "64", *TINY, *settings) == 0
    config = replace(read_config(out), total_steps=128)
    env = make_vec_env(n_envs=config.n_envs, **vars(config.environment) | {"images": str(folder)})
    model = restored(config, out, env)
    recall(model, out)
    model.learn(0, reset_num_timesteps=False)
    memory = model.replay_buffer
    last = (memory.pos - 1) % memory.buffer_size
    assert (memory.dones[last] == 1).all()
    assert (memory.dones[(last - 1) % memory.buffer_size] == 0).any(), "where others went on"


@pytest.mark.slow
def test_a_run_is_logged_offline_where_nobody_is_logged_in(folder, tmp_path):
    out = tmp_path / "run"
    arguments = [argument for argument in command(folder, out, 16) if argument != "--no-wandb"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    subprocess.run(arguments, check=True, env={**environment, "HOME": str(tmp_path)})
    (run,) = (out / "wandb").glob("offline-run-*")
    assert list(run.glob("*.wandb"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--images is missing"),
        (
            ["--images", "FOLDER", "--preset", "papre"],
            "unknown preset 'papre'; known are: flat-dqn, hirl, hirl-transitions, paper",
        ),
        (["--images", "FOLDER", "--total-steps", "0"], "--total-steps must be at least 1"),
        (["--images", "FOLDER", "--hold-out", "3"], "3 of 3 pictures cannot be split off"),
        (["--images", "FOLDER", "--hold-out", "1", "--env.degradation", "fog"], "unknown degradation 'fog'"),
        (["--images", "FOLDER", "--hold-out", "1", "--algorithm.width", "12"], "width"),
        (["--resume", "NOWHERE"], "is no run of hirl train"),
        (["--resume", "NOWHERE", "--preset", "ppo"], "give no others"),
        (["--resume", "NOWHERE", "--algorithm.learning-rate", "0.9"], "give no others"),
        (["--images", "FOLDER", "--algorithm.gamma", "0.9"], "full_feedback teaches what each tool gains at once"),
        (["--images", "FOLDER", "--env.crop-size", "0"], "crop_size must be a positive number of pixels"),
        (["--images", "FOLDER", "--validate", "NOWHERE"], "no such folder"),
        (["--images", "FOLDER", "--validate", "FOLDER"], "picture0.png: in --images and in --validate"),
        (["--images", "NOWHERE"], "no such folder"),
        (["--images", "FILE"], "is a file; give the folder of pictures that it lies in"),
        (["--images", "FOLDER", "--out", "FILE"], "is a file; name a folder"),
    ],
)
def test_mistakes_are_said_in_one_line(arguments, words, folder, tmp_path, monkeypatch, capsys, hirl):
    monkeypatch.chdir(tmp_path)
    places = {"FOLDER": str(folder), "NOWHERE": str(tmp_path / "nowhere"), "FILE": str(tmp_path / "a.jpg")}
    (tmp_path / "a.jpg").write_text("")
    given = [places.get(argument, argument) for argument in arguments]
    assert hirl("train", *given, "--no-wandb") == 1
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "runs").exists(), "nothing stands in the way of the next try"


def test_pictures_too_small_to_validate_on(folder, tmp_path, hirl, capsys):
    arguments = ["--images", str(folder), "--hold-out", "1", "--out", str(tmp_path / "run"), "--no-wandb"]
    assert hirl("train", *arguments) == 1
    assert "a crop of 64x64 fits into no picture" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_is_not_overwritten_and_a_damaged_one_not_resumed(folder, tmp_path, hirl, capsys):
    out = tmp_path / "run"
    arguments = ["--images", str(folder), "--out", str(out), "--total-steps", "8", *TINY, *LEARNING]
    assert hirl("train", *arguments) == 0
    assert hirl("train", *arguments) == 1
    assert "holds a run already" in capsys.readouterr().err
    (out / "model.safetensors").write_bytes(b"torn")
    assert hirl("train", "--resume", str(out), "--no-wandb") == 1
    assert "is damaged" in capsys.readouterr().err
    (out / "model.safetensors").unlink()
    assert hirl("train", "--resume", str(out), "--no-wandb") == 1
    assert "has lost its checkpoint, model.safetensors" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.safetensors", "replay_buffer.safetensors"])
def test_no_code_of_a_run_is_run(name, folder, tmp_path, hirl, capsys):
    out = tmp_path / "run"
    arguments = ["--images", str(folder), "--out", str(out), "--total-steps", "8", *TINY, *LEARNING]
    assert hirl("train", *arguments) == 0
    config = yaml.safe_load((out / "config.yaml").read_text())
    (out / "config.yaml").write_text(yaml.safe_dump(config | {"total_steps": 16}))
    (out / name).write_bytes(evil_pickle(tmp_path / "ran"))
    assert hirl("train", "--resume", str(out), "--no-wandb") == 1
    assert f"{name}: damaged" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_train_is_a_command():
    assert cli.COMMANDS["train"].load() is train


def test_the_name_of_a_data_set_comes_before_a_folder_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "mine"):
        (tmp_path / name).mkdir()
    assert TrainConfig(images="photos").prepared().images == "photos"
    assert TrainConfig(images="mine").prepared().images == str(tmp_path / "mine")


@pytest.mark.slow
def test_an_interrupt_in_the_last_rollout_leaves_a_run_to_resume(folder, tmp_path, hirl, capsys, monkeypatch):
    """The steps that overshoot the total are no complete training."""
    out = tmp_path / "run"
    on_step = Interruption._on_step

    def interrupting(interruption):
        if interruption.model.num_timesteps > 4:
            interruption.received = [signal.SIGINT]
        return on_step(interruption)

    monkeypatch.setattr(Interruption, "_on_step", interrupting)
    few = ["--preset", "ppo", "--algorithm.n-steps", "4", "--algorithm.batch-size", "8", "--algorithm.width", "8"]
    arguments = ["--images", str(folder), "--out", str(out), "--total-steps", "4", *TINY, *few]
    assert hirl("train", *arguments) != 0
    assert f"go on with: hirl train --resume {out}" in capsys.readouterr().err
    monkeypatch.undo()
    assert hirl("train", "--resume", str(out), "--threads", "1", "--no-wandb") == 0
    assert "is complete" not in capsys.readouterr().out
