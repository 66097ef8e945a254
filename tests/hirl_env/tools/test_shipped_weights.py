"""The figures that the shipped tools must hold on CBSD68, where the photographs are at hand.

Set HIRL_TEST_CBSD68 to the folder of the 68 photographs to run these; CI does.
"""

import os

import pytest

from hirl_env.data.photographs import image_sources
from hirl_env.tools.registry import toolsets
from hirl_experiments.evaluation.methods import Chain
from hirl_experiments.evaluation.runner import Runner
from hirl_experiments.evaluation.sampling import evaluation_samples

FOLDER = os.environ.get("HIRL_TEST_CBSD68")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="HIRL_TEST_CBSD68 names no folder of photographs")


def gain(level: str, cell: str) -> float:
    """Mean gain in dB of a tool of the toolset ``paper``, TYPE-DEGREE, on a crop of 96x96 of each photograph."""
    toolset = toolsets.resolve("paper")
    samples = evaluation_samples(image_sources.resolve(FOLDER), level, 96, 1, 0)
    (row,) = Runner({cell: Chain((cell,)).open(cell, toolset)}, toolset, "float32").rows(samples, 68, level)
    assert row.images == 68
    return row.gain


@pytest.mark.parametrize(
    ("level", "cell", "least"),
    [
        ("jpeg-30", "dejpeg-0", 0.85),
        ("jpeg-20", "dejpeg-1", 0.85),
        ("jpeg-10", "dejpeg-2", 0.85),
        ("noise-25", "denoise-1", 9.0),
    ],
)
def test_gain_on_crops(level, cell, least):
    assert gain(level, cell) > least


def test_the_deblurring_tools_are_sorted_by_what_they_gain():
    sharpen, srcnn, srn = (gain("blur-10", f"deblur-{degree}") for degree in range(3))
    assert 0 < sharpen < srcnn < srn
