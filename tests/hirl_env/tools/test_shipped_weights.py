"""The figures that the shipped tools must hold on CBSD68, where the photographs are at hand.

Set HIRL_TEST_CBSD68 to the folder of the 68 photographs to run these; CI does.
"""

import os

import numpy as np
import pytest

from hirl_env.data.photographs import image_sources
from hirl_env.tools.known import toolsets
from hirl_experiments.commands.evaluate_tools import Sums
from hirl_experiments.evaluation.sampling import evaluation_samples

FOLDER = os.environ.get("HIRL_TEST_CBSD68")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="HIRL_TEST_CBSD68 names no folder of photographs")


@pytest.mark.parametrize(
    ("name", "cell", "least"),
    [
        ("jpeg-30", (1, 0), 0.85),
        ("jpeg-20", (1, 1), 0.85),
        ("jpeg-10", (1, 2), 0.85),
        ("noise-25", (0, 1), 9.0),
        ("blur-5", (2, 2), 1.0),
    ],
)
def test_gain_on_crops(name, cell, least):
    sums = Sums()
    for start in evaluation_samples(image_sources.resolve(FOLDER), name, 96, 1, 0):
        sums.add(start, toolsets.resolve("paper"), cell, "float32")
    assert sums.images == 68
    assert np.isfinite(sums.means()["psnr"])
    assert sums.means()["gain"] > least
