import pytest
import torch

from hirl_env.data.samples import Sample
from hirl_experiments.evaluation.sampling import PIXELS, batches


def start(height: int, width: int) -> Sample:
    return Sample("", torch.zeros(3, height, width), None, None)


@pytest.mark.parametrize(
    ("sides", "pixels", "sizes"),
    [
        ([64] * 70, PIXELS, [32, 32, 6]),
        ([10] * 5, 250, [2, 2, 1]),  # three would have 300 pixels
        ([20, 10, 20, 10, 10], 250, [1, 1, 2, 1]),
    ],
)
def test_no_batch_has_more_pixels_than_allowed_unless_it_is_one_image(sides, pixels, sizes):
    made = list(batches((start(side, side) for side in sides), pixels))
    assert [len(batch) for batch in made] == sizes
    assert all(len({one.distorted.shape for one in batch}) == 1 for batch in made)
