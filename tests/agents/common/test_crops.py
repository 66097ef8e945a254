import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hirl_agents.common.crops import BATCH, LOOK, cell_values, crop_offsets


@pytest.mark.parametrize(("height", "width", "crop"), [(300, 200, 64), (64, 64, 64), (70, 500, 32), (200, 90, 256)])
def test_crops_vote(height, width, crop):
    images = torch.rand(2, 3, height, width)
    seen = []

    def values(crops):
        seen.append(crops)
        return crops.mean(dim=(1, 2, 3))[:, None, None].expand(-1, 2, 3)

    found = cell_values(values, images, crop)
    assert found.shape == (2, 2, 3)
    crops = torch.cat(seen)
    assert crops.shape[-2:] == (crop, crop)
    assert found[:, 0, 0] == pytest.approx([crops[image::2].mean().item() for image in (0, 1)], abs=1e-5)
    assert found[0, 0, 0] != found[1, 0, 0]


@given(st.integers(64, 5000), st.integers(64, 5000), st.sampled_from([16, 64, 256, 1024]))
def test_a_look_is_bounded(height, width, crop):
    images = torch.zeros(1, 1, 1, 1).expand(1, 1, height, width)
    seen = []
    cell_values(lambda crops: seen.append(crops.shape) or torch.zeros(len(crops), 2, 2), images, crop)
    pixels = [shape.numel() for shape in seen]
    assert sum(pixels) <= LOOK**2
    assert max(pixels) <= max(BATCH, crop**2)


@given(st.integers(1, 3000), st.sampled_from([16, 64, 256]))
def test_crops_are_spread_over_the_picture(length, crop):
    places = crop_offsets(length, crop)
    assert all(place % 16 == 0 and 0 <= place <= max(0, length - crop) for place in places)
    assert places[0] == 0
    assert len(places) == len(set(places)), "a crop that is seen twice is one look"
    assert places[-1] > length - crop - 16
    steps = np.diff(places)
    assert len(steps) == 0 or steps.max() - steps.min() <= 16
    if length <= LOOK:
        assert len(steps) == 0 or steps.max() <= crop + 16
