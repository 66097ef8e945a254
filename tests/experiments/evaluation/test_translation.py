import numpy as np
import pytest
import torch

from hirl_env.data.degradations import GaussianBlur
from hirl_experiments.evaluation.translation import translation


@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("move", [(0, 0), (0, 1), (-1, 0)])
def test_a_translation_is_found_whatever_the_blur(photograph, sigma, move):
    blurred = GaussianBlur.of_sigma(sigma)._apply(photograph, np.random.default_rng(0))
    # A pixel of a picture that is shrunk by four afterwards is a quarter of a pixel.
    shrunk = [torch.nn.functional.avg_pool2d(image[None], 4)[0] for image in (photograph, blurred.roll(move, (1, 2)))]
    assert translation([shrunk[0]], [shrunk[1]]) == pytest.approx(np.array(move) / 4, abs=0.04)
