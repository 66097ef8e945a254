"""What methods are run with: agents and baselines, and what `hirl evaluate` checks and keeps."""

import json
from typing import get_args

import pytest
import torch
from PIL import Image

from hirl_agents.common.tiling import Tiles, tiled
from hirl_agents.loading import load_agent, tools_of
from hirl_agents.rl_restore import RLRestoreAgent, save_rl_restore
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.registry import toolsets
from hirl_env.tools.rl_restore import new_tools
from hirl_env.tools.toolset import Toolset
from hirl_experiments.commands.reproduce import PARTS, PartName
from hirl_experiments.evaluation.methods import Chain, Follow, Greedy, Search, Single, methods
from hirl_experiments.evaluation.network_methods import Owan
from hirl_experiments.evaluation.runner import Runner
from tests.conftest import add


def test_names_for_help_are_those_of_the_registries():
    assert get_args(PartName) == (*PARTS, "all")


def test_short_hands():
    assert methods.resolve("greedy") == Greedy()
    assert methods.resolve("search:agent=mine.safetensors,budgets=9+90") == Search("mine.safetensors", (9, 90))
    assert methods.resolve("flat-dqn:stop=quality,max-steps=3") == Follow("flat-dqn", "quality", 3)
    assert methods.resolve("runs/a/best.zip") == Follow("runs/a/best.zip")
    assert methods.resolve("chain:tools=deblur-2") == methods.resolve("chain:deblur-2") == Chain(("deblur-2",))
    assert methods.resolve("owan:weights/owan.npz") == Owan("weights/owan.npz")


def test_tools_of_one_name_have_a_row_each():
    toolset = Toolset({"a": [add(1), add(1)], "b": [add(2), add(3)]})
    start = Restoration(toolset, measures.resolve("psnr"))
    start.begin(torch.zeros(1, 3, 12, 12), torch.ones(1, 3, 12, 12))
    rows = [name for found in Single().open("single", toolset)(start, ()) for name in found]
    assert rows == ["single add +1 (a-0)", "single add +1 (a-1)", "single add +2", "single add +3"]


def test_tools_of_rl_restores_own_run_over_tiles_and_are_not_clamped(tmp_path):
    toolset = tiled(toolsets.resolve("paper"))
    save_rl_restore(RLRestoreAgent(RecurrentQ(12, side=16), new_tools()), tmp_path / "own.safetensors")
    save_rl_restore(RLRestoreAgent(RecurrentQ(9, side=16)), tmp_path / "other.safetensors")
    tools = tools_of(load_agent(tmp_path / "own.safetensors", toolset), toolset)
    assert len(tools.cells) == 12
    assert all(isinstance(tools[cell].restore, Tiles) and not tools[cell].clamp for cell in tools.cells)
    # Those that it is lent have their tiles already.
    assert tools_of(load_agent(tmp_path / "other.safetensors", toolset), toolset) is toolset


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--degradations", "mild", "awful"), "unknown degradation 'awful'"),
        (("--methods", "hirl:stop=quality,measure=ssim"), "ssim needs a reference"),
        (("--methods", "hirl:stop=quality,measure=nice"), "unknown measure 'nice'"),
        (("--methods", "hirl:stop=never"), "method hirl:stop=never: stop does not take 'never'"),
        (("--methods", "hirl:depth=3"), "method hirl:depth=3: unknown option depth"),
        (("--methods", "hirl:3"), "write options as hirl:OPTION=VALUE"),
        (("--methods", "search:budgets=90+9"), "budgets must be positive and rising, got 90 9"),
        (("--methods", "search:budgets=0+9"), "budgets must be positive and rising"),
        (("--methods", "chain:tools=deblur-2+sharpen-1"), "unknown tool 'sharpen-1'; known are: denoise-0"),
        (("--methods", "hirl:max_steps=0"), "max_steps must be at least 1, got 0"),
        (("--methods", "greedy:deep"), "greedy:deep: depth"),
        (("--methods", "owan"), "method owan: its weights are its authors', and not part of this package"),
        (("--methods", "ffdnet:missing.mat"), "missing.mat: not FFDNet's weights"),
    ],
)
def test_mistakes_are_said_before_anything_runs(arguments, message, folder, monkeypatch, hirl, capsys):
    def never(*_):
        raise AssertionError("it ran")

    monkeypatch.setattr(Runner, "rows", never)
    assert hirl("evaluate", "--images", str(folder), *arguments) == 1
    assert message in capsys.readouterr().err


def test_an_interrupt_leaves_the_levels_that_are_finished(folder, tmp_path, monkeypatch, hirl):
    rows = Runner.rows

    def interrupted(self, samples, count, level):
        if level == "severe":
            raise KeyboardInterrupt
        return rows(self, samples, count, level)

    monkeypatch.setattr(Runner, "rows", interrupted)
    target = tmp_path / "rows.json"
    arguments = ("--crop", "16", "--methods", "distorted", "--json", str(target))
    assert hirl("evaluate", "--images", str(folder), *arguments) == 130
    assert [row["degradation"] for row in json.loads(target.read_text())["rows"]] == ["mild", "moderate"]


def test_a_picture_too_small_is_left_out_and_a_method_named_twice_runs_once(folder, tmp_path, hirl, capsys):
    Image.new("RGB", (12, 40)).save(folder / "narrow.png")
    target = tmp_path / "rows.json"
    arguments = ("--crop", "16", "--degradations", "mild", "mild", "--methods", "distorted", "distorted")
    assert hirl("evaluate", "--images", str(folder), *arguments, "--json", str(target)) == 0
    assert "left out, too small for a crop: narrow (12x40)" in capsys.readouterr().err
    (row,) = json.loads(target.read_text())["rows"]
    assert row["images"] == 3


def test_no_picture_is_large_enough(folder, hirl, capsys):
    assert hirl("evaluate", "--images", str(folder), "--degradations", "mild", "--methods", "distorted") == 1
    assert "a crop of 64x64 fits into no picture; choose another crop size" in capsys.readouterr().err
