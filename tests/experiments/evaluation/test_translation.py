import weakref

import numpy as np
import pytest
import torch

from hirl_env.data.degradations import GaussianBlur
from hirl_env.data.samples import Sample, stacked
from hirl_experiments.evaluation.translation import Translation, moves


@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("move", [(0, 0), (0, 1), (-1, 0)])
def test_a_translation_is_found_whatever_the_blur(photograph, sigma, move):
    blurred = GaussianBlur.of_sigma(sigma)._apply(photograph, np.random.default_rng(0))
    # A pixel of a picture that is shrunk by four afterwards is a quarter of a pixel.
    shrunk = [torch.nn.functional.avg_pool2d(image[None], 4)[0] for image in (photograph, blurred.roll(move, (1, 2)))]
    fit = Translation()
    fit.add([shrunk[0]], [shrunk[1]])
    assert fit.found() == pytest.approx(np.array(move) / 4, abs=0.04)


def test_photographs_are_not_kept_once_they_are_measured(toy_toolset, monkeypatch):
    batches, kept = [], []

    def noted(batch):
        kept.append(sum(one() is not None for one in batches))
        distorted, references = stacked(batch)
        batches.append(weakref.ref(distorted))
        return distorted, references

    monkeypatch.setattr("hirl_experiments.evaluation.translation.stacked", noted)
    images = [torch.rand(3, 32, 32 + number) / 2 for number in range(4)]  # of four sizes: each is a batch
    moves([Sample("", image, image, None) for image in images], toy_toolset, "float32")
    assert kept == [0, 1, 1, 1], "none but the one before"
