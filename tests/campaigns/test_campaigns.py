"""A small part of the campaigns."""

import pytest

from tests.campaigns.odd_files import campaign


@pytest.mark.slow
def test_odd_files(tmp_path):
    counts = campaign(tmp_path, every=9)
    assert counts["files"] > 40
    assert counts["restored"] > 20
    # Damaged ones are refused, and make the exit code.
    assert counts["exit code"] == 1
    for what in ("tracebacks", "sources touched", "untold", "results that cannot be read"):
        assert counts[what] == 0, what
