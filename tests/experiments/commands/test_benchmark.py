"""`hirl benchmark` on a toolset whose arithmetic can be done by hand."""

import json
from pathlib import Path

import pytest
import torch

from hirl_agents.baselines.owan import OWAN
from hirl_agents.networks import FlatQ, save_q
from hirl_agents.registry import SHIPPED_AGENTS
from hirl_env.data.degradations import Degradation, InOrder
from hirl_env.data.suites import Suite, suites
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets
from hirl_experiments.commands.benchmark import benchmark
from hirl_experiments.evaluation.entrants import EntrantOptions, open_entrant
from hirl_experiments.reporting.pareto import unbeaten
from tests.conftest import add


def stops_at_once() -> object:
    """An agent to whom nothing is worth anything."""
    return lambda images: torch.full((len(images), 2, 2), -1.0)


def brightens() -> object:
    """An agent that takes the first tool, always."""
    return lambda images: torch.eye(2).expand(len(images), 2, 2)


@pytest.fixture
def toy(toy_toolset, monkeypatch):
    monkeypatch.setitem(toolsets.factories, "toy", lambda: toy_toolset)
    darkened = Suite("toy-v1", {"darkened": Darkened(), "clean": InOrder(())}, {"toy": ("brighten-0",)})
    monkeypatch.setitem(suites.factories, "toy-v1", lambda: darkened)


class Darkened(Degradation):
    """Eight levels darker than the reference."""

    def _apply(self, image, rng):
        return add(-8).restore(image)


def rows(path):
    return {(row["part"], row["entrant"]): row for row in json.loads(path.read_text())["rows"]}


def run(folder, tmp_path, *entrants, **arguments):
    names = ("distorted", "fixed", *entrants, "oracle")
    benchmark(str(folder), ("toy-v1",), names, crop=16, toolset="toy", json=tmp_path / "rows.json", **arguments)
    return rows(tmp_path / "rows.json")


def test_scores_lie_between_the_fixed_path_and_the_oracle(toy, folder, tmp_path):
    table = run(folder, tmp_path, f"{__name__}:stops_at_once", f"{__name__}:brightens", "path:brighten-1")
    assert table["darkened", "fixed"]["score"] == 0
    assert table["darkened", "oracle"]["score"] == 1
    assert table["darkened", "oracle"]["PSNR"] > 45, "eight levels brighter, nearly the reference"
    assert table["darkened", "brighten-1"]["gain"] == table["darkened", "oracle"]["gain"]
    assert table["darkened", f"{__name__}:stops_at_once"]["gain"] == 0
    assert table["darkened", f"{__name__}:stops_at_once"]["trials"] == 0


def test_a_method_that_knows_what_was_done_is_told(toy, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "hirl_agents.search.reverse_path", lambda toolset, degradation: [(0, 0)] * len(degradation.steps)
    )
    table = run(folder, tmp_path, "reverse")
    assert table["darkened", "reverse"]["trials"] == 1
    assert table["clean", "reverse"]["trials"] == 0


def test_harm_is_done_to_what_was_clean(toy, folder, tmp_path):
    table = run(folder, tmp_path, f"{__name__}:brightens", f"{__name__}:stops_at_once")
    assert table["clean", f"{__name__}:brightens"]["harm %"] == 100
    assert table["clean", f"{__name__}:stops_at_once"]["harm %"] == 0
    assert table["clean", "distorted"]["PSNR"] == 50, "what is equal counts as 50 dB"
    assert table["all", "distorted"]["images"] == 6


def test_it_goes_on_where_it_was(toy, folder, tmp_path, monkeypatch):
    first = run(folder, tmp_path, out=tmp_path / "results.jsonl")
    monkeypatch.setattr(
        "hirl_experiments.evaluation.runner._measured", lambda *_: pytest.fail("what is finished is run again")
    )
    assert run(folder, tmp_path, out=tmp_path / "results.jsonl") == first
    with pytest.raises(ValueError, match="results of other settings: seed"):
        run(folder, tmp_path, out=tmp_path / "results.jsonl", seed=1)


def agent_file(path):
    """A small agent of the toy's four tools that has learned nothing, other weights each time."""
    path.parent.mkdir(exist_ok=True)
    save_q(FlatQ(2, 2, width=8), path)
    return str(path)


def test_of_two_files_of_one_name_one_does_not_get_the_results_of_the_other(toy, folder, tmp_path):
    first, second = (agent_file(tmp_path / run_of / "best.safetensors") for run_of in "ab")
    run(folder, tmp_path, first, out=tmp_path / "results.jsonl")
    run(folder, tmp_path, second, out=tmp_path / "results.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()[1:]]
    assert len({line["weights"] for line in lines if line["key"][-1] == "best"}) == 2
    keys = [(*line["key"], line["weights"]) for line in lines]
    assert len(keys) == len(set(keys)), "what needs no agent is not measured again"


def test_files_of_one_name_are_called_by_their_folders(toy, folder, tmp_path):
    first, second, other = (
        agent_file(tmp_path / name) for name in ("a/best.safetensors", "b/best.safetensors", "c/my.safetensors")
    )
    called = {name for _, name in run(folder, tmp_path, first, second, f"{second}@1", other, f"{other}@1")}
    assert called == {"distorted", "fixed", "oracle", "a/best", "b/best", "b/best@1", "my", "my@1"}


def test_results_of_other_photographs_are_not_gone_on_with(toy, folder, tmp_path):
    run(folder, tmp_path, out=tmp_path / "results.jsonl")
    (folder / "another.png").write_bytes((folder / "picture0.png").read_bytes())
    with pytest.raises(ValueError, match=r"results of other settings: photographs \(there 3 files, .* now 4 files"):
        run(folder, tmp_path, out=tmp_path / "results.jsonl")


def test_the_table_in_markdown(toy, folder, tmp_path):
    run(folder, tmp_path, markdown=tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert "crops of 16, seed 0, float32" in text
    assert f"hirl benchmark --images {folder} --suites toy-v1 --entrants distorted fixed oracle --crop 16 " in text
    assert "| darkened | " in text
    assert "| toy-v1 | darkened | oracle |" in text


def test_no_interval_of_too_few_photographs(toy, folder, tmp_path, capsys):
    alone = tmp_path / "alone"
    alone.mkdir()
    first = min(folder.glob("*.png"))
    (alone / first.name).write_bytes(first.read_bytes())
    table = run(alone, tmp_path)
    assert table["darkened", "oracle"]["score"] == 1
    assert table["darkened", "oracle"]["low"] is None
    assert "no interval where the photographs are too few" in capsys.readouterr().out


def test_a_fixed_path_of_ones_own_is_the_score_0(toy, folder, tmp_path):
    arguments = {"crop": 16, "toolset": "toy", "json": tmp_path / "rows.json"}
    benchmark(str(folder), ("toy-v1",), ("distorted", "fixed:darken-0", "path:brighten-0", "oracle"), **arguments)
    table = rows(tmp_path / "rows.json")
    assert table["darkened", "fixed"]["score"] == 0
    assert table["darkened", "fixed"]["gain"] != table["darkened", "brighten-0"]["gain"]
    with pytest.raises(ValueError, match="fixed and fixed:darken-0 would both be called 'fixed'"):
        benchmark(str(folder), ("toy-v1",), ("fixed", "fixed:darken-0"), **arguments)


@pytest.fixture
def costly(costly_toolset, toy, monkeypatch):
    monkeypatch.setitem(toolsets.factories, "toy", lambda: costly_toolset)
    darkened = Suite("toy-v1", {"darkened": Darkened()}, {"toy": ("cheap-0",)})
    monkeypatch.setitem(suites.factories, "toy-v1", lambda: darkened)


def prefers_the_dear() -> object:
    """An agent that takes the dear tool, unless that costs 1 dB more than the cheap one."""
    return lambda images: torch.tensor([[0.0, 2.0], [3.0, 0.0]]).expand(len(images), 2, 2)


def test_entrants_at_a_price_take_cheaper_tools(costly, folder, tmp_path):
    agent = f"{__name__}:prefers_the_dear"
    table = run(folder, tmp_path, "single", agent, f"{agent}@16000", f"{agent}@28800", f"{agent}@64000", "oracle@3e6")
    layer = 2 * 81 * 16 * 16 / 1e9
    costs = {name: row["GFLOP"] / max(row["trials"], 1) / layer for (_, name), row in table.items()}
    tools = {name: costs[name] for name in ("cheap-0", "cheap-1", "dear-0", "dear-1")}
    assert tools == pytest.approx({"cheap-0": 1, "cheap-1": 1, "dear-0": 2, "dear-1": 0})
    at_prices = [costs[name] for name in (agent, f"{agent}@16000", f"{agent}@28800", f"{agent}@64000", "oracle@3e+06")]
    assert at_prices == pytest.approx([2, 2, 1, 0, 0]), "a layer of 16x16 costs 0.000041 GFLOP"


def test_the_figure_of_gains_over_costs(costly, folder, tmp_path):
    run(folder, tmp_path, "single", "oracle@1", figure=tmp_path / "pareto.png")
    assert (tmp_path / "pareto.png").read_bytes()[:4] == b"\x89PNG"


def test_nobody_beats_the_unbeaten():
    rows = [{"GFLOP": cost, "gain": gain} for cost, gain in ((3, 2), (1, 1), (2, 0.5), (1, 0.9), (4, 2), (5, 2.5))]
    assert [(row["GFLOP"], row["gain"]) for row in unbeaten(rows)] == [(1, 1), (3, 2), (5, 2.5)]


def test_gains_of_an_earlier_run_beside_those_of_today(toy, folder, tmp_path, capsys):
    run(folder, tmp_path, f"{__name__}:brightens")
    (tmp_path / "rows.json").rename(tmp_path / "before.json")
    run(folder, tmp_path, f"{__name__}:stops_at_once", beside=(tmp_path / "before.json",))
    header = capsys.readouterr().out.rpartition("gain in dB (share harmed)")[2].splitlines()[2]
    assert [word for word in header.split() if word.isidentifier() or ":" in word][:2] == ["distortion", "before"]
    assert "brightens (before)" in header
    assert "stops_at_once" in header
    with pytest.raises(ValueError, match=r"--beside .*before.json: is of other images: seed \(there 0, now 1\)"):
        run(folder, tmp_path, seed=1, beside=(tmp_path / "before.json",))
    (tmp_path / "before.json").write_text("{}")
    with pytest.raises(ValueError, match=r"--beside .*nowhere\.json: No such file or directory"):
        run(folder, tmp_path, beside=(tmp_path / "nowhere.json",))
    with pytest.raises(ValueError, match=r"--beside .*: holds no rows of hirl benchmark --json"):
        run(folder, tmp_path, beside=(tmp_path / "before.json",))


def test_gains_on_other_photographs_are_not_shown_beside(toy, folder, tmp_path):
    run(folder, tmp_path)
    before = tmp_path / "before.json"
    (tmp_path / "rows.json").rename(before)
    (folder / "picture0.png").unlink()
    with pytest.raises(ValueError, match=r"is of other images: photographs \(there 3 files, .* now 2 files"):
        run(folder, tmp_path, beside=(before,))
    content = json.loads(before.read_text())
    del content["settings"]["photographs"]
    before.write_text(json.dumps(content))
    run(folder, tmp_path, beside=(before,))


def test_gains_on_jpegs_whose_blocks_lie_elsewhere(toy, folder, capsys):
    benchmark(str(folder), ("grid-v1",), ("distorted", "path:brighten-0"), crop=16, toolset="toy")
    table = capsys.readouterr().out.rpartition("grid-v1: gain in dB")[2]
    assert all(word in table for word in ("entrant", "aligned", "shifted", "difference", "brighten-0"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"suites": ("unknown-v9",)}, "unknown suite 'unknown-v9'; known are: unknown-v1"),
        ({"entrants": ("hirl@-1",)}, "the price of a GFLOP must be at least 0"),
        (
            {"entrants": ("distorted@1",)},
            "'distorted@1': distorted chooses no tools, so a price changes nothing",
        ),
        ({"entrants": ("fixed@0",)}, "fixed chooses no tools"),
        ({"entrants": ("hril",)}, "unknown entrant 'hril'; known are: fixed, oracle, hirl"),
        (
            {"toolset": "toy", "suites": ("unknown-v1",), "entrants": ("distorted", "fixed")},
            "fixed: no path is known .* toolset; find one with `hirl fixed-path` .* give it as fixed:TYPE-DEGREE,...",
        ),
        ({"entrants": ("path:denoise-9",)}, "unknown tool 'denoise-9'"),
        ({"entrants": ("nowhere:agent",)}, "No module named 'nowhere'"),
        ({"entrants": ("owan:nothing.npz",)}, "nothing.npz: not OWAN's weights"),
        (
            {"entrants": (str(SHIPPED_AGENTS["hirl"]), f"{SHIPPED_AGENTS['hirl'].parent}/./hirl.safetensors")},
            "would both be called 'weights/hirl'",
        ),
        ({"entrants": ()}, "--entrants needs at least one value"),
        ({"crop": 0}, "--crop must be at least 1"),
        ({"out": Path("/")}, "/ is a folder; name a file"),
        ({"entrants": ("distorted",), "figure": Path("a.png")}, "--figure: no entrant costs anything"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, folder, toy):
    with pytest.raises(ValueError, match=message):
        benchmark(str(folder), **arguments)


def test_one_network_costs_the_same_whatever_it_does(toy_toolset, tmp_path):
    import numpy as np

    network = OWAN()
    np.savez(tmp_path / "owan.npz", **{str(n): value.numpy() for n, value in enumerate(network.state_dict().values())})
    entrant = open_entrant(f"owan:{tmp_path / 'owan.npz'}", EntrantOptions(toy_toolset, ()))
    start = Restoration(toy_toolset, measures.resolve("psnr"))
    start.begin(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    (gflop, another) = entrant.restore(start, []).state.costs / (16 * 16 / 1e6)
    assert gflop == another
    assert sum(value.numel() for value in network.parameters()) == 391_456
    assert gflop == pytest.approx(2 * 1e-3 * 391e3, rel=0.2), "about two operations a weight and pixel"
