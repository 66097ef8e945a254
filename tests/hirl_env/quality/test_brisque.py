"""BRISQUE: with its optional package, and without."""

import copy
import io
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from hirl_env.quality import measures


def as_images(*pixels):
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255


def jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


@pytest.fixture(autouse=True)
def _imported_anew():
    """Our module imports the package, or what stands in for it."""
    sys.modules.pop("hirl_env.quality.brisque", None)
    yield
    sys.modules.pop("hirl_env.quality.brisque", None)


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "brisque", None)
    with pytest.raises(ImportError, match=r"brisque is not installed: pip install 'hirl-restore\[brisque\]'"):
        measures.resolve("brisque")


def test_scores_are_turned_and_pictures_clamped(monkeypatch):
    class Darkness:
        """In the package's place: scores how dark the red of one picture (H, W, 3) in [0, 1] is."""

        def score(self, picture):
            assert picture.shape == (14, 15, 3)
            assert picture.min() >= 0
            assert picture.max() <= 1
            return 100 * (1 - picture[..., 0].mean())

    module = types.ModuleType("brisque")
    module.BRISQUE = Darkness
    monkeypatch.setitem(sys.modules, "brisque", module)
    images = torch.zeros(2, 3, 14, 15)
    images[1, 0] = 1.5
    images[:, 1] = -0.5
    assert measures.resolve("brisque").score(images).tolist() == [-100, 0]


class TestWithItsPackage:
    @pytest.fixture
    def measure(self):
        pytest.importorskip("brisque", reason="needs the extra: pip install 'brisque[opencv-python-headless]'")
        return measures.resolve("brisque")

    @pytest.fixture
    def photograph(self):
        return data.chelsea()[60:188, 100:228]

    def test_distortions_score_less_than_photographs(self, measure, photograph):
        assert not measure.needs_reference
        clean = measure.score(as_images(photograph))
        assert clean.shape == (1,)
        assert -30 < clean.item() < 10
        rng = np.random.default_rng(0)
        noise = [
            np.clip(photograph + rng.normal(0, sigma, photograph.shape), 0, 255).astype(np.uint8)
            for sigma in (15, 25, 35)
        ]
        for worse in (noise, [jpeg(photograph, quality) for quality in (30, 20, 10)]):
            scores = torch.cat([clean, measure.score(as_images(*worse))])
            assert (scores.diff() < 0).all()
            assert scores[-1] < -30

    def test_it_can_be_copied(self, measure, photograph):
        images = as_images(photograph)
        assert copy.deepcopy(measure).score(images).item() == measure.score(images).item()

    def test_a_batch_is_its_images_one_by_one_and_references_are_ignored(self, measure, photograph):
        batch = as_images(photograph, jpeg(photograph, 20))
        alone = torch.cat([measure.score(batch[:1]), measure.score(batch[1:], torch.zeros_like(batch[1:]))])
        assert torch.equal(measure.score(batch), alone)

    def test_flat_pictures_score_about_what_nearly_flat_ones_do(self, measure, photograph):
        images = torch.full((3, 3, 64, 64), 0.5)
        images[1, :, 30, 30] += 1 / 255
        images[2] = as_images(photograph)[0, :, :64, :64]
        scores = measure.score(images)
        assert scores[0] == -100
        assert scores[1].item() == pytest.approx(-100, abs=10)
        assert torch.equal(scores[2:], measure.score(images[2:]))

    def test_small_pictures_are_refused(self, measure):
        with pytest.raises(ValueError, match="brisque needs at least 14x14 pixels, got 20x13"):
            measure.score(torch.rand(1, 3, 13, 20))
        assert measure.score(torch.rand(1, 3, 14, 14)).isfinite().all()
