"""The `hirl` command as the shell sees it."""

import dataclasses
import inspect
import io
import json
import os
import subprocess
import sys
from typing import Any, get_args

import docstring_parser
import numpy as np
import pytest
from tqdm import tqdm

from hirl_agents.networks import FlatQ, QNetwork, TwoLevelQ, save_q
from hirl_agents.rl_restore import RLRestoreAgent, save_rl_restore
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_env import __version__
from hirl_env.quality import measures
from hirl_env.tools.registry import toolsets
from hirl_env.tools.rl_restore import new_tools
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset
from hirl_experiments import cli
from hirl_experiments.benchmarks import table
from hirl_experiments.benchmarks.agents import bench_updates
from hirl_experiments.evaluation.sampling import evaluation_samples


def test_version_and_help_from_the_shell():
    command = [sys.executable, "-m", "hirl_experiments.cli"]
    assert subprocess.check_output([*command, "--version"], text=True) == f"hirl {__version__}\n"
    shown = subprocess.check_output([*command, "--help"], text=True)
    assert all(f" {name} " in shown and command.help in shown for name, command in cli.COMMANDS.items())


def test_output_that_nobody_reads_ends_a_command_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "hirl_experiments.cli", "score", "--help"]
    ran = subprocess.run(command, check=False, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, "")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_command_does_its_work_where_a_stream_is_closed(closed, folder, tmp_path, hirl, monkeypatch):
    monkeypatch.setattr(sys, closed, None)
    target = tmp_path / "scores.json"
    arguments = ["--measure", "psnr", "--references", str(folder), "--json", str(target)]
    assert hirl("score", str(folder), *arguments) == 0
    assert len(json.loads(target.read_text())["rows"]) == 3


def test_names_that_the_terminal_cannot_print_stop_no_command(folder, hirl, monkeypatch):
    (folder / "picture0.png").rename(folder / "Δ.png")
    printed = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", printed)
    assert hirl("score", str(folder), "--measure", "psnr", "--references", str(folder)) == 0
    assert b"\\u0394.png" in printed.buffer.getvalue()


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_no_command(option):
    code = f"""
import sys
from hirl_experiments.cli import main
sys.argv = ["hirl", "{option}"]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(ran.stderr.split())
    assert "hirl_experiments.cli" in imported
    assert not imported & {"torch", "tyro", "numpy", "hirl_env", "hirl_agents"}


@pytest.mark.parametrize(("error", "words"), [((), "out of memory"), (("no 8 EiB",), "out of memory: no 8 EiB")])
def test_what_does_not_fit_into_memory_ends_in_one_line(error, words, hirl, capsys, monkeypatch):
    def full(arguments):
        raise MemoryError(*error)

    monkeypatch.setattr(cli, "_main", full)
    assert hirl("restore") == 1
    assert capsys.readouterr().err == f"hirl: {words}\n"


def test_ctrl_c_during_the_imports_prints_no_traceback(hirl, capsys, monkeypatch):
    def interrupted(module):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    assert hirl("train") == 130
    assert capsys.readouterr().err == "hirl: interrupted\n"


def options_of(explained: Any) -> list[tuple[str, str | None]]:
    """Options with what is said of them; those of dataclasses among them, too."""
    said = {one.arg_name: one.description for one in docstring_parser.parse(explained.__doc__).params}
    found = []
    for name, parameter in inspect.signature(explained, eval_str=True).parameters.items():
        kind, *notes = get_args(parameter.annotation) or [parameter.annotation]
        found.append((name, said.get(name) or next((getattr(note, "help", None) for note in notes), None)))
        found += options_of(kind) if dataclasses.is_dataclass(kind) else []
    return found


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_every_option(name, hirl, capsys):
    assert hirl(name, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    command = cli.COMMANDS[name].load()
    assert command.__doc__.splitlines()[0].split(",")[0][:40] in shown
    assert [option for option, said in options_of(command) if not said] == []
    assert "--plugin MODULE: module or .py file that registers tools" in shown, "which goes with every command"


def test_an_unknown_command_is_an_error(hirl, capsys):
    assert hirl("restoer") != 0
    assert "restoer" in capsys.readouterr().err


@pytest.mark.slow
def test_evaluate_writes_settings_and_rows(folder, tmp_path, hirl, capsys):
    target = tmp_path / "out" / "rows.json"
    arguments = [
        "--degradations",
        "mild",
        "severe",
        "--methods",
        *("distorted", "single", "reverse", "greedy:depth=2", "brute-force:depth=2", "hirl-paper"),
        "hirl-paper:stop=reference",
        "search:agent=hirl-paper,budgets=9+20",
        "--crop",
        "24",
        "--per-image",
        "2",
        "--json",
        str(target),
    ]
    assert hirl("evaluate", "--images", str(folder), *arguments) == 0
    written = json.loads(target.read_text())
    assert written["settings"]["crop"] == 24
    assert written["settings"]["degradations"] == ["mild", "severe"]
    rows = written["rows"]
    assert len(rows) == 2 * (1 + 9 + 1 + 1 + 2 + 2 + 2)
    assert set(rows[0]) == {"degradation", "method", "psnr", "ssim", "gain", "trials", "seconds", "images"}
    assert {row["images"] for row in rows} == {6}
    for level in ("mild", "severe"):
        gains = {row["method"]: row["gain"] for row in rows if row["degradation"] == level}
        psnr = {row["method"]: row["psnr"] for row in rows if row["degradation"] == level}
        trials = {row["method"]: row["trials"] for row in rows if row["degradation"] == level}
        assert gains["distorted"] == trials["distorted"] == 0
        assert gains["brute-force:depth=2"] >= gains["greedy:depth=2"] >= gains["brute-force:depth=2-1"] - 1e-9
        assert gains["brute-force:depth=2-1"] >= max(
            gain for method, gain in gains.items() if method.startswith("single")
        )
        assert psnr["greedy:depth=2"] == pytest.approx(psnr["distorted"] + gains["greedy:depth=2"])
        seconds = {row["method"]: row["seconds"] for row in rows if row["degradation"] == level}
        shorter, longest = "brute-force:depth=2-1", "brute-force:depth=2"
        assert seconds[shorter] == pytest.approx(seconds[longest] * 9 / 90)
        assert (trials["reverse"], trials[shorter], trials[longest]) == (3, 9, 90)
        assert gains["hirl-paper:stop=reference"] >= 0
        assert trials["hirl-paper"] <= 7
        assert (
            trials["search:agent=hirl-paper,budgets=9+20-9"],
            trials["search:agent=hirl-paper,budgets=9+20-20"],
        ) == (9, 20)
        assert gains["search:agent=hirl-paper,budgets=9+20-20"] >= gains["search:agent=hirl-paper,budgets=9+20-9"] >= 0
    assert "brute-force" in capsys.readouterr().out


def test_evaluate_takes_agents_of_ones_own(folder, tmp_path, hirl, capsys):
    own = tmp_path / "flat.safetensors", tmp_path / "two.safetensors"
    save_q(FlatQ(3, 3, width=8), own[0])
    save_q(TwoLevelQ(3, 3, width=8), own[1])
    methods = [str(own[0]), f"{own[1]}:stop=reference", f"search:agent={own[1]},budgets=9"]
    arguments = [
        "--images",
        str(folder),
        "--degradations",
        "mild",
        "--crop",
        "16",
        "--json",
        str(tmp_path / "rows.json"),
    ]
    assert hirl("evaluate", *arguments, "--methods", *methods) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["method"] for row in rows] == [*methods[:2], f"{methods[2]}-9"]


def test_evaluate_runs_rl_restore_with_tools_of_its_own(folder, tmp_path, hirl, capsys):
    target, own, other = (tmp_path / name for name in ("rows.json", "own.safetensors", "other.safetensors"))
    save_rl_restore(RLRestoreAgent(RecurrentQ(12, side=16), new_tools()), own)
    save_rl_restore(RLRestoreAgent(RecurrentQ(4, side=16)), other)
    arguments = ["--images", str(folder), "--degradations", "mild", "--crop", "24", "--methods", "distorted"]
    assert hirl("evaluate", *arguments, str(other), "--toolset", "paper") == 1
    assert "among 4 tools, and the toolset has 9" in capsys.readouterr().err
    assert hirl("evaluate", *arguments, str(own), f"{own}:stop=reference", "--json", str(target)) == 0
    rows = {row["method"]: row for row in json.loads(target.read_text())["rows"]}
    assert list(rows) == ["distorted", str(own), f"{own}:stop=reference"]
    assert rows[str(own)]["trials"] <= 3
    assert rows[str(own)]["psnr"] == pytest.approx(rows["distorted"]["psnr"] + rows[str(own)]["gain"])
    assert rows[f"{own}:stop=reference"]["gain"] >= 0
    tools = ["--methods", "single", "greedy:depth=1", "--toolset", str(own), "--json", str(target)]
    assert hirl("evaluate", *arguments[:6], *tools) == 0
    rows = {row["method"]: row for row in json.loads(target.read_text())["rows"]}
    assert len(rows) == 13
    assert rows["greedy:depth=1"]["gain"] >= rows["single RL-Restore 12 (dejpeg)"]["gain"]
    assert rows["greedy:depth=1"]["trials"] == 12


def test_json_on_standard_output_stands_alone(folder, tmp_path, hirl, capsys, monkeypatch):
    """Though it is written after each degradation."""
    monkeypatch.chdir(tmp_path)
    options = ["--degradations", "mild", "severe", "--methods", "distorted", "--crop", "16", "--json", "-"]
    assert hirl("evaluate", "--images", str(folder), *options) == 0
    said = capsys.readouterr()
    assert [row["degradation"] for row in json.loads(said.out)["rows"]] == ["mild", "severe"]
    assert "│ mild        │ distorted │" in said.err
    assert list(tmp_path.glob("-")) == []


def test_json_on_standard_output_holds_what_was_measured_before_a_mistake(folder, hirl, capsys):
    (folder / "broken.png").write_bytes(b"no picture")
    assert hirl("score", str(folder), "--measure", "psnr", "--references", str(folder), "--json", "-") == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)["rows"]) == 3
    assert "1 of 4 pictures could not be scored" in said.err


def test_evaluate_repeats_from_a_seed(folder, tmp_path, hirl):
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for file in files:
        arguments = [
            "--degradations",
            "levels",
            "--methods",
            "distorted",
            "reverse",
            "--crop",
            "24",
            "--json",
            str(file),
        ]
        assert hirl("evaluate", "--images", str(folder), *arguments) == 0
    one, other = (json.loads(file.read_text())["rows"] for file in files)
    assert [row["psnr"] for row in one] == [row["psnr"] for row in other]


def test_whole_photographs_of_several_sizes(folder, hirl, capsys):
    from PIL import Image

    Image.new("RGB", (21, 35), (90, 120, 40)).save(folder / "tall.png")
    arguments = ["--degradations", "mild", "--methods", "distorted", "reverse", "--crop", "None"]
    assert hirl("evaluate", "--images", str(folder), *arguments) == 0
    assert " 4 " in capsys.readouterr().out


def test_evaluate_tools_finds_what_moves_the_picture(folder, tmp_path, hirl, monkeypatch, capsys):
    def half_a_pixel(images):
        return (images + images.roll(-1, dims=-1)) / 2

    monkeypatch.setitem(toolsets.factories, "moved", lambda: Toolset({"move": [Tool("half", half_a_pixel)]}))
    save = ["--json", str(tmp_path / "tools.json"), "--markdown", str(tmp_path / "tools.md")]
    options = ["--toolset", "moved", "--parts", "translations", "--crop", "256"]
    assert hirl("evaluate-tools", "--images", "photos", *options, *save) == 0
    none, half = json.loads((tmp_path / "tools.json").read_text())["rows"]
    assert none["tool"] == "none"
    for sigma in ("sigma 0.5", "sigma 1.5", "sigma 3"):
        assert none[sigma] == pytest.approx(0, abs=0.01)
        assert half[sigma] == pytest.approx(0.5, rel=0.1)
    text = (tmp_path / "tools.md").read_text()
    assert "hirl evaluate-tools --images photos --crop 256 --toolset moved --parts translations" in text
    assert "| half | 0." in text
    assert hirl("evaluate-tools", "--images", str(folder), *options[:-1], "24") == 1
    assert "images of at least 32x32 pixels" in capsys.readouterr().err


def test_evaluate_tools_measures_every_tool_on_its_own(pictures, folder, tmp_path, hirl):
    target = tmp_path / "tools.json"
    assert hirl("evaluate-tools", "--images", str(folder), "--json", str(target)) == 0
    rows = json.loads(target.read_text())["rows"]
    assert len(rows) == 27
    assert {row["images"] for row in rows} == {3}
    # One of them by hand.
    (row,) = (row for row in rows if (row["distortion"], row["tool"]) == ("noise-25", "FFDNet 25"))
    before, after = [], []
    for start in evaluation_samples(pictures, "noise-25", None, 1, 0):
        restored = toolsets.resolve("paper").apply(start.distorted[None], (0, 1))[0]
        for found, image in ((before, start.distorted), (after, restored)):
            error = image.numpy().astype(np.float64) - start.reference.numpy()
            found.append(-10 * np.log10(np.mean(error**2)))
    assert row["psnr_before"] == pytest.approx(np.mean(before), abs=1e-3)
    assert row["psnr"] == pytest.approx(np.mean(after), abs=1e-3)
    assert row["gain"] == pytest.approx(np.mean(after) - np.mean(before), abs=1e-3)
    assert row["gain"] > 3


@pytest.mark.slow
def test_demo_draws_a_figure_per_level(tmp_path, hirl):
    levels = ["--crop", "16", "--depth", "1", "--parts", "levels"]
    assert hirl("demo", "--out", str(tmp_path / "demo"), *levels) == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "mild.png",
        "moderate.png",
        "severe.png",
        "demo.json",
    }
    assert (tmp_path / "demo" / "mild.png").read_bytes().startswith(b"\x89PNG")
    settings = json.loads((tmp_path / "demo" / "demo.json").read_text())["settings"]
    assert settings["precision"] == "float32", "so that the table is the same everywhere"


def test_fixed_path_shows_its_progress(folder, hirl, monkeypatch):
    bars = []

    def bar(**options):
        bars.append(tqdm(**options | {"disable": False, "file": io.StringIO()}))
        return bars[0]

    monkeypatch.setattr("hirl_experiments.commands.fixed_path.tqdm", bar)
    assert hirl("fixed-path", "--images", str(folder), "--suite", "levels-v1", "--length", "1", "--crop", "16") == 0
    assert bars[0].n == bars[0].total == 9


@pytest.mark.parametrize("name", ["gallery.png", "severe.png", "demo.json"])
def test_demo_overwrites_no_file_of_ones_own(name, tmp_path, hirl, capsys):
    (tmp_path / name).write_text("mine")
    assert hirl("demo", "--out", str(tmp_path)) == 1
    assert f"{name} holds something else than" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
def test_bench_prints_ratios(tmp_path, hirl):
    target = tmp_path / "bench.json"
    arguments = [
        "--parts",
        "environment",
        "updates",
        "--envs",
        "2",
        "--kinds",
        "native",
        "sync",
        "async",
        "--seconds",
        "0.3",
        "--precisions",
        "float32",
    ]
    assert hirl("bench", *arguments, "--json", str(target)) == 0
    *rows, updates = json.loads(target.read_text())["rows"]
    assert updates["of_passes_alone"] > 0 < updates["of_two_networks_alone"]
    assert [row["kind"] for row in rows] == ["native", "sync", "async"]
    assert all(row["steps_per_second"] > 0 and row["in_tools"] > 0 for row in rows)
    assert rows[1]["vs_sync"] == 1


def test_updates_are_compared_with_the_passes_that_they_make(monkeypatch):
    """Passes of networks in place of seconds, so that no other work beside the test matters."""
    made = []
    forward = QNetwork.forward
    monkeypatch.setattr(QNetwork, "forward", lambda *given: made.append(1) or forward(*given))

    def counted(parts, seconds):
        counts = {}
        for name, part in parts.items():
            made.clear()
            part()
            counts[name] = len(made)
        return counts

    monkeypatch.setattr("hirl_experiments.benchmarks.agents._alternating", counted)
    row = bench_updates(1.0, 0)
    assert row["of_passes_alone"] == 1
    assert row["of_two_networks_alone"] == pytest.approx(2 / 3), "what TS learns is a third"


def test_bench_times_the_table(tmp_path, hirl, monkeypatch):
    monkeypatch.setattr(table, "CROPS", 2)
    monkeypatch.setattr(table, "ENVS", 4)
    assert hirl("bench", "--parts", "table", "--seconds", "0.1", "--json", str(tmp_path / "bench.json")) == 0
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert [row["what"] for row in rows] == ["table, NextStep", "table, SameStep"]
    assert all(row["steps_per_second"] > 0 for row in rows)


def test_bench_times_every_measure_at_hand_and_fetches_none(tmp_path, hirl, capsys, monkeypatch):
    monkeypatch.setenv("HIRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("hirl_experiments.benchmarks.quality.CROPS", 2)
    monkeypatch.setattr("hirl_experiments.benchmarks.quality.PHOTOGRAPH", (192, 192))
    target = tmp_path / "quality.json"
    assert hirl("bench", "--parts", "quality", "--seconds", "0.01", "--json", str(target)) == 0
    rows = {row["measure"]: row for row in json.loads(target.read_text())["rows"]}
    assert "measure 'paq2piq' has no weights here yet" in capsys.readouterr().out
    assert set(measures.names()) - set(rows) <= {"paq2piq", "brisque"}
    assert rows["ms-ssim"]["crops_per_second"] is rows["ms-ssim"]["of_step"] is None
    for name, row in rows.items():
        assert row["photographs_per_second"] > 0
        assert name == "ms-ssim" or (row["crops_per_second"] > 0 and row["of_step"] > 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "--images", "nowhere"), "hirl: nowhere: no such folder"),
        (
            ("evaluate", "--images", "photos", "--degradations", "awful"),
            "hirl: unknown degradation 'awful'; known are: mild",
        ),
        (("evaluate", "--images", "photos", "--degradations", "mild", "--crop", "9999"), "another crop size"),
        (("evaluate", "--images", "photos", "--methods", "greedy:depth=0"), "depth must be at least 1"),
        (
            ("evaluate", "--images", "photos", "--methods", "mine"),
            "unknown method 'mine'; known are: distorted",
        ),
        (("score", "x.png", "--plugin", "nowhere"), "--plugin nowhere cannot be imported: ModuleNotFoundError"),
        (("evaluate", "--images", "photos", "--degradations"), "--degradations needs at least one value"),
        (
            ("calibrate", "--agent", "a", "--images", "photos", "--out", "a.safetensors", "--degradations"),
            "--degradations needs at",
        ),
        (("demo", "--out", "nowhere", "--parts"), "--parts needs at least one value"),
        (("evaluate-tools", "--images", "photos", "--parts"), "--parts needs at least one value"),
        (("bench", "--parts"), "--parts needs at least one value"),
        (("bench", "--parts", "table", "--seconds", "0"), "--seconds must be above 0, got 0"),
        (
            ("restore", "nowhere.png", "--out", "x", "--measure", "nonsense"),
            "--measure nonsense is for --stop quality: add that, or leave it out",
        ),
        (
            ("train", "--images", "photos", "--preset", "flat-dqn", "--label", "tuned", "--start-from", "hirl"),
            "--start-from is for HIRL, not for the algorithm flat-dqn",
        ),
        (("evaluate", "--images", "photos", "--degradations", "mild", "--crop", "0"), "at least one pixel, got 0"),
        (("evaluate", "--images", "photos", "--toolset", "mine"), "unknown toolset 'mine'"),
        (("evaluate-tools", "--images", "kodak24"), "hirl: Kodak24 is not here: download it from"),
        (("evaluate-tools", "--images", "photos", "--device", "tpu7"), "device"),
        (
            ("train-tools", "srn", "--images", "photos", "--out", "x", "--patch", "50"),
            "--patch must be multiples of 16",
        ),
    ],
)
def test_mistakes_end_in_one_plain_line(arguments, message, monkeypatch, capsys, hirl):
    monkeypatch.delenv("HIRL_DATA", raising=False)
    assert hirl(*arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "picture0.png", "--json"),
        ("evaluate", "--images", "photos", "--json"),
        ("evaluate-tools", "--images", "photos", "--json"),
        ("evaluate-measures", "--images", "photos", "--json"),
        ("benchmark", "--images", "photos", "--json"),
        ("benchmark", "--images", "photos", "--markdown"),
        ("benchmark", "--images", "photos", "--figure"),
        ("compare", "run", "--out"),
        ("compare", "run", "--markdown"),
        ("bench", "--json"),
        ("calibrate", "--agent", "a", "--images", "photos", "--out"),
        ("demo", "--out"),
    ],
)
def test_no_command_works_for_a_result_that_it_could_not_save(arguments, folder, monkeypatch, capsys, hirl):
    """Nothing is measured before that is found: stdout is empty."""
    monkeypatch.chdir(folder)
    (folder / "file").write_text("mine")
    assert hirl(*arguments, "file/result.safetensors") == 1
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert "hirl: could not write file/result.safetensors: Not a directory; make room or choose another" in said.err
    if arguments[0] not in ("demo", "calibrate"):
        assert hirl(*arguments, ".") == 1
        assert "hirl: . is a folder; name a file" in capsys.readouterr().err
