"""A small part of the campaigns."""

import importlib.util

import pytest

from tests.campaigns import odd_files


@pytest.mark.slow
def test_odd_files(tmp_path):
    counts = odd_files.campaign(tmp_path, every=23)
    assert counts["files"] > 40
    assert counts["restored"] > 20
    # Damaged ones are refused, and make the exit code.
    assert counts["exit code"] == 1
    for what in ("tracebacks", "sources touched", "untold", "results that cannot be read"):
        assert counts[what] == 0, what


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_node_that_is_lost_loses_nothing(tmp_path):
    from tests.campaigns.ray_nodes import campaign

    counts = campaign(tmp_path, pictures=12)
    assert 0 < counts["restored when a node was killed"] < 12
    for what in ("exit code", "lines that tell of no picture", "missing", "other bits", "done twice", "left behind"):
        assert counts[what] == 0, what
