"""`hirl bench --parts baselines`: one photograph, restored by HIRL and by networks of others."""

import json

import numpy as np
import pytest
import torch

from hirl_agents.baselines.owan import OWAN
from hirl_env.data.degradations import GaussianNoise, InOrder, JpegCompression
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.ffdnet import FFDNet
from hirl_experiments.evaluation.entrants import EntrantOptions, open_entrant


@pytest.fixture
def owan_file(tmp_path):
    state = OWAN().state_dict()
    np.savez(tmp_path / "owan.npz", **{name: value.numpy() for name, value in state.items()})
    return tmp_path / "owan.npz"


def test_hirl_beside_baselines(owan_file, ffdnet_file, tmp_path, hirl, monkeypatch):
    monkeypatch.setattr("hirl_experiments.benchmarks.baselines.PHOTOGRAPH", (48, 64))
    files = ("--owan", str(owan_file), "--ffdnet", str(ffdnet_file(FFDNet())))
    assert hirl("bench", "--parts", "baselines", *files, "--json", str(tmp_path / "rows.json")) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["what"] for row in rows] == ["distorted", "hirl", "hirl", "owan", "ffdnet"]
    for row in rows:
        assert row["seconds"] > 0 < row["PSNR"]
    gflop = {row["what"]: row["GFLOP"] for row in rows}
    assert gflop["distorted"] == 0
    assert gflop["ffdnet"] == pytest.approx(2 * 852_108 / 4 * 48 * 64 / 1e9, rel=0.01), "all of it at half the size"


def test_it_runs_with_hirl_alone(tmp_path, hirl, monkeypatch, capsys):
    monkeypatch.setattr("hirl_experiments.benchmarks.baselines.PHOTOGRAPH", (48, 64))
    assert hirl("bench", "--parts", "baselines", "--precisions", "float32") == 0
    assert "owan" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["owan", "ffdnet"])
def test_a_wrong_file_is_one_line_before_anything_runs(name, tmp_path, hirl, capsys):
    (tmp_path / "weights").write_text("nothing")
    if name == "ffdnet":
        pytest.importorskip("h5py")
    assert hirl("bench", f"--{name}", str(tmp_path / "weights")) == 1
    error = capsys.readouterr().err.strip()
    assert "weights: not " in error
    assert "\n" not in error


def test_a_file_that_no_part_asks_for(hirl, capsys):
    assert hirl("bench", "--parts", "table", "--owan", "owan.npz") == 1
    assert "--owan and --ffdnet are for the part baselines" in capsys.readouterr().err


def test_ffdnet_is_told_the_noise_that_was_added(toy_toolset, ffdnet_file, monkeypatch):
    entrant = open_entrant(f"ffdnet:{ffdnet_file(FFDNet())}", EntrantOptions(toy_toolset, ()))
    told = []
    monkeypatch.setattr(FFDNet, "forward", lambda self, images, sigma: told.extend(sigma.tolist()) or images)
    start = Restoration(toy_toolset, measures.resolve("psnr"))
    start.begin(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16))
    entrant.restore(start, [InOrder((GaussianNoise(25), JpegCompression(20))), JpegCompression(20)])
    assert told == [25, 0]
