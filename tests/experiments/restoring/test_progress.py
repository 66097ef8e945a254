import torch

from hirl_agents.restorer import Restorer
from hirl_experiments.restoring.progress import Progress, with_progress
from tests.conftest import colours


def test_a_large_picture_is_told_of_tile_by_tile_without_a_terminal(toy_toolset, capsys):
    seconds = iter(range(0, 10_000, 10))
    progress = Progress(1, clock=lambda: next(seconds))

    def values(images):
        return torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]).expand(len(images), 2, 2)

    toolset = with_progress(toy_toolset, progress.tile)
    restorer = Restorer(values, toolset, max_steps=2, stop="steps", tile=512)
    assert capsys.readouterr().err == "", "costs are counted before the first picture, and are none of its steps"
    progress.begin("a.png", 700, 40)
    restorer.restore(colours(700, 40, 3))
    progress.end()
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert "hirl: a.png: step 1, add +1, tile 1 of 2" in lines
    assert lines[-1].startswith("hirl: a.png: step 2, add +1, tile")
