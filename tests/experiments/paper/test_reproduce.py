"""The paper's tables and figures, end to end, on two tiny pictures."""

import json
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from hirl_agents.rl_restore import RLRestoreAgent, save_rl_restore
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_agents.search import brute_force, greedy
from hirl_env import __version__
from hirl_env.data.degradations import LEVELS, GaussianNoise, degradations
from hirl_env.data.images import read_image, to_tensor
from hirl_env.data.photographs import from_folder
from hirl_env.devices import available_precision
from hirl_env.quality import psnr
from hirl_env.tools.registry import toolsets
from hirl_env.tools.toolset import Toolset
from hirl_experiments.commands.reproduce import PARTS
from hirl_experiments.evaluation.sampling import begin, evaluation_samples
from hirl_experiments.paper import experiment
from hirl_experiments.paper.distortions import MADE, network_rows
from hirl_experiments.paper.figure1 import DISTORTION
from hirl_experiments.paper.reported import FIGURE1, TABLE1, TABLE2, TABLE3
from hirl_experiments.paper.table1 import BOUND, BY_REFERENCE, BY_VALUE, orderings

pytestmark = pytest.mark.slow

FIGURES = {
    "table1": {"table1"},
    "table2": {"table2"},
    "table3": {"table3"},
    "figure1": {"figure1"},
    "figure3": {f"figure3-{row.lower()}" for row in TABLE1},
    "figure4": {"figure4"},
}


@pytest.fixture
def evaluated(hirl, two, agent, tmp_path):
    """Gains, PSNR and SSIM by level and method, as `hirl evaluate` has them for the same crops."""

    def run(*arguments: str) -> dict[tuple[str, str], dict[str, float]]:
        target = tmp_path / "evaluate.json"
        options = ("--images", str(two), "--crop", "32", "--json", str(target))
        assert hirl("evaluate", *options, *arguments) == 0
        return {(row["degradation"], row["method"]): row for row in json.loads(target.read_text())["rows"]}

    return run


@pytest.mark.usefixtures("large")
def test_all_parts_are_written_with_what_differs(reproduce, tmp_path, capsys):
    assert set(PARTS) == set(FIGURES)
    assert reproduce("all", "--crop", "64", "--max-trials", "9", "--pictures", "1", "--wandb") == 0
    out = tmp_path / "out"
    for part, figures in FIGURES.items():
        page = (out / f"{part}.md").read_text()
        assert page.startswith(f"# {part[:-1].capitalize()} {part[-1]}: ")
        assert "the paper" in page
        for words in (
            "2 photographs, 64x64 pixels",
            "Precision of the tools: float32",
            "Seed: 0",
            f"Weights: those of version {__version__}, but for --agent",
            "`hirl reproduce all",
        ):
            assert words in page
        for name in figures:
            assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
            assert f"({name}.png)" in page
        written = json.loads((out / f"{part}.json").read_text())
        assert written["settings"]["crop"] == 64
        assert written["settings"]["command"] and written["settings"]["notes"]
    assert len(list((out / "wandb").glob("offline-run-*"))) == len(PARTS)
    assert "Table 2" in capsys.readouterr().out


def test_table_1_agrees_with_evaluate_and_names_who_is_missing(reproduce, written, evaluated, agent, tmp_path):
    assert reproduce("table1", "--brute-force", "1") == 0
    rows = {
        (row["distortion"], row["column"]): row for row in written("table1")["rows"] if row["degradation"] == "mean"
    }
    here = evaluated("--methods", "distorted", "single", agent, f"{agent}:stop=reference", "brute-force:depth=1")
    expected = {
        ("mild", "FFDNet"): "single FFDNet 15",
        ("moderate", "FFDNet"): "single FFDNet 25",
        ("severe", "FFDNet"): "single FFDNet 35",
        ("mild", "Fast AR-CNN"): "single Fast AR-CNN 30",
        ("severe", "Fast AR-CNN"): "single Fast AR-CNN 10",
        ("mild", "SRN"): "single SRN",
        ("mild", "SRCNN"): "single SRCNN",
        ("mild", "distorted"): "distorted",
        ("severe", "HIRL, stops by value"): agent,
        ("severe", "HIRL, stops by reference"): f"{agent}:stop=reference",
        ("severe", "brute force"): "brute-force:depth=1",
    }
    for (level, column), method in expected.items():
        for key in ("psnr", "ssim"):
            assert rows[level, column][key] == pytest.approx(here[level, method][key]), (level, column)
    assert rows["blur", "HIRL, stops by reference"]["paper_psnr"] == 29.80
    assert rows["blur", "HIRL, stops by value"]["paper_psnr"] is None
    by_level = [
        row["psnr"] for row in written("table1")["rows"] if row["column"] == "SRN" and row["distortion"] == "JPEG"
    ]
    assert len(by_level) == 6
    assert by_level[-1] == pytest.approx(fmean(by_level[:-1]))

    page = (tmp_path / "out" / "table1.md").read_text()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    assert [line[0] for line in lines[2::2]] == [*TABLE1, "average"]
    assert "RL-Restore is the shipped agent, which was trained here with the same tools as HIRL." in page
    (average,) = (line for line in lines if line[:2] == ["average", "the paper"])
    assert average[lines[0].index("FFDNet")] == "26.91/0.6908"


def test_margins_are_over_the_best_of_the_others():
    columns = {BY_REFERENCE: (30.0, 0.9), BY_VALUE: (29.0, 0.8), "SRN": (29.5, 0.9), "FFDNet": (28.0, 0.9)}
    claims = orderings({"mild": {**columns, BOUND: (40.0, 1.0)}, "severe": {**columns, "distorted": (31.25, 0.9)}})
    assert [claim.margin for claim in claims] == [0.5, -1.25, -0.5, -2.25]
    assert [claim.holds for claim in claims] == [True, False, False, False]
    assert "on mild HIRL, stops by reference is ahead of SRN" in str(claims[0])
    assert str(claims[1]).startswith("does not hold (-1.250 dB)")


def test_each_part_says_which_of_the_papers_orderings_hold(reproduce, written, tmp_path, capsys):
    claims = {"table1": 2 * len(TABLE1), "table2": len(LEVELS) * (2 + 1), "table3": len(LEVELS) * 2}
    for part, count in claims.items():
        assert reproduce(part, "--max-trials", "9") == 0
        stated = written(part)["settings"]["orderings"]
        assert len(stated) == count
        assert all(line.startswith(("holds (", "does not hold (")) for line in stated)
        assert stated[0] in capsys.readouterr().out
        assert f"- {stated[0]}" in (tmp_path / "out" / f"{part}.md").read_text()
    # Brute force of one step is the first step of the greedy choice, which may take more.
    assert not any(
        "brute force of 1 steps" in line and line.startswith("holds")
        for line in written("table2")["settings"]["orderings"]
    )


def test_only_a_baseline_of_other_weights_is_measured_again(reproduce, written, tmp_path, monkeypatch):
    assert reproduce("table1") == 0
    before = written("table1")["rows"]
    save_rl_restore(RLRestoreAgent(RecurrentQ(9, side=16)), tmp_path / "rl-restore.safetensors")

    def never(*_):
        raise AssertionError("finished already")

    monkeypatch.setattr(experiment.Single, "open", lambda *_: never)
    assert reproduce("table1", "--rl-restore", str(tmp_path / "rl-restore.safetensors")) == 0
    after = written("table1")["rows"]
    differ = {row["column"] for row, other in zip(after, before, strict=True) if row != other}
    assert differ == {"RL-Restore"}


def test_table_1_measures_csiq_where_it_is_there(reproduce, written, tmp_path, capsys):
    rng = np.random.default_rng(0)
    csiq = tmp_path / "CSIQ"
    reference = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    (csiq / "src_imgs").mkdir(parents=True)
    Image.fromarray(reference).save(csiq / "src_imgs" / "lake.png")
    assert reproduce("table1", "--csiq", str(csiq)) == 1
    assert "CSIQ is not here" in capsys.readouterr().err
    for kind in ("AWGN", "JPEG", "BLUR"):
        (csiq / "dst_imgs" / kind.lower()).mkdir(parents=True)
        for level in range(1, 6):
            worse = (reference // (level + 1)).astype(np.uint8)
            Image.fromarray(worse).save(csiq / "dst_imgs" / kind.lower() / f"lake.{kind}.{level}.png")
    assert reproduce("table1", "--csiq", str(csiq), "--crop", "None") == 0
    rows = {
        (row["degradation"], row["column"]): row for row in written("table1")["rows"] if row["degradation"] != "mean"
    }
    pair = [
        to_tensor(read_image(csiq / place))[None] for place in ("dst_imgs/blur/lake.BLUR.4.png", "src_imgs/lake.png")
    ]
    assert rows["csiq-blur-4", "distorted"]["psnr"] == pytest.approx(float(psnr(*pair)))
    assert rows["csiq-blur-4", "distorted"]["images"] == 1
    assert rows["csiq-awgn-3", "FFDNet"]["method"] == "single FFDNet 25"
    assert "are CSIQ's" in (tmp_path / "out" / "table1.md").read_text()


def test_degrees_of_single_networks_fit_the_distortion():
    toolset = toolsets.resolve("paper")
    chosen = {
        name: network_rows(toolset, level)["FFDNet"]
        for name, level in {**MADE["AWGN"], **MADE["JPEG"], "severe": degradations.resolve("severe")}.items()
    }
    assert chosen["noise-5"] == chosen["noise-15"] == chosen["jpeg-5"] == "single FFDNet 15"
    assert chosen["noise-45"] == chosen["severe"] == "single FFDNet 35"
    assert network_rows(toolset, GaussianNoise(30.1)) == {
        "SRCNN": "single SRCNN",
        "Fast AR-CNN": "single Fast AR-CNN 30",
        "SRN": "single SRN",
        "FFDNet": "single FFDNet 35",
    }


def test_table_2_agrees_with_evaluate(reproduce, written, evaluated, agent, tmp_path):
    assert reproduce("table2", "--max-trials", "100") == 0
    rows = {(row["scheme"], row["level"], row["trials"]): row for row in written("table2")["rows"]}
    searched = f"search:agent={agent},max_steps=7"
    here = evaluated("--methods", "brute-force:depth=2", searched)
    names = {
        ("brute force", 9): "brute-force:depth=2-1",
        ("brute force", 90): "brute-force:depth=2",
        ("HIRL", 9): f"{searched}-9",
        ("HIRL", 90): f"{searched}-90",
    }
    for (scheme, trials), method in names.items():
        gains = [here[level, method]["gain"] for level in LEVELS]
        assert [rows[scheme, level, trials]["gain"] for level in LEVELS] == pytest.approx(gains)
        assert rows[scheme, "mean", trials]["gain"] == pytest.approx(fmean(gains))
        assert rows[scheme, "mean", trials]["paper"] == TABLE2[scheme][trials]
    assert "Left out: 819, 7,380 trials" in (tmp_path / "out" / "table2.md").read_text()


def test_a_search_that_is_ended_early_shows_what_it_found_by_then(reproduce, written, tmp_path):
    assert reproduce("table2", "--max-trials", "90", "--search-trials", "50") == 0
    rows = {(row["scheme"], row["level"], row["trials"]): row for row in written("table2")["rows"]}
    for level in LEVELS:
        assert rows["HIRL", level, 90]["gain"] == rows["HIRL", level, 9]["gain"]
        assert rows["HIRL", level, 90]["used"] == 9
        assert rows["brute force", level, 90]["used"] == 90
    text = (tmp_path / "out" / "table2.md").read_text()
    assert "search was ended after 9 trials" in text
    assert [line.count("≥") for line in text.splitlines() if line.startswith("| HIRL")] == [0, 1, 1, 1, 1]
    assert "on mild HIRL's search of 9 trials is ahead of brute force at 90 trials" in text


def test_table_3_agrees_with_evaluate(reproduce, written, evaluated, agent):
    assert reproduce("table3") == 0
    rows = {(row["level"], row["path"], row["stop"]): row for row in written("table3")["rows"]}
    assert len(rows) == 3 * 3 * 2
    here = evaluated("--methods", f"{agent}:max_steps=5", f"{agent}:max_steps=5,stop=reference")
    for level in LEVELS:
        for stop, method in {
            "value": f"{agent}:max_steps=5",
            "reference": f"{agent}:max_steps=5,stop=reference",
        }.items():
            assert rows[level, 5, stop]["psnr"] == pytest.approx(here[level, method]["psnr"])
            assert (rows[level, 5, stop]["paper_psnr"], rows[level, 5, stop]["paper_ssim"]) == TABLE3[level][5]
            assert rows[level, 3, stop]["trials"] <= 3
        assert rows[level, 3, "reference"]["psnr"] <= rows[level, 7, "reference"]["psnr"] + 1e-9


def test_figure_1_shows_what_the_searches_find(reproduce, written, two, monkeypatch, tmp_path):
    from hirl_experiments.paper import figure1

    monkeypatch.setattr(figure1, "LENGTH", 2)  # 90 trials instead of 819
    assert reproduce("figure1", "--picture", "picture1") == 0
    rows = {row["strategy"]: row for row in written("figure1")["rows"]}
    _, start = evaluation_samples(from_folder(two), DISTORTION, 32, 1, 0)
    begun = begin([start], toolsets.resolve("paper"), "float32")
    assert rows["greedy"]["gain"] == pytest.approx(greedy(begun, 2)[-1].state.gains[0])
    assert rows["brute force"]["gain"] == pytest.approx(brute_force(begun, 2)[-1].state.gains[0])
    assert rows["brute force"]["trials"] == 90
    assert rows["reverse order"]["tools"] == ["Fast AR-CNN 10", "FFDNet 15", "SRN"]
    assert {strategy: row["paper"] for strategy, row in rows.items()} == {
        name: gain for name, (_, gain) in FIGURE1.items()
    }
    node = begun.branch()
    for kind, degree in ((1, 2), (0, 2), (2, 2)):  # the paper's reverse order
        node.step([(kind, degree)])
    assert rows["reverse order"]["gain_of_papers_tools"] == pytest.approx(node.state.gains[0])
    assert "+1.157 dB" in (tmp_path / "out" / "figure1.md").read_text()


def test_figure_3_saves_the_pictures_it_shows(reproduce, written, two, tmp_path):
    assert reproduce("figure3", "--pictures", "5") == 0
    rows = written("figure3")["rows"]
    assert {row["photograph"] for row in rows} == {"picture0", "picture1"}
    assert {row["degradation"] for row in rows} == {"noise-25", "jpeg-20", "blur-10", *LEVELS}
    start, _ = evaluation_samples(from_folder(two), "jpeg-20", 32, 1, 0)
    for row in rows:
        if row["degradation"] == "jpeg-20" and row["photograph"] == "picture0":
            saved = to_tensor(read_image(tmp_path / "out" / row["file"]))
            # What is saved has 8 bits, what was measured has not.
            assert float(psnr(saved[None], start.reference[None])) == pytest.approx(row["psnr"], abs=0.05)
            if row["column"] == "distorted":
                assert saved.equal(start.distorted)
    (tmp_path / "out" / rows[0]["file"]).unlink()
    assert reproduce("figure3", "--pictures", "5") == 0
    assert (tmp_path / "out" / rows[0]["file"]).exists()
    assert written("figure3")["rows"] == rows


def test_figure_3_scores_what_it_shows_where_tools_do_not_clamp(reproduce, written, two, tmp_path, monkeypatch):
    tools = toolsets.resolve("paper")
    bright = {
        name: [replace(tools[kind, degree], restore=lambda images: images * 2, clamp=False) for degree in range(3)]
        for kind, name in enumerate(tools.types)
    }
    monkeypatch.setitem(toolsets.factories, "paper", lambda: Toolset(bright))
    assert reproduce("figure3", "--pictures", "2") == 0
    start, _ = evaluation_samples(from_folder(two), "jpeg-20", 32, 1, 0)
    (row,) = (
        one
        for one in written("figure3")["rows"]
        if (one["degradation"], one["photograph"], one["column"]) == ("jpeg-20", "picture0", "Fast AR-CNN")
    )
    saved = to_tensor(read_image(tmp_path / "out" / row["file"]))
    assert float(psnr(saved[None], start.reference[None])) == pytest.approx(row["psnr"], abs=0.05)


@pytest.mark.parametrize("part", ["table3", "figure3"])
def test_an_interrupted_part_goes_on_to_the_same_end(part, reproduce, written, monkeypatch, capsys):
    whole = experiment.Follow.open
    calls = []

    def opened(method, *where):
        run = whole(method, *where)

        def interrupted(*arguments):
            calls.append(arguments)
            if len(calls) == 8:
                raise KeyboardInterrupt
            return run(*arguments)

        return run if method.agent in ("flat-dqn", "rl-restore-paper") else interrupted

    assert reproduce(part, out="straight") == 0
    monkeypatch.setattr(experiment.Follow, "open", opened)
    assert reproduce(part) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert reproduce(part) == 0
    needed = {"table3": 18, "figure3": 24}[part]  # by value, and by the reference
    assert len(calls) == needed + 1
    straight, resumed = (
        [{key: value for key, value in row.items() if key != "seconds"} for row in written(part, out)["rows"]]
        for out in ("straight", "out")
    )
    assert resumed == straight


def test_automatic_precision_is_named(reproduce, tmp_path):
    assert reproduce("table3", "--precision", "auto") == 0
    page = (tmp_path / "out" / "table3.md").read_text()
    assert f"Precision of the tools: {available_precision('auto', 'cpu')}, on cpu." in page


def test_other_settings_in_the_same_folder_are_refused(reproduce, two, capsys, tmp_path):
    assert reproduce("table3") == 0
    page = (tmp_path / "out" / "table3.md").read_text()
    assert reproduce("table3", "--seed", "1") == 1
    assert "holds results of other settings: seed (there 0, now 1); choose another --out" in capsys.readouterr().err
    (two / "picture1.png").unlink()
    assert reproduce("table3") == 1
    assert "photographs (there 2 files" in capsys.readouterr().err
    assert (tmp_path / "out" / "table3.md").read_text() == page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("table4",), "table4"),
        (("table1", "--per-image", "0"), "--per-image must be at least 1, got 0"),
        (("table1", "--brute-force", "0"), "--brute-force must be at least 1"),
        (("figure3", "--pictures", "0"), "--pictures must be at least 1"),
        (("table3", "--seed", "-1"), "--seed must be at least 0"),
        (("table3", "--agent", "nobody"), "unknown agent 'nobody'"),
        (("figure4", "--agent", "nobody"), "unknown agent 'nobody'"),
        (("table1", "--flat-dqn", "nowhere.safetensors"), "nowhere.safetensors"),
        (("table2", "--max-trials", "8"), "--max-trials must be at least 9, got 8"),
        (("table2", "--max-trials", "90", "--search-trials", "0"), "--search-trials must be at least 9, got 0"),
        (("table2", "--max-trials", "7380", "--crop", "300"), "300x300 pixels are too large"),
        (("figure1", "--picture", "moon"), "no photograph 'moon'; it has picture0, picture1"),
        (("table3", "--images", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_mistakes_end_in_plain_words(arguments, words, reproduce, capsys, tmp_path):
    assert reproduce(*arguments) != 0
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not list((tmp_path / "out").rglob("*.md"))


def test_a_part_that_is_refused_does_not_stop_the_others(reproduce, tmp_path, monkeypatch, capsys):
    def refusing(experiment):
        raise ValueError("too large")

    monkeypatch.setattr("hirl_experiments.commands.reproduce.PARTS", {"table2": refusing, "figure1": PARTS["figure1"]})
    assert reproduce("all") == 1
    assert "hirl: table2: too large" in capsys.readouterr().err
    assert (tmp_path / "out" / "figure1.md").exists()
