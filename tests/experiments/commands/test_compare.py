import pytest
import yaml
from PIL import Image

from hirl_experiments.training.csv_log import CsvLog


def written(folder, label: str, gains: list[float], **config):
    log = CsvLog(folder / "evaluation.csv")
    for number, gain in enumerate(gains):
        log.write({"step": number * 100, "gain": gain, "mild": gain, "moderate": gain, "severe": gain, "trials": 3})
    (folder / "config.yaml").write_text(yaml.safe_dump({"algo": "hirl", "label": label, **config}))
    return folder


def test_it_draws_seeds_of_one_label_as_one_curve(hirl, tmp_path, capsys):
    runs = [
        written(tmp_path / "a", "hirl", [0, 1, 2], seed=0),
        written(tmp_path / "b", "hirl", [0, 2, 3, 4], seed=1),
        written(tmp_path / "c", "flat-dqn", [0, 1, 1]),
    ]
    figure = tmp_path / "figures" / "curves.png"
    table = tmp_path / "table.md"
    assert hirl("compare", *map(str, runs), "--out", str(figure), "--markdown", str(table)) == 0
    title, *lines = table.read_text().splitlines()
    assert title == "gain on validation photographs, at its best and at the end:"
    assert f"hirl compare {runs[0]} {runs[1]} {runs[2]}" in table.read_text()
    for on in ("mean of the levels", "mild", "moderate", "severe"):
        first, second = (line for line in lines if line.startswith(f"| {on} |"))
        assert first.startswith(f"| {on} | hirl | 2 | 200 | 2.50 | 2.00 | 3.00 | 0.71 | 2.50 | 2.00 | 3.00 |")
        assert second.startswith(f"| {on} | flat-dqn | 1 |")
    assert figure.read_bytes().startswith(b"\x89PNG")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    row = next(line for line in lines if "hirl" in line)
    assert {"2", "200", "2.50", "0.71"} <= set(row)  # seeds, steps of the shorter, mean of the best there, their spread


@pytest.mark.parametrize(("option", "kind"), [("--out", "a figure"), ("--markdown", "a table")])
def test_a_file_of_another_kind_is_not_overwritten(hirl, tmp_path, capsys, monkeypatch, option, kind):
    monkeypatch.chdir(tmp_path)
    command = ["compare", str(written(tmp_path / "a", "hirl", [0, 1])), option, "target"]
    (tmp_path / "target").write_text("# My notes\n\n```sh\nhirl demo\n```\n")
    assert hirl(*command) == 1
    said = f"hirl: target holds something else than {kind} of hirl and would be overwritten; choose another name\n"
    assert capsys.readouterr().err == said
    Image.new("RGB", (8, 8)).save(tmp_path / "target", format="PNG")
    assert hirl(*command) == 1
    assert capsys.readouterr().err == said
    (tmp_path / "target").write_text("")
    assert hirl(*command) == 0
    assert hirl(*command) == 0, "over what it wrote itself"


def test_runs_of_different_levels_are_not_compared(hirl, tmp_path, capsys):
    levels = written(tmp_path / "levels", "hirl", [0, 1])
    unpaired = tmp_path / "unpaired"
    CsvLog(unpaired / "evaluation.csv").write({"step": 0, "gain": 1, "as given": 1, "trials": 3, "margin": 0})
    (unpaired / "config.yaml").write_text("algo: hirl\nlabel: blind\n")
    out = str(tmp_path / "curves.png")
    assert hirl("compare", str(unpaired), "--out", out) == 0
    assert hirl("compare", str(levels), str(unpaired), "--out", out) == 1
    assert "different levels (as given | mild, moderate, severe)" in capsys.readouterr().err


def test_runs_that_differ_in_more_than_seeds_are_not_averaged(hirl, tmp_path, capsys):
    first = written(tmp_path / "first", "hirl", [0, 1], seed=0, algorithm={"gamma": 0.0}, git_revision="a")
    second = written(tmp_path / "second", "hirl", [0, 1], seed=1, algorithm={"gamma": 0.0}, git_revision="b")
    other = written(tmp_path / "other", "hirl", [0, 1], seed=1, algorithm={"gamma": 0.9})
    out = str(tmp_path / "curves.png")
    assert hirl("compare", str(first), str(second), "--out", out) == 0
    assert hirl("compare", str(first), str(other), "--out", out) == 1
    assert f"{first} and {other} are both called 'hirl', and differ in algorithm" in capsys.readouterr().err
    elsewhere = written(tmp_path / "elsewhere", "hirl", [0, 1], seed=1, algorithm={"gamma": 0.0}, images="/data/others")
    assert hirl("compare", str(first), str(elsewhere), "--out", out) == 1
    assert "differ in images" in capsys.readouterr().err
    more = written(tmp_path / "more", "hirl", [0, 1], seed=1, algorithm={"gamma": 0.0}, every=50)
    assert hirl("compare", str(first), str(more), "--out", out) == 1
    assert "differ in every" in capsys.readouterr().err
    filled = written(tmp_path / "filled", "hirl", [0, 1], seed=1, algorithm={"gamma": 0.0}, memory=["/data/run"])
    assert hirl("compare", str(first), str(filled), "--out", out) == 1
    assert "differ in memory" in capsys.readouterr().err
    copied = written(tmp_path / "copied", "hirl", [0, 1], seed=0, algorithm={"gamma": 0.0})
    assert hirl("compare", str(first), str(copied), "--out", out) == 1
    assert "have the same seed" in capsys.readouterr().err
    by_ssim = written(tmp_path / "by-ssim", "ssim", [0, 1], env={"reward": "ssim"})
    assert hirl("compare", str(first), str(by_ssim), "--out", out) == 1
    assert "gains in psnr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("runs", "words"), [([], "at least one"), (["nowhere"], "no run of hirl train, which has a config.yaml")]
)
def test_mistakes(hirl, runs, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hirl("compare", *runs) == 1
    assert words in capsys.readouterr().err


def test_a_run_without_evaluations(hirl, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("algo: hirl\nlabel: x\n")
    assert hirl("compare", str(tmp_path / "run")) == 1
    assert "nothing was evaluated" in capsys.readouterr().err


def test_of_runs_that_were_trained_on_different_degradations_what_they_share_is_compared(hirl, tmp_path, capsys):
    usual = written(tmp_path / "usual", "hirl", [0, 1])
    own = tmp_path / "own"
    row = {"step": 0, "gain": 1, "mild": 1, "moderate": 1, "severe": 1, "light": 0, "trials": 3, "margin": 0}
    CsvLog(own / "evaluation.csv").write(row)
    (own / "config.yaml").write_text("algo: hirl\nlabel: own\n")
    assert hirl("compare", str(usual), str(own), "--out", str(tmp_path / "curves.png")) == 0
    table = capsys.readouterr().out
    assert "severe" in table
    assert "light" not in table


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({"validate": "/data/others"}, "validate"),
        ({"validate": None, "images": "/data/pictures"}, "validate"),
        ({"env": {"crop_size": 32}}, "env.crop_size"),
        ({"every": 50}, "every"),
    ],
)
def test_it_warns_where_curves_were_not_measured_alike(hirl, tmp_path, capsys, config, setting):
    usual = written(tmp_path / "usual", "hirl", [0, 1], validate="/data/validation")
    elsewhere = written(tmp_path / "elsewhere", "flat-dqn", [0, 1], validate="/elsewhere/validation")
    other = written(tmp_path / "other", "other", [0, 1], **{"validate": "/data/validation"} | config)
    out = str(tmp_path / "curves.png")
    assert hirl("compare", str(usual), str(elsewhere), "--out", out) == 0
    assert "measured alike" not in capsys.readouterr().err
    assert hirl("compare", str(usual), str(other), "--out", out) == 0
    assert f"the runs differ in {setting}: their curves were not measured alike" in capsys.readouterr().err
