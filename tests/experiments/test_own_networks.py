"""The tutorial on networks of one's own: its commands, run on what its Python makes, with small sizes."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from hirl_env.tools import spandrel

pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "own-networks.md"
SMALL = {
    "train": "--total-steps 8 --every 8 --hold-out 1 --n-envs 2 --env.crop-size 16 --threads 1 --algorithm.width 8 "
    "--algorithm.batch-size 4 --algorithm.buffer-size 16 --algorithm.learning-starts 4",
    "evaluate": "--crop 16 --degradations noise-25",
    "restore": "--max-steps 1",
    "fixed-path": "--crop 16",
    "benchmark": "--crop 16",
}


@pytest.mark.slow
def test_its_commands_train_restore_and_score(folder, hirl, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = PAGE.read_text(encoding="utf-8")
    exec(compile("\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)), "page", "exec"), {})
    commands = [shlex.split(line) for line in re.findall(r"^hirl (.*)$", text, re.MULTILINE)]
    assert [command[0] for command in commands] == list(SMALL)
    for command in commands:
        named = [dict.fromkeys(("FOLDER", "PICTURES", "OTHERS"), str(folder)).get(word, word) for word in command]
        assert hirl(*named, *SMALL[command[0]].split()) == 0, capsys.readouterr().err
    assert len(list((tmp_path / "restored").glob("*.png"))) == 3
    del sys.modules["my_tools"]
    spandrel._descriptor.cache_clear()
