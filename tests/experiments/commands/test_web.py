"""What `hirl web` refuses before it opens a page."""

import pytest

from hirl_experiments.commands.web import web


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"measure": "psnr"}, "--measure psnr has no quality map for the page; hirl-biqa and paq2piq have one"),
        ({"measure": "nonsense"}, "nonsense"),
        ({"port": 99_999}, "--port is 1 to 65535, got 99999"),
        ({"port": 0}, "--port must be at least 1, got 0"),
        ({"max_pixels": 0}, "--max-pixels must be at least 1"),
    ],
)
def test_wrong_options_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        web(**wrong, device="cpu")
