"""Figure 4: pictures without references."""

import json

import numpy as np
import pytest
from PIL import Image

from hirl_env.data.images import read_image, to_tensor
from hirl_env.data.photographs import Photographs
from hirl_env.quality import measures
from hirl_experiments.paper import figure4


@pytest.mark.usefixtures("large")
def test_scores_are_those_of_the_pictures_and_never_fall(hirl, two, tmp_path, written):
    arguments = ("reproduce", "figure4", "--images", str(two), "--out", str(tmp_path / "out"))
    assert hirl(*arguments) == 0
    rows = written("figure4")["rows"]
    assert [row["column"] for row in rows] == ["as given", "without it", "with it"] * 2
    measure = measures.resolve("hirl-biqa")
    for given, _, stopped in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        picture = read_image(tmp_path / "out" / given["file"])
        assert np.array_equal(picture, read_image(two / f"{given['photograph']}.png"))
        assert abs(measure.score(to_tensor(picture)[None]).item() - given["score"]) < 0.01
        assert stopped["score"] >= given["score"]
    with Image.open(tmp_path / "out" / "figure4.png") as figure:
        assert figure.format == "PNG"
    first = written("figure4")["rows"]
    assert hirl(*arguments) == 0
    assert written("figure4")["rows"] == first


@pytest.mark.usefixtures("large")
def test_only_what_is_shown_is_read_and_the_agent_once(folder, agent, hirl, tmp_path, monkeypatch):
    read, loaded = [], []

    def reading(source, entry, whole=Photographs._load):
        read.append(entry.name)
        return whole(source, entry)

    def loading(*arguments, whole=figure4.load_agent):
        loaded.append(arguments)
        return whole(*arguments)

    monkeypatch.setattr(Photographs, "_load", reading)
    monkeypatch.setattr(figure4, "load_agent", loading)
    arguments = ("--images", str(folder), "--out", str(tmp_path / "out"), "--agent", agent, "--pictures", "2")
    assert hirl("reproduce", "figure4", *arguments) == 0
    assert read == ["picture0", "picture2"]
    assert len(loaded) == 1


@pytest.mark.usefixtures("large")
def test_scores_of_another_measure_are_not_mixed_in(reproduce, tmp_path, monkeypatch, capsys):
    assert reproduce("figure4", "--crop", "64") == 0
    first, *_ = (tmp_path / "out" / "figure4.jsonl").read_text().splitlines()
    assert set(json.loads(first)["settings"]["weights"]) == {"hirl", "hirl reference stop", "hirl-biqa"}
    (tmp_path / "other.safetensors").write_bytes(b"other")
    monkeypatch.setattr("hirl_experiments.paper.experiment.SHIPPED_BIQA", tmp_path / "other.safetensors")
    assert reproduce("figure4", "--crop", "64") == 1
    assert "holds results of other settings: weights" in capsys.readouterr().err


def test_pictures_too_small_for_the_measure(reproduce, capsys):
    assert reproduce("figure4", "--crop", "16") == 1
    assert "hirl-biqa needs at least 64x64 pixels, got 16x16" in capsys.readouterr().err
