"""Figure 4: pictures without references."""

import numpy as np
from PIL import Image

from hirl_env.data.images import read_image, to_tensor
from hirl_env.quality import measures


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


def test_pictures_too_small_for_the_measure(reproduce, capsys):
    assert reproduce("figure4", "--crop", "16") == 1
    assert "hirl-biqa needs at least 32x32 pixels, got 16x16" in capsys.readouterr().err
