"""`hirl score`: scores, maps, and bad input."""

import json

import numpy as np
import skimage.data
from PIL import Image


def test_scores_are_those_of_the_measure(folder, tmp_path, hirl, capsys):
    target = tmp_path / "scores.json"
    arguments = ["--measure", "psnr", "--references", str(folder), "--json", str(target)]
    assert hirl("score", str(folder), *arguments) == 0
    assert [row["score"] for row in json.loads(target.read_text())["rows"]] == [100.0] * 3
    assert "picture1.png" in capsys.readouterr().out


def test_the_blind_measure_says_that_noise_is_worse_and_draws_where(tmp_path, hirl):
    rng = np.random.default_rng(0)
    clean = skimage.data.astronaut()[:256, 128:384].astype(float)
    noisy = clean.copy()
    noisy[:, 128:] += rng.normal(0, 40, noisy[:, 128:].shape)
    for name, pixels in (("clean", clean), ("noisy", noisy)):
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    out, target = tmp_path / "maps", tmp_path / "scores.json"
    pictures = [str(tmp_path / "clean.png"), str(tmp_path / "noisy.png")]
    assert hirl("score", *pictures, "--map", "--out", str(out), "--json", str(target)) == 0
    clean_row, noisy_row = json.loads(target.read_text())["rows"]
    assert clean_row["score"] > noisy_row["score"]
    drawn = np.asarray(Image.open(out / "noisy.map.png").convert("RGB")).astype(int)
    assert drawn.shape == (320, 320, 3)
    # The colour map is brighter where the score is larger.
    assert drawn[:, :120].sum() > drawn[:, 200:].sum()


def test_one_bad_picture_does_not_stop_the_rest(folder, hirl, capsys):
    (folder / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (20, 20)).save(folder / "small.png")
    assert hirl("score", str(folder)) == 1
    said = capsys.readouterr()
    assert "broken.png: not a readable picture" in said.err
    assert "small.png: hirl-biqa needs at least 32x32 pixels, got 20x20" in said.err
    assert "2 of 5 pictures could not be scored" in said.err
    assert "picture2.png" in said.out


def test_wrong_input_is_named(folder, hirl, capsys):
    for arguments, message in (
        (["--measure", "ssim"], "the measure ssim compares with clean originals: give their folder by --references"),
        (["--measure", "nice"], "unknown measure 'nice'; known are:"),
        (["--measure", "psnr", "--references", str(folder / "none")], "no such file"),
        (["--measure", "psnr", "--references", str(folder), "--map"], "measure 'psnr' has no quality map"),
    ):
        assert hirl("score", str(folder), *arguments) == 1
        assert message in capsys.readouterr().err
    assert hirl("score") == 1
    assert "name at least one picture" in capsys.readouterr().err
