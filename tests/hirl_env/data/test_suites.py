import numpy as np
import pytest
import torch

from hirl_env.data.photographs import Entry, Photographs
from hirl_env.data.suites import suites
from hirl_env.tools.registry import toolsets


@pytest.mark.parametrize("name", suites.names())
def test_a_suite_is_the_same_each_time_and_another_with_another_seed(name, pictures):
    suite = suites.resolve(name)
    assert name == suite.name
    for part in suite.parts:
        first, again, other = (list(suite.samples(pictures, part, 24, 2, seed)) for seed in (0, 0, 1))
        assert len(first) == 2 * len(pictures)
        assert all(torch.equal(one.distorted, same.distorted) for one, same in zip(first, again, strict=True))
        assert not all(torch.equal(one.reference, new.reference) for one, new in zip(first, other, strict=True))


def test_crops_of_photographs_are_the_same_at_every_level(pictures):
    mild, severe = (list(suites.resolve("levels-v1").samples(pictures, part, 24, 1, 0)) for part in ("mild", "severe"))
    assert all(torch.equal(one.reference, other.reference) for one, other in zip(mild, severe, strict=True))


@pytest.mark.parametrize("toolset", ["hirl", "paper"])
def test_fixed_paths_are_of_the_shipped_toolsets(toolset):
    for name in suites.names():
        path = suites.resolve(name).fixed_path(toolset)
        assert path is not None
        assert len(path) <= 2
        assert all(toolsets.resolve(toolset).cell(cell) for cell in path)


def test_of_another_toolset_no_path_is_known_but_where_doing_nothing_is_best():
    known = {name for name in suites.names() if suites.resolve(name).fixed_path("my-own") is not None}
    assert known == {"light-v1", "strengths-v1", "clean-v1"}
    assert all(suites.resolve(name).fixed_path("my-own") == () for name in known)


def test_clean_pictures_stay_as_they_are(pictures):
    for sample in suites.resolve("light-v1").samples(pictures, "clean", 24, 4, 0):
        assert torch.equal(sample.distorted, sample.reference)


def test_pictures_that_come_distorted_are_refused(folder):
    entry = Entry("pair", reference=folder / "picture0.png", distorted=folder / "picture1.png")
    with pytest.raises(ValueError, match="pair comes distorted; give clean photographs"):
        list(suites.resolve("unknown-v1").samples(Photographs([entry], "pairs"), "unknown", 16, 1, 0))


def test_whole_photographs(pictures):
    (one, *_) = suites.resolve("levels-v1").samples(pictures, "mild", None, 1, 0)
    assert one.distorted.shape == (3, 32, 40)
    assert np.isfinite(one.distorted.numpy()).all()
