"""Examples for the blind measure: versions of one crop, better and worse, each with its computed score.

A group holds versions of one crop of a photograph: clean, at the three levels, with some other distortion, and after
each step of two chains of tools. The first chain is an agent's, from one of the levels, with random steps in between.
The second begins with any of these versions, and is random, a single tool over and over, or the agent's. So the
versions include over-sharpened and over-smoothed pictures, and results of an agent.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from tqdm import tqdm

from hirl_agents.agent import Agent, begin_episodes
from hirl_env.data.degradations import LEVELS, InOrder, Mixture, degradations
from hirl_env.data.images import eight_bits, to_pixels
from hirl_env.data.photographs import Photographs
from hirl_env.data.samples import Samples
from hirl_env.devices import Precision
from hirl_env.files import atomic_write
from hirl_env.quality import measures
from hirl_env.restoration import Restoration
from hirl_env.tools.toolset import Toolset

# They follow perception better than PSNR, each in its own way. VSI agrees with their mean rank at 0.94 and is used for
# tests only. GMSD ranks like HaarPSI; MDSI judges colour, agrees least with the others, and was the hardest to learn.
TEACHERS = ("ssim", "haarpsi", "fsim")
OTHER_DISTORTIONS = Mixture(
    tuple(
        degradations.resolve(name)
        for name in ("rl-restore-mild", "rl-restore-moderate", "rl-restore-severe", "mixture")
    )
)
FIRST = (InOrder(()), *(degradations.resolve(level) for level in LEVELS), OTHER_DISTORTIONS)
CHAIN_LENGTHS = (4, 3)  # of the two chains of tools in each group, the agent's from a level and any from anything
VERSIONS = len(FIRST) + sum(CHAIN_LENGTHS)
RANDOM, REPEATED, CHOSEN = range(3)  # kinds of chains: random tools, one tool over and over, the agent's choices
KIND_SHARES = (0.4, 0.4, 0.2)  # their shares of second chains
RANDOM_SHARE = 0.2  # share of the agent's steps that are random
SIDE_BY_SIDE = 40  # groups made at once
BLOCK = 200  # groups in a file
FORMAT = 2  # to be raised when examples are made in another way, so that no older files are taken for them


@dataclass(frozen=True)
class ExampleGroups:
    """Groups of versions of one crop.

    Attributes:
        pictures: Pictures, uint8 (groups, versions, H, W, 3).
        scores: Scores by the teachers, float32 (groups, versions, teachers).
        parents: Version from which a tool made each, int64 (groups, versions); its own number if no tool made it.
    """

    pictures: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    parents: npt.NDArray[np.int64]

    @staticmethod
    def joined(parts: list[ExampleGroups]) -> ExampleGroups:
        """All groups as one."""
        names = [field.name for field in dataclasses.fields(ExampleGroups)]
        return ExampleGroups(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class ExampleMaker:
    """Makes groups from photographs.

    Attributes:
        photographs: Source of the crops.
        toolset: Tools of the chains.
        agent: Agent that chooses the tools of some chains.
        crop: Side of the crops, pixels.
        precision: Precision of the tools' convolutions.
    """

    photographs: Photographs
    toolset: Toolset
    agent: Agent
    crop: int
    precision: Precision

    def make(self, count: int, rng: np.random.Generator) -> ExampleGroups:
        """``count`` groups."""
        versions = torch.stack([self._first_versions(rng) for _ in range(count)]).to(self.toolset.device)
        references = versions[:, 0]
        parents = np.tile(np.arange(VERSIONS), (count, 1))
        kinds = np.full(count, CHOSEN), rng.choice((RANDOM, REPEATED, CHOSEN), size=count, p=KIND_SHARES)
        origins = rng.integers(1, 1 + len(LEVELS), size=count), rng.integers(len(FIRST), size=count)
        for steps, kind, origin in zip(CHAIN_LENGTHS, kinds, origins, strict=True):
            number = versions.shape[1]
            parents[:, number : number + steps] -= 1
            parents[:, number] = origin
            versions = torch.cat([versions, self._chain(versions, origin, kind, references, steps, rng)], dim=1)
        # Scored in 8 bits, as they are stored.
        rounded = eight_bits(versions).flatten(0, 1)
        against = references.repeat_interleave(VERSIONS, dim=0)
        scores = torch.stack([measures.resolve(name).score(rounded, against).float() for name in TEACHERS], dim=1)
        return ExampleGroups(to_pixels(versions), scores.unflatten(0, (count, VERSIONS)).cpu().numpy(), parents)

    def _first_versions(self, rng: np.random.Generator) -> torch.Tensor:
        """One crop, clean and with each kind of distortion, (versions, 3, H, W)."""
        photograph = self.photographs.draw(rng, self.crop)
        if photograph.reference is None:
            raise ValueError(f"{self.photographs.name}: {photograph.name} has no reference; give clean photographs")
        clean = replace(photograph, distorted=None)
        seed = int(rng.integers(2**32))  # of the crop, which is the same whatever the degradation
        versions = [
            Samples(self.photographs, degradation, self.crop).of(clean, np.random.default_rng(seed)).distorted
            for degradation in FIRST
        ]
        return torch.stack(versions)

    def _chain(
        self,
        versions: torch.Tensor,
        origins: npt.NDArray[np.int64],
        kinds: npt.NDArray[np.int64],
        references: torch.Tensor,
        steps: int,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """The results of a chain of tools on one version of each group, step by step: (count, steps, 3, H, W)."""
        count = len(versions)
        restoration = Restoration(self.toolset, measures.resolve("psnr"), precision=self.precision)
        restoration.begin(versions[torch.arange(count), torch.from_numpy(origins)], references)
        cells = np.array(self.toolset.cells)
        repeated = cells[rng.integers(len(cells), size=count)]
        look = begin_episodes(self.agent, restoration)
        made = []
        for _ in range(steps):
            with torch.no_grad():
                # Without the agent's STOP, because every version after the first must be made by a tool.
                values = look(np.arange(count))[:, : self.toolset.n_types]
                best = values.flatten(1).argmax(dim=1).cpu().numpy()
            random = cells[rng.integers(len(cells), size=count)]
            at_random = rng.random(count) < RANDOM_SHARE
            actions = np.where(((kinds == RANDOM) | at_random)[:, None], random, cells[best])
            restoration.step(np.where((kinds == REPEATED)[:, None], repeated, actions))
            made.append(restoration.state.images)
        return torch.stack(made, dim=1)


def cached_examples(maker: ExampleMaker, count: int, seed: int, folder: Path) -> ExampleGroups:
    """``count`` groups, cached in files of ``folder``; existing files are reused."""
    parts = []
    with tqdm(total=count, desc=f"examples of {maker.photographs.name}", unit="group", disable=None) as bar:
        for block in range(-(-count // BLOCK)):
            size = min(BLOCK, count - block * BLOCK)
            path = folder / f"{seed}-{block:03d}-{size}.npz"
            if not path.exists():
                rng = np.random.default_rng((seed, block))
                made = []
                for first in range(0, size, SIDE_BY_SIDE):
                    made.append(maker.make(min(SIDE_BY_SIDE, size - first), rng))
                    bar.update(len(made[-1].pictures))
                groups = ExampleGroups.joined(made)
                with atomic_write(path) as file:
                    np.savez(file, **vars(groups))
            else:
                bar.update(size)
            with np.load(path) as stored:
                parts.append(ExampleGroups(**stored))
    return ExampleGroups.joined(parts)


def targets(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """One score, 0 to 100, from those of the teachers: the mean of their ranks.

    Args:
        scores: Scores of the teachers, (groups, versions, teachers); ranks are among all groups and versions.

    Returns:
        (groups, versions).
    """
    ranks = rankdata(scores.reshape(-1, scores.shape[2]), axis=0)
    means = (ranks - 1).mean(axis=1) / max(1, len(ranks) - 1)
    return (100 * means).astype(np.float32).reshape(scores.shape[:2])
