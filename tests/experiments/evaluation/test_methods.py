"""What methods are run with: agents and peers, and what `hirl evaluate` checks and keeps."""

import json
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from hirl_agents.common.tiling import Tiles
from hirl_agents.networks import TwoLevelQ, save_q
from hirl_agents.restorer import SHIPPED_AGENTS
from hirl_agents.rl_restore import RLRestoreAgent, save_rl_restore
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_env.tools.known import toolsets
from hirl_env.tools.rl_restore import new_tools
from hirl_experiments.commands import evaluate as command
from hirl_experiments.commands.evaluate import MethodName
from hirl_experiments.commands.reproduce import PARTS, PartName
from hirl_experiments.evaluation import methods as evaluation
from hirl_experiments.evaluation.methods import METHODS, load_agents, load_peers


def test_names_for_help_are_those_of_the_registries():
    assert get_args(MethodName) == tuple(METHODS)
    assert get_args(PartName) == (*PARTS, "all")


def test_an_agent_that_several_methods_ask_is_loaded_once(tmp_path, monkeypatch):
    save_q(TwoLevelQ(3, 3, width=8), tmp_path / "own.safetensors")
    loaded, load = [], evaluation.load_agent

    def counting(agent, toolset):
        loaded.append(Path(agent).name)
        return load(agent, toolset)

    monkeypatch.setattr(evaluation, "load_agent", counting)
    agents = load_agents(tuple(METHODS), toolsets.resolve("paper"), str(tmp_path / "own.safetensors"))
    assert list(agents) == ["hirl", "flat_dqn"]
    assert loaded == ["own.safetensors", "flat-dqn"]


def test_agents_do_not_go_by_anothers_name():
    toolset = toolsets.resolve("paper")
    with pytest.raises(ValueError, match="--agent: not HIRL's"):
        load_agents(("hirl",), toolset, "flat-dqn")
    with pytest.raises(ValueError, match="--flat-dqn: not those of a flat DQN"):
        load_agents(("flat-dqn",), toolset, flat_dqn=SHIPPED_AGENTS["hirl"])


def test_tools_of_rl_restores_own_run_over_tiles_and_are_not_clamped(tmp_path):
    toolset = toolsets.resolve("paper")
    save_rl_restore(RLRestoreAgent(RecurrentQ(12, side=16), new_tools()), tmp_path / "own.safetensors")
    save_rl_restore(RLRestoreAgent(RecurrentQ(9, side=16)), tmp_path / "other.safetensors")
    tools = load_peers(("rl-restore",), toolset, rl_restore=tmp_path / "own.safetensors")["rl_restore_tools"]
    assert len(tools.cells) == 12
    assert all(isinstance(tools[cell].restore, Tiles) and not tools[cell].clamp for cell in tools.cells)
    # Those that it is lent have their tiles already.
    other = load_peers(("rl-restore",), toolset, rl_restore=tmp_path / "other.safetensors")
    assert other["rl_restore_tools"] is toolset


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--levels", "mild", "awful"), "unknown degradation 'awful'"),
        (("--methods", "distorted", "hirl-stops", "--measure", "ssim"), "--measure: ssim needs a reference"),
        (("--methods", "hirl-stops", "--measure", "nice"), "unknown measure 'nice'"),
        (("--budgets", "90", "9"), "--budgets must be positive and rising, got 90 9"),
        (("--budgets", "0", "9"), "--budgets must be positive and rising"),
        (("--budgets",), "--budgets must be positive and rising, got none"),
        (("--methods", "chain", "--chain", "deblur-2", "sharpen-1"), "unknown tool 'sharpen-1'; known are: denoise-0"),
        (("--max-steps", "0"), "--max-steps must be at least 1, got 0"),
    ],
)
def test_mistakes_are_said_before_anything_runs(arguments, message, folder, monkeypatch, hirl, capsys):
    def never(*_):
        raise AssertionError("it ran")

    monkeypatch.setattr(command, "evaluate_level", never)
    assert hirl("evaluate", "--images", str(folder), *arguments) == 1
    assert message in capsys.readouterr().err


def test_what_is_not_asked_is_not_checked(folder, hirl):
    arguments = (
        "--levels",
        "mild",
        "--crop",
        "16",
        "--methods",
        "distorted",
        "--measure",
        "ssim",
        "--budgets",
        "9",
        "1",
    )
    assert hirl("evaluate", "--images", str(folder), *arguments) == 0


def test_an_interrupt_leaves_the_levels_that_are_finished(folder, tmp_path, monkeypatch, hirl):
    whole = command.evaluate_level

    def interrupted(starts, count, level, *rest):
        if level == "severe":
            raise KeyboardInterrupt
        return whole(starts, count, level, *rest)

    monkeypatch.setattr(command, "evaluate_level", interrupted)
    target = tmp_path / "rows.json"
    arguments = ("--crop", "16", "--methods", "distorted", "--json", str(target))
    assert hirl("evaluate", "--images", str(folder), *arguments) == 130
    assert [row["level"] for row in json.loads(target.read_text())["rows"]] == ["mild", "moderate"]


def test_a_picture_too_small_is_left_out_and_a_method_named_twice_runs_once(folder, tmp_path, hirl, capsys):
    Image.new("RGB", (12, 40)).save(folder / "narrow.png")
    target = tmp_path / "rows.json"
    arguments = ("--crop", "16", "--levels", "mild", "mild", "--methods", "distorted", "distorted")
    assert hirl("evaluate", "--images", str(folder), *arguments, "--json", str(target)) == 0
    assert "left out, too small for a crop: narrow (12x40)" in capsys.readouterr().err
    (row,) = json.loads(target.read_text())["rows"]
    assert row["images"] == 3


def test_no_picture_is_large_enough(folder, hirl, capsys):
    assert hirl("evaluate", "--images", str(folder), "--levels", "mild", "--methods", "distorted") == 1
    assert "a crop of 64x64 fits into no picture; choose another crop size" in capsys.readouterr().err
