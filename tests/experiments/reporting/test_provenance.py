import subprocess
from pathlib import Path

import pytest

from hirl_experiments.reporting.provenance import provenance

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="these tests are in no checkout of git")
def test_it_names_the_revision_of_this_code():
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    revision = provenance()["git_revision"]
    assert revision is not None
    assert head.stdout.strip() in revision
