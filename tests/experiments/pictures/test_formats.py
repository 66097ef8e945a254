"""Formats of picture files, as far as this installation knows them."""

import pytest
from PIL import Image

from hirl_env.data.images import UnreadablePicture
from hirl_experiments.pictures.formats import can_write, format_named
from hirl_experiments.pictures.reading import read_picture


@pytest.mark.parametrize(
    ("format", "suffix", "remedy"),
    [("AVIF", ".avif", "pip install -U pillow"), ("HEIF", ".heic", r"pip install 'hirl-restore\[formats\]'")],
)
def test_a_format_that_this_pillow_does_not_know_has_its_own_remedy(tmp_path, monkeypatch, format, suffix, remedy):
    Image.init()
    monkeypatch.setattr(Image, "ID", [known for known in Image.ID if known != format])
    for known in (Image.OPEN, Image.SAVE):
        monkeypatch.delitem(known, format, raising=False)
    (tmp_path / f"a{suffix}").write_bytes(b"what nobody knows")
    assert not can_write(format)
    with pytest.raises(ValueError, match=f"--format {format} cannot be written here; .*{remedy}"):
        format_named(format)
    with pytest.raises(UnreadablePicture, match=remedy):
        read_picture(tmp_path / f"a{suffix}")
