"""`hirl score`: scores, maps, and bad input."""

import json
import os

import numpy as np
import pytest
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
    drawn = np.asarray(Image.open(out / "noisy.png.map.png").convert("RGB")).astype(int)
    assert drawn.shape == (320, 320, 3)
    # The colour map is brighter where the score is larger.
    assert drawn[:, :120].sum() > drawn[:, 200:].sum()


@pytest.mark.usefixtures("large")
def test_one_bad_picture_does_not_stop_the_rest(folder, hirl, capsys):
    (folder / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (20, 20)).save(folder / "small.png")
    assert hirl("score", str(folder)) == 1
    said = capsys.readouterr()
    assert "broken.png: not a readable picture" in said.err
    assert "small.png: hirl-biqa needs at least 64x64 pixels, got 20x20" in said.err
    assert "2 of 5 pictures could not be scored" in said.err
    assert "picture2.png" in said.out


def test_an_error_is_one_line_that_names_the_picture_once(folder, monkeypatch, hirl, capsys):
    def failing(*_):
        raise RuntimeError("out of memory\nin block 7")

    monkeypatch.setattr("hirl_env.quality.Measure.score", failing)
    assert hirl("score", str(folder / "picture0.png")) == 1
    assert f"hirl: {folder / 'picture0.png'}: RuntimeError: out of memory\n" in capsys.readouterr().err


def test_wrong_input_is_named(folder, hirl, capsys):
    for arguments, message in (
        (["--measure", "ssim"], "the measure ssim compares with clean originals: give their folder by --references"),
        (["--measure", "nice"], "unknown measure 'nice'; known are:"),
        (["--measure", "psnr", "--references", str(folder / "none")], "none: no such folder"),
        (["--measure", "psnr", "--references", str(folder), "--map"], "the measure psnr has no quality map"),
        (["--device", "tpu7"], "device 'tpu7' is not available here"),
    ):
        assert hirl("score", str(folder), *arguments) == 1
        said = capsys.readouterr()
        assert message in said.err
        assert "picture0.png" not in said.out
    assert hirl("score") == 1
    assert "name at least one picture" in capsys.readouterr().err


def test_maps_are_never_written_over_each_other_or_over_what_is_there(tmp_path, monkeypatch, hirl, capsys):
    monkeypatch.chdir(tmp_path)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for name in ("a/x.png", "b/x.png", "c/y.png.map.png"):
        (tmp_path / name).parent.mkdir()
        picture.save(tmp_path / name)
    before = (tmp_path / "c/y.png.map.png").read_bytes()
    picture.save(tmp_path / "c/y.png")
    assert hirl("score", "a/x.png", "b/x.png", "--map") == 1
    assert "a/x.png and b/x.png would both be saved as scores/x.png.map.png" in capsys.readouterr().err
    assert hirl("score", "c", "--map", "--out", "c", "--force") == 1
    assert "c/y.png.map.png is one of the pictures and would be overwritten" in capsys.readouterr().err
    assert (tmp_path / "c/y.png.map.png").read_bytes() == before
    target = tmp_path / "scores" / "x.png.map.png"
    target.parent.mkdir()
    target.write_text("mine")
    assert hirl("score", "a/x.png", "--map") == 1
    assert "scores/x.png.map.png exists already; --force overwrites it" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert hirl("score", "a/x.png", "--map", "--force") == 0
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_picture_whose_map_fails_counts_once(folder, monkeypatch, hirl, capsys):
    def failing(*_):
        raise ValueError("no map of this one")

    monkeypatch.setattr("hirl_env.quality.Measure.quality_map", failing)
    assert hirl("score", str(folder), "--map", "--out", str(folder / "maps")) == 1
    assert "3 of 3 pictures could not be scored" in capsys.readouterr().err


def test_references_are_found_by_their_stems(folder, tmp_path, hirl):
    for number in range(3):
        with Image.open(folder / f"picture{number}.png") as picture:
            (tmp_path / "clean").mkdir(exist_ok=True)
            picture.save(tmp_path / "clean" / f"picture{number}.bmp")
    target = tmp_path / "scores.json"
    arguments = ["--measure", "psnr", "--references", str(tmp_path / "clean"), "--json", str(target)]
    assert hirl("score", str(folder), *arguments) == 0
    assert [row["score"] for row in json.loads(target.read_text())["rows"]] == [100.0] * 3


def scores(hirl, target, *arguments) -> list[float]:
    assert hirl("score", *map(str, arguments), "--json", str(target)) == 0
    return [row["score"] for row in json.loads(target.read_text())["rows"]]


@pytest.mark.parametrize("measure", ["hirl-biqa", "psnr", "ssim", "0.5*psnr + 10*ssim"])
def test_what_nobody_sees_does_not_count(tmp_path, hirl, measure):
    rng = np.random.default_rng(0)
    if "ssim" in measure:
        pytest.importorskip("piq")
    clean = skimage.data.astronaut()[:64, 200:264]
    noisy = (clean + rng.normal(0, 20, clean.shape)).clip(0, 255).astype(np.uint8)
    shape = np.full((64, 64), 255, np.uint8)
    shape[:20, :20] = 0
    for margin in (0, 64):
        for name, pixels in (("clean", clean), ("noisy", noisy)):
            seen = np.pad(np.dstack([pixels, shape]), ((margin, 0), (margin, margin), (0, 0)))
            hidden = seen[..., 3] == 0
            seen[hidden, :3] = rng.integers(0, 256, (hidden.sum(), 3))
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(seen).save(tmp_path / name / f"{margin}.png")
    options = () if measure == "hirl-biqa" else ("--references", tmp_path / "clean")
    by_margin = scores(hirl, tmp_path / "scores.json", tmp_path / "noisy", "--measure", measure, *options)
    assert by_margin[0] == pytest.approx(by_margin[1], abs=1e-9)
    if measure == "psnr":
        error = np.mean((clean[shape > 0].astype(float) - noisy[shape > 0]) ** 2)
        assert by_margin[0] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)


def test_small_cut_outs_are_scored_on_as_much_as_a_measure_needs(tmp_path, hirl):
    pixels = skimage.data.astronaut()[:128, 200:328]
    shape = np.zeros((128, 128), np.uint8)
    shape[100:, 100:] = 255
    Image.fromarray(np.dstack([pixels, shape])).save(tmp_path / "a.png")
    assert len(scores(hirl, tmp_path / "scores.json", tmp_path / "a.png", "--measure", "hirl-biqa")) == 1


def test_what_is_hidden_in_the_original_does_not_count_either(tmp_path, hirl):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cut_out = np.dstack([pixels, np.where(np.arange(64) < 40, 255, 0).astype(np.uint8)[None].repeat(64, 0)])
    cut_out[:, 40:, :3] = 0
    (tmp_path / "clean").mkdir()
    Image.fromarray(cut_out).save(tmp_path / "clean" / "a.png")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    arguments = (tmp_path / "a.png", "--measure", "psnr", "--references", tmp_path / "clean")
    assert scores(hirl, tmp_path / "scores.json", *arguments) == [100.0]


def test_pictures_of_which_nothing_is_seen_are_alike(tmp_path, hirl):
    rng = np.random.default_rng(0)
    for number in range(2):
        hidden = np.dstack([rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.zeros((64, 64), np.uint8)])
        Image.fromarray(hidden).save(tmp_path / f"{number}.png")
    target = tmp_path / "scores.json"
    assert hirl("score", str(tmp_path / "*.png"), "--json", str(target)) == 0
    assert len({row["score"] for row in json.loads(target.read_text())["rows"]}) == 1


def test_sheets_and_steps_are_not_scored(tmp_path, hirl, capsys):
    pixels = Image.fromarray(skimage.data.astronaut()[:64, 200:264])
    (tmp_path / "sub").mkdir()
    saved = ("sub/a.png", "sub/a.png.step1.png", "sub/a.png.sheet.png")
    for name in (*saved, "mine.sheet.png"):
        pixels.save(tmp_path / name)
    row = {"target": saved[0], "saved": saved[0], "saved_sha256": dict.fromkeys(saved, "")}
    (tmp_path / "restore.jsonl").write_text(json.dumps(row) + "\n")
    assert len(scores(hirl, tmp_path / "scores.json", tmp_path)) == 2
    said = capsys.readouterr()
    assert "a.png.step1.png" not in said.out
    assert "sheets and steps (2)" in said.err
    tmp_path.rename(tmp_path.with_name("results"))
    (tmp_path / "in").mkdir(parents=True)
    tmp_path.with_name("results").rename(tmp_path / "in" / "results")
    assert len(scores(hirl, tmp_path / "scores.json", tmp_path / "in")) == 2, "results of sub-folders are scored"


def test_of_several_pages_the_first_is_scored_and_it_is_said(tmp_path, hirl, capsys):
    pages = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (0, 200)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    assert hirl("score", str(tmp_path / "pages.tif")) == 0
    assert "pages.tif: only the first of 2 pages is scored" in capsys.readouterr().err
    (tmp_path / "clean").mkdir()
    pages[0].save(tmp_path / "clean" / "pages.tif")
    arguments = ("--measure", "psnr", "--references", str(tmp_path / "clean"))
    assert hirl("score", str(tmp_path / "pages.tif"), *arguments) == 0
    assert "pages.tif: has 2 pages, and its reference 1 page; only the first" in capsys.readouterr().err


def test_nothing_is_computed_that_could_not_be_written(folder, tmp_path, hirl, capsys):
    picture = folder / "picture0.png"
    before = picture.read_bytes()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    for target, message in (
        (picture, "is one of the pictures and would be overwritten"),
        (tmp_path / "file", "holds something else than results of hirl and would be overwritten"),
        (tmp_path / "package.json", "holds something else than results of hirl and would be overwritten"),
        (tmp_path / "file" / "scores.json", "could not write"),
    ):
        assert hirl("score", str(folder), "--json", str(target)) == 1
        said = capsys.readouterr()
        assert message in said.err
        assert said.out == ""
    assert picture.read_bytes() == before
    assert (tmp_path / "file").read_text() == "mine"
    assert (tmp_path / "package.json").read_text() == '{"name": "mine"}'


@pytest.mark.usefixtures("large")
def test_names_that_are_not_utf8(folder, hirl, capsys, tmp_path):
    os.rename(os.fsencode(folder / "picture0.png"), os.fsencode(folder) + b"/\xff\n\x1b.png")
    target = tmp_path / "scores.json"
    assert hirl("score", str(folder), "--json", str(target)) == 0
    assert "\\xff\\n\\x1b.png" in capsys.readouterr().out
    names = {os.fsencode(row["picture"]) for row in json.loads(target.read_text())["rows"]}
    assert names == {os.fsencode(file) for file in folder.iterdir()}, "not as they are shown"
