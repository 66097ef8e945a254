"""The file that is downloaded from the page, without the page."""

import gc

from PIL import Image

from hirl_agents.restorer import Restorer
from hirl_env.quality import measures
from hirl_experiments.web.session import Session


def test_a_session_keeps_one_file_and_leaves_none(tmp_path, toy_toolset):
    picture = tmp_path / "holiday.png"
    Image.new("RGB", (40, 30), (100, 100, 100)).save(picture)
    restorer = Restorer(lambda images: images.new_zeros(len(images), 2, 2), toy_toolset)
    session = Session(picture, restorer, measures.resolve("hirl-biqa"), 10_000)
    session.take((0, 1))
    (target,) = {session.saved(strength)[0] for strength in (0, 0.5, 1)}
    assert target.name == "holiday-restored.png"
    assert target.read_bytes() != picture.read_bytes(), "the last one"
    assert list(target.parent.iterdir()) == [target]
    del session
    gc.collect()
    assert not target.parent.exists()
