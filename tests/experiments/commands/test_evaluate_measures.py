"""`hirl evaluate-measures` agrees with what it measures."""

import json

import numpy as np
import pytest
from PIL import Image

from hirl_env.data.degradations import GaussianBlur
from hirl_env.quality import Measure, measures
from hirl_experiments.evaluation.sampling import evaluation_samples


@pytest.fixture
def nosy(monkeypatch):
    """A blind measure by name that knows nothing: how bright a picture is."""
    measure = Measure("brightness", lambda images, references: images.mean(dim=(1, 2, 3)), needs_reference=False)
    monkeypatch.setitem(measures.factories, "brightness", lambda: measure)


@pytest.mark.usefixtures("large")
def test_tables(pictures, folder, tmp_path, hirl, nosy, capsys):
    target = tmp_path / "rows.json"
    arguments = ["--measures", "hirl-biqa", "brightness", "--against", "psnr", "ssim", "--crop", "64"]
    arguments += ["--per-image", "3"]
    assert hirl("evaluate-measures", "--images", str(folder), *arguments, "--json", str(target)) == 0
    rows = json.loads(target.read_text())["rows"]
    correlations = [row for row in rows if "pictures" in row]
    groups = ["noise", "jpeg", "blur", "mild", "moderate", "severe", "random tools", "levels and random tools"]
    assert [row["pictures"] for row in correlations] == groups * 2
    # One cell by hand: Spearman's correlation of nine crops' brightness with their PSNR.
    crops = {level: list(evaluation_samples(pictures, level, 64, 3, 0)) for level in ("mild", "moderate", "severe")}
    brightness = {level: [start.distorted.mean().item() for start in starts] for level, starts in crops.items()}
    errors = [(start.distorted - start.reference).square().mean().item() for start in crops["severe"]]
    apart = np.argsort(np.argsort(brightness["severe"])) - np.argsort(np.argsort(errors)[::-1])
    (severe,) = (row for row in correlations if (row["pictures"], row["measure"]) == ("severe", "brightness"))
    assert severe["psnr"] == pytest.approx(1 - 6 * (apart**2).sum() / (9 * (9**2 - 1)))
    cases = {row["measure"]: row for row in rows if "in order" in row}
    assert cases.keys() == {"hirl-biqa", "brightness"}
    clean = [start.reference.mean().item() for start in crops["mild"]]
    darker = np.all(np.diff([clean, *brightness.values()], axis=0) < 0, axis=0)
    assert cases["brightness"]["in order"] == pytest.approx(100 * darker.mean())
    blurred = [
        np.array([start.distorted.mean().item() for start in evaluation_samples(pictures, blur, 64, 3, 0)])
        for blur in (GaussianBlur.of_sigma(3), GaussianBlur.of_sigma(4))
    ]
    assert cases["brightness"]["blur 4 below 3"] == pytest.approx(100 * (blurred[1] < blurred[0]).mean())
    assert "levels and random tools" in capsys.readouterr().out


def test_wrong_input_is_named(folder, hirl, capsys):
    assert hirl("evaluate-measures", "--images", str(folder), "--measures", "ssim") == 1
    assert "--measures: ssim needs a reference; name a blind measure" in capsys.readouterr().err
    assert hirl("evaluate-measures", "--images", str(folder), "--per-image", "0") == 1
    assert "--per-image must be at least 1" in capsys.readouterr().err


def test_whole_pictures_of_two_sizes(folder, tmp_path, hirl, nosy):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 36, 3), np.uint8)).save(folder / "upright.png")
    target = tmp_path / "rows.json"
    arguments = ["--measures", "brightness", "--against", "psnr", "--crop", "None"]
    assert hirl("evaluate-measures", "--images", str(folder), *arguments, "--json", str(target)) == 0
    written = json.loads(target.read_text())
    assert written["settings"]["crop"] is None
    # Three lie, one stands: the share of cases is of all four.
    assert (written["rows"][-1]["in order"] * 4 / 100) % 1 == 0
