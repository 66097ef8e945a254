"""A session of the page: one picture, the steps taken on it, and the agent's values after each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from hirl_agents.agent import begin_episodes
from hirl_agents.restorer import UNSCORED, Restorer, as_given
from hirl_agents.rollout import STOPS
from hirl_env.data.images import RESTORING, as_batch
from hirl_env.memory import free_memory
from hirl_env.quality import Measure
from hirl_env.restoration import UNBOUNDED, Restoration, Rules, State
from hirl_env.tools.toolset import Cell
from hirl_experiments.pictures.encoding import encoded, saved_format
from hirl_experiments.pictures.formats import FORMATS
from hirl_experiments.pictures.reading import Pixels, read_picture
from hirl_experiments.restoring.one_picture import blended, covered
from hirl_experiments.restoring.sheet import thumbnail

SHOWN = 1400  # pixels of a picture's longer side on the page
# In a path, because each step keeps a picture in memory: of large ones as many as 2.4 GB hold.
MOST_STEPS, MOST_PIXELS = 20, 200_000_000


@dataclass(frozen=True, eq=False)
class Step:
    """The picture after a step, or as it was given.

    Attributes:
        state: The image, and what was done to it.
        tool: The name of the tool used last; empty at first.
        values: The agent's values of the tools as the next step, (types, degrees).
        best: The tool that the agent would take next; None if it would stop.
        score: Score by the blind measure; None for pictures too small for it.
        thumbnail: The picture as it looks, of at most `SHOWN` pixels a side.
    """

    state: State
    tool: str
    values: npt.NDArray[np.float32]
    best: Cell | None
    score: float | None
    thumbnail: Image.Image


class Session:
    """A picture being restored.

    Args:
        path: File of the picture.
        restorer: Restorer whose agent and tools are used.
        measure: Blind measure.
        max_pixels: Most pixels that the picture may have.

    Raises:
        UnreadablePicture: If the file is not a picture, too large, or does not fit into free memory.

    Attributes:
        most_steps: Most steps of a path.
        steps: The picture as it was given, and after each step.
        notes: Notes on what will not be the same in the saved file.
    """

    def __init__(self, path: Path, restorer: Restorer, measure: Measure, max_pixels: int) -> None:
        # Without a limit, as many pixels are read as fit into free memory.
        whole = read_picture(path, max_pixels if max_pixels * RESTORING <= free_memory() else None)
        self._name, self.restorer, self.measure = Path(path.name), restorer, measure
        self._file, self._picture = path.read_bytes(), whole.first_page()
        self._folder = TemporaryDirectory()  # removed with the session
        self._page = self._picture.pages[0]
        height, width = self._page.pixels.shape[:2]
        self.most_steps = min(MOST_STEPS, max(1, MOST_PIXELS // (height * width) - 1))
        self.notes = list(whole.notes)
        if len(whole.pages) > 1:
            self.notes.append(f"only the first of its {len(whole.pages)} pages is shown; hirl restore restores all")
        self._restoration = Restoration(restorer.toolset, UNSCORED, precision=restorer.precision)
        self._restoration.begin(as_batch(self._page.visible), None)
        self.steps = [self._step(self._restoration.state, "")]

    def best(self, step: int = -1) -> Cell | None:
        """The tool that the agent would take after a step; None if it would stop."""
        return self.steps[step].best

    def take(self, cell: Cell) -> None:
        """Applies a tool.

        Raises:
            ValueError: If the path has its largest length, or the agent is recurrent, like RL-Restore's.
        """
        if len(self.steps) > self.most_steps:
            raise ValueError(f"{self.most_steps} steps are the most for a picture of this size; undo some")
        self._take(cell, UNBOUNDED)

    def go_on(self) -> None:
        """Lets the agent choose until it stops, as in a rollout by value, or the path has its largest length."""
        most = min(self.restorer.max_steps, self.most_steps)
        while len(self.steps) <= most and (cell := self.best()) is not None:
            if not self._take(cell, Rules(stop=STOPS["value"])):
                self.steps[-1] = replace(self.steps[-1], best=None)

    def undo(self) -> None:
        """Takes the last step back, if there is one."""
        if len(self.steps) > 1:
            self.steps.pop()

    def before(self) -> Pixels:
        """The picture as it was given."""
        return self._page.visible

    def after(self, strength: float) -> Pixels:
        """The picture after the last step, with a part of the change."""
        return blended(self.before(), as_given(self.steps[-1].state.images, self.before()), strength)

    def seen(self, pixels: Pixels) -> Image.Image:
        """Pixels of the picture as they look, where it is transparent on white, of at most `SHOWN` pixels a side."""
        return thumbnail(self._page.seen(pixels), SHOWN)

    def quality_map(self) -> npt.NDArray[np.float32] | None:
        """The quality map of the picture, (20, 20), 0 to 100; None for pictures too small for it."""
        try:
            with torch.no_grad():
                return self.measure.quality_map(self.steps[-1].state.images)[0].cpu().numpy()
        except ValueError:
            return None

    def saved(self, strength: float) -> tuple[Path, list[str]]:
        """The file to be downloaded, in place of the one before, and notes on it."""
        content, suffix, notes = self._encoded(strength)
        target = Path(self._folder.name) / f"{self._name.stem}-restored{suffix}"
        target.write_bytes(content)
        return target, notes

    def _encoded(self, strength: float) -> tuple[bytes, str, list[str]]:
        """Content, suffix and notes of that file."""
        if len(self.steps) == 1 or strength == 0:
            return self._file, self._name.suffix, []  # saving it anew could only lose something
        result = covered(self._page, self.after(strength))
        content, notes = encoded(self._picture, [result])
        format = saved_format(self._picture, None)
        suffix = self._name.suffix if format == self._picture.format else FORMATS[format].suffixes[0]
        return content, suffix, [*self.notes, *notes]

    def _take(self, cell: Cell, rules: Rules) -> bool:
        """Applies a tool, and returns whether the rules let the step stand."""
        restoration = self._restoration.with_state(self.steps[-1].state).with_rules(rules)
        with torch.no_grad():
            taken_back = restoration.step(np.array([cell])).terminated[0]
        if not taken_back:
            self.steps.append(self._step(restoration.state, self.restorer.toolset[cell].name))
        return not taken_back

    def _step(self, state: State, tool: str) -> Step:
        with torch.no_grad():
            look = begin_episodes(self.restorer.agent, self._restoration.with_state(state))
            values = look(np.array([0]))[0].cpu().numpy()
            try:
                score = float(self.measure.score(state.images, None)[0])
            except ValueError:
                score = None
        n_types = self.restorer.toolset.n_types
        kind, degree = divmod(int(values.argmax()), values.shape[1])
        # As in a rollout: an agent that has STOP stops by that alone.
        stops = kind == n_types or (len(values) == n_types and values[kind, degree] <= 0)
        seen = self.seen(as_given(state.images, self.before()))
        return Step(state, tool, values[:n_types], None if stops else (kind, degree), score, seen)
