"""`hirl sweep`: what it plans, that it outlives its driver and its nodes, and what it says to bad input."""

import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hirl_experiments.sweeps.config import read_sweep_config
from hirl_experiments.sweeps.plan import KEYS, plan_runs, train_settings
from hirl_experiments.training.csv_log import CsvLog
from tests.conftest import evil_pickle
from tests.experiments.test_plugins import PLUGINS

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray Tune is not installed")
STEPS = 48
PARAMETERS = {
    "preset": {"value": "hirl-transitions"},
    "total_steps": {"value": STEPS},
    "every": {"value": 16},
    "hold_out": {"value": 1},
    "n_envs": {"value": 4},
    "env": {"parameters": {"crop_size": {"value": 16}, "max_steps": {"value": 2}}},
    "algorithm": {
        "parameters": {
            "width": {"value": 8},
            "learning_starts": {"value": 8},
            "exploration_steps": {"value": 32},
            "batch_size": {"value": 4},
            "buffer_size": {"value": 64},
            "gamma": {"values": [0.1, 0.5]},
            "double_q": {"values": [True, False]},
        }
    },
}


@pytest.fixture
def config(tmp_path) -> Path:
    """Four settings of a tiny training."""
    path = tmp_path / "sweep_toy.yaml"
    path.write_text(yaml.safe_dump({"method": "grid", "parameters": PARAMETERS}, sort_keys=False))
    return path


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "hirl_experiments.cli", "sweep", *map(str, arguments), "--no-wandb"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def steps(out: Path) -> dict[str, int]:
    """How far each run has come, as far as Ray knows."""
    reported = {}
    for path in sorted((out / "tune").glob("*/result.json")):
        lines = path.read_text().splitlines()
        try:
            reported[path.parent.name] = int(json.loads(lines[-1])["step"])
        except (IndexError, ValueError):  # being written
            reported[path.parent.name] = -1
    return reported


def steps_of(run: Path) -> list[int]:
    """Steps at which a run was evaluated."""
    return [int(row["step"]) for row in CsvLog(run / "evaluation.csv").read()]


def under_way(out: Path) -> list[str]:
    return [name for name, step in steps(out).items() if 16 <= step < STEPS]


def interrupted_runs(out: Path) -> list[str]:
    """Runs that go on in the middle: Ray has noted a checkpoint of theirs that is past the start, and not the last.

    What a killed driver has noted is up to a second behind what `steps` tells.
    """
    from ray.tune import ExperimentAnalysis

    try:
        trials = ExperimentAnalysis(str(out / "tune")).trials
        step = {one.config["run"]["name"]: steps_of(Path(one.checkpoint.path))[-1] for one in trials if one.checkpoint}
    except (OSError, ValueError, EOFError):  # being written
        return []
    return [name for name, last in step.items() if 0 < last < STEPS]


def check_complete(out: Path, runs: list[str]) -> None:
    """Every run was trained to its end, evaluated once at every step, with nothing of its seed in another."""
    plan = json.loads((out / "sweep.json").read_text())["runs"]
    assert sorted(run["name"] for run in plan) == sorted(path.name for path in (out / "runs").iterdir()) == runs
    for run in plan:
        folder = out / "runs" / run["name"]
        assert steps_of(folder) == [0, 16, 32, 48]
        written = yaml.safe_load((folder / "config.yaml").read_text())
        assert {key: written[key] for key in run["config"]} == run["config"]
        assert " sweep " in written["command"]
        assert (folder / "best.safetensors").exists()
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads((out / "summary.json").read_text())["rows"]
    assert sorted(row["label"] for row in rows) == sorted({run["config"]["label"] for run in plan})
    assert all(row["seeds"] == 2 and row["step"] == STEPS and row["low"] <= row["best"] <= row["high"] for row in rows)
    assert [row["best"] for row in rows] == sorted((row["best"] for row in rows), reverse=True)
    assert all(row["label"] in (out / "summary.md").read_text() for row in rows)
    assert not list(out.rglob("replay_buffer.safetensors")), "gigabytes, of no use to what is complete"


@pytest.mark.slow
@needs_ray
def test_a_sweep_whose_driver_is_killed_goes_on(config, folder, tmp_path, until):
    out = tmp_path / "sweep"
    with start(config, "--images", folder, "--out", out) as process:
        until(lambda: list(steps(out).values()).count(STEPS) >= 3 and interrupted_runs(out), process)
        process.kill()
    assert not (out / "summary.json").exists()
    finished = {name: (out / "tune" / name / "result.json") for name, step in steps(out).items() if step == STEPS}
    before = {name: path.read_bytes() for name, path in finished.items()}
    interrupted = interrupted_runs(out)
    assert interrupted
    with start("--resume", out, "--trust") as process:
        shown, _ = process.communicate()
    assert process.returncode == 0, shown
    check_complete(out, [f"{setting}-{seed}" for setting in range(4) for seed in range(2)])
    # Of the last to finish, each processor's, the end may not have been noted.
    assert sum(before[name] == path.read_bytes() for name, path in finished.items()) >= len(finished) - os.cpu_count()
    assert all(list((out / "runs" / name).glob("progress-*.csv")) for name in interrupted), "from their checkpoints"


@pytest.mark.slow
@needs_ray
def test_runs_of_a_node_that_is_lost_go_on_at_another(config, folder, tmp_path, until):
    from ray.cluster_utils import Cluster

    out = tmp_path / "sweep"
    content = yaml.safe_load(config.read_text())
    # Learns longer at each step, so that no run is through before its node is gone.
    content["parameters"]["algorithm"]["parameters"] |= {"double_q": {"value": True}, "gradient_steps": {"value": 24}}
    config.write_text(yaml.safe_dump(content))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        with start(config, "--images", folder, "--out", out, "--address", cluster.address) as process:
            until(lambda: len(under_way(out)) == 2, process)
            lost = under_way(out)
            cluster.remove_node(node, allow_graceful=False)
            shown, _ = process.communicate()
    finally:
        cluster.shutdown()
    assert process.returncode == 0, shown
    check_complete(out, ["0-0", "0-1", "1-0", "1-1"])
    assert [name for name in lost if list((out / "runs" / name).glob("progress-*.csv"))], "from its checkpoint"


@pytest.mark.slow
@needs_ray
def test_a_sweep_that_loses_its_only_node_says_so_and_goes_on(config, folder, tmp_path, until):
    out = tmp_path / "sweep"
    content = yaml.safe_load(config.read_text())
    # Slow enough for Ray to notice before all runs are over.
    content["parameters"]["algorithm"]["parameters"] |= {"double_q": {"value": True}, "gradient_steps": {"value": 40}}
    config.write_text(yaml.safe_dump(content))
    with start(config, "--images", folder, "--out", out) as process:
        until(lambda: under_way(out), process)
        found = subprocess.run(["pgrep", "-P", str(process.pid), "raylet"], capture_output=True, check=True)
        os.kill(int(found.stdout), signal.SIGKILL)
        shown, _ = process.communicate()
    assert process.returncode == 1
    assert shown.startswith("hirl: Ray has lost every node of the sweep")
    assert shown.endswith(f"go on with: hirl sweep --resume {out} --trust\n")
    assert shown.count("\n") == 1
    with start("--resume", out, "--trust") as process:
        shown, _ = process.communicate()
    assert process.returncode == 0, shown
    check_complete(out, ["0-0", "0-1", "1-0", "1-1"])


@needs_ray
@pytest.mark.parametrize(
    ("address", "words"), [("127.0.0.1:1", "no cluster answers there"), ("ray://here:1", "with --address auto")]
)
def test_addresses_without_a_cluster(address, words, config, folder, tmp_path, capsys, hirl):
    out = tmp_path / "sweep"
    assert hirl("sweep", str(config), "--images", str(folder), "--out", str(out), "--address", address) == 1
    assert words in capsys.readouterr().err
    assert not out.exists(), "nothing stands in the way of the next try"


@needs_ray
def test_the_plan_is_every_setting_with_seeds_of_its_own(config, folder):
    wanted = read_sweep_config(config)
    runs = plan_runs(wanted, str(folder), 3, 0)
    assert len({run["name"] for run in runs}) == 12
    seeds = sorted(run["config"]["seed"] for run in runs)
    assert all(later - earlier >= STEPS + 4 for earlier, later in itertools.pairwise(seeds))
    assert len({run["config"]["label"] for run in runs[:4]}) == 4, "every setting once, then every setting again"
    again = plan_runs(wanted, str(folder), 4, 0)
    assert [run["config"]["seed"] for run in again[:12]] == [run["config"]["seed"] for run in runs]


@needs_ray
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"env.reward": {"values": ["psnr", "ssim"]}}, "gains in psnr and ssim cannot be ranked"),
        ({"env.degradation": {"values": ["mild", "servere"]}}, "unknown degradation 'servere'"),
        ({"start_from": {"value": "nowhere.safetensors"}}, "nowhere.safetensors"),
        ({"env.degradation": {"values": ["levels", None]}}, "psnr' compares with a reference"),
        ({"env.crop_size": {"values": [16, 999]}}, "999x999"),
    ],
)
def test_what_a_run_would_fail_at_is_said_before_any_begins(changed, words, config, folder):
    content = yaml.safe_load(config.read_text()) | {"metric": {"name": "evaluation/mild", "goal": "maximize"}}
    content["parameters"] |= changed
    config.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=words):
        plan_runs(read_sweep_config(config), str(folder), 1, 0)


def test_a_metric_that_no_run_measures_is_said(config, folder):
    content = yaml.safe_load(config.read_text()) | {"metric": {"name": "evaluation/noise-25", "goal": "maximize"}}
    config.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match="noise-25 is not measured on these photographs; choose from evaluation/gain"):
        plan_runs(read_sweep_config(config), str(folder), 1, 0)


def test_options_are_those_of_train():
    options = {"preset": "hirl-transitions", "algorithm.gamma": "1e-3", "algorithm.double-q": False, "n_envs": 2.0}
    settings = train_settings(options)
    assert settings.label == "hirl-transitions"
    assert (settings.n_envs, settings.algorithm.gamma, settings.algorithm.double_q) == (2, 0.001, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithm.gama": 0.5}, "parameters: unknown option algorithm.gama; did you mean algorithm.gamma?"),
        ({"out": "x"}, "parameters: unknown option out"),
        ({"seed": 1}, "parameter seed is set by hirl sweep"),
        ({"label": "x"}, "parameter label is set by hirl sweep"),
        ({"total-steps": 1.5}, "parameters: total-steps does not take 1.5"),
        ({"preset": "sarsa"}, "unknown preset 'sarsa'"),
    ],
)
def test_options_that_train_does_not_take_are_named(options, words):
    with pytest.raises(ValueError) as error:
        train_settings(options)
    assert str(error.value).startswith(words)


@needs_ray
def test_runs_too_short_to_be_stopped_early_are_said_before_any_begins(config, folder, tmp_path, capsys, hirl):
    content = yaml.safe_load(config.read_text()) | {"early_terminate": {"type": "hyperband", "min_iter": 3}}
    config.write_text(yaml.safe_dump(content))
    assert hirl("sweep", str(config), "--images", str(folder), "--out", str(tmp_path / "sweep")) == 1
    assert "early_terminate: min_iter must be below the 3 evaluations that a run has, got 3" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


@needs_ray
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a sweep configuration"),
        (["NOWHERE"], "no sweep configuration"),
        (["CONFIG"], "--images is missing"),
        (["CONFIG", "--images", "NOWHERE"], "no such folder"),
        (["CONFIG", "--images", "FOLDER", "--seeds", "0"], "--seeds must be at least 1"),
        (["CONFIG", "--images", "FOLDER", "--seed", "-1"], "--seed must be at least 0"),
        (["CONFIG", "--images", "FOLDER", "--gpus-per-trial", "-1"], "--gpus-per-trial must be at least 0"),
        (["--resume", "NOWHERE"], "holds no sweep to resume"),
        (["--resume", "EMPTY", "--trust"], "holds no sweep to resume (sweep.json is not one of hirl sweep)"),
        (["CONFIG", "--resume", "NOWHERE"], "give no others"),
    ],
)
def test_mistakes_are_said_in_one_line(arguments, words, config, folder, tmp_path, monkeypatch, capsys, hirl):
    monkeypatch.chdir(tmp_path)
    places = {"CONFIG": str(config), "FOLDER": str(folder), "NOWHERE": str(tmp_path / "nowhere")}
    places["EMPTY"] = str(tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "sweep.json").write_text("{}")
    assert hirl("sweep", *(places.get(argument, argument) for argument in arguments)) == 1
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "sweeps").exists()


@needs_ray
def test_a_sweep_is_not_overwritten(config, folder, tmp_path, capsys, hirl):
    (tmp_path / "sweep.json").write_text("{}")
    assert hirl("sweep", str(config), "--images", str(folder), "--out", str(tmp_path)) == 1
    assert "holds a sweep already" in capsys.readouterr().err


@needs_ray
def test_no_code_of_a_sweep_is_run_without_trust(tmp_path, capsys, hirl):
    plan = json.dumps({key: [] for key in KEYS} | {"runs": [{}]}).encode()
    for path, content in {"sweep.json": plan, "tune/tuner.pkl": evil_pickle(tmp_path / "ran")}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    assert hirl("sweep", "--resume", str(tmp_path)) == 1
    assert "--trust does so" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_without_ray_it_says_what_to_install(config, folder, tmp_path, monkeypatch, capsys, hirl):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert hirl("sweep", str(config), "--images", str(folder), "--out", str(tmp_path / "sweep")) == 1
    errors = capsys.readouterr().err
    assert "ray is not installed: pip install 'hirl-restore[sweep]'" in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
@needs_ray
def test_failures_are_named_and_checkpoints_kept_in_storage(config, folder, tmp_path):
    content = yaml.safe_load(config.read_text())
    # No machine has room for the second.
    content["parameters"]["algorithm"]["parameters"] |= {"buffer_size": {"values": [64, 10**15]}}
    content["parameters"]["algorithm"]["parameters"] |= {"double_q": {"value": True}, "gamma": {"value": 0.5}}
    config.write_text(yaml.safe_dump(content))
    out, storage = tmp_path / "sweep", tmp_path / "storage"
    options = ["--seeds", "1", "--max-failures", "0", "--storage", storage]
    with start(config, "--images", folder, "--out", out, *options) as process:
        shown, _ = process.communicate()
    assert process.returncode == 1
    assert "hirl: 1 of 2 runs failed: 1-0 (" in shown
    assert f"go on with: hirl sweep --resume {out} --trust" in shown
    assert [path.name for path in (out / "runs").iterdir()] == ["0-0"]
    assert not (out / "tune").exists()
    assert [path.name.rpartition("-")[0] for path in storage.iterdir()] == ["toy"]
    assert "algorithm.buffer_size=64" in (out / "summary.md").read_text()


@pytest.mark.slow
@needs_ray
def test_runs_that_lag_behind_are_stopped_early_and_stay_so(config, folder, tmp_path):
    content = yaml.safe_load(config.read_text())
    # Compared after the first of two evaluations, where one of two goes on: the first to come there in any case.
    content["early_terminate"] = {"type": "hyperband", "min_iter": 1, "eta": 2}
    content["parameters"] |= {"total_steps": {"value": 32}}
    content["parameters"]["algorithm"]["parameters"] |= {"double_q": {"value": True}, "gamma": {"value": 0.5}}
    config.write_text(yaml.safe_dump(content))
    out = tmp_path / "sweep"
    options = ["--seeds", "4", "--cpus-per-trial", os.cpu_count()]  # one after another
    with start(config, "--images", folder, "--out", out, *options) as process:
        shown, _ = process.communicate()
    assert process.returncode == 0, shown
    last = {path.name: steps_of(path) for path in (out / "runs").iterdir()}
    assert last["0-0"] == [0, 16, 32]
    assert len(last) == 4
    assert [0, 16] in last.values()
    assert not list(out.rglob("replay_buffer.safetensors")), "gigabytes, of no use to what is stopped"
    rows = json.loads((out / "summary.json").read_text())["rows"]
    assert [(row["seeds"], row["step"]) for row in rows] == [(4, 16)]
    with start("--resume", out, "--trust") as process:
        shown, _ = process.communicate()
    assert process.returncode == 0, shown
    assert {path.name: steps_of(path) for path in (out / "runs").iterdir()} == last


@pytest.mark.slow
@needs_ray
def test_plugins_reach_the_workers(config, folder, tmp_path):
    plugin = tmp_path / "darkened.py"
    plugin.write_text(PLUGINS["toy_degradation"])
    content = yaml.safe_load(config.read_text()) | {"run_cap": 1}
    content["parameters"]["env"]["parameters"]["degradation"] = {"value": "darkened"}
    config.write_text(yaml.safe_dump(content))
    out = tmp_path / "sweep"
    with start(config, "--images", folder, "--out", out, "--seeds", "1", "--plugin", plugin) as process:
        shown, _ = process.communicate()
    assert process.returncode == 0, shown
    assert [path.name for path in (out / "runs").iterdir()] == ["0-0"]
