"""`HIRL-RestoreTable-v0`: the environment over a table; no tool runs, and the optimal return is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch

from hirl_env.arrays import Floats, Indices
from hirl_env.config import EnvConfig
from hirl_env.data.samples import Sample
from hirl_env.env import RestoreEnv
from hirl_env.infos import Infos
from hirl_env.quality import measures
from hirl_env.restoration import Restoration, Rules, State
from hirl_env.reward import rewards
from hirl_env.table import Table, open_table
from hirl_env.task import Task, rules_of
from hirl_env.tools.tool import Tool
from hirl_env.tools.toolset import Toolset
from hirl_env.vector_env import RestoreVectorEnv

# Arguments of `EnvConfig` that the table fixes.
DECIDED = ("images", "degradation", "toolset", "crop_size", "device", "precision")


class TabulatedToolset(Toolset):
    """The tools of a table, by name only: they cannot be run.

    Args:
        table: A table.
    """

    def __init__(self, table: Table) -> None:
        super().__init__({kind: [Tool(name, _no_run) for name in names] for kind, names in table.spec.types.items()})
        self._costs = np.array(table.spec.costs) / (table.spec.crop_size**2 / 1e6)

    @property
    def costs(self) -> Floats:
        """The cost of each tool, GFLOP for a million pixels, float64 (types, degrees)."""
        return self._costs


def _no_run(images: torch.Tensor) -> NoReturn:
    raise RuntimeError("a table runs no tools")


class TableRestoration(Restoration):
    """Steps over a table: images and references in its states are node numbers, int64 (N,), counted crop by crop.

    Args:
        table: A table.
        rules: Rules that end an episode.
        price: Price of a GFLOP, in units of the measure.
    """

    def __init__(self, table: Table, rules: Rules, price: float) -> None:
        super().__init__(TabulatedToolset(table), measures.resolve(table.spec.measure), rules, price=price)
        self.table, self.nodes = table, table.spec.nodes(table.spec.depth)

    def begin(self, images: torch.Tensor, references: torch.Tensor | None, rows: Indices | None = None) -> None:
        """Starts episodes at nodes; both arguments are node numbers, (n,)."""
        self._begin(images, references, rows)

    def nodes_of(self, state: State) -> tuple[Indices, Indices]:
        """The crop of each image and its node in the crop's tree, int64 (N,) each."""
        crops, nodes = np.divmod(state.images.numpy(), self.nodes)
        return crops, nodes

    def _children(self, images: torch.Tensor) -> torch.Tensor:
        """The node that the first tool leads to, for each image."""
        nodes = images % self.nodes
        if len(nodes) and nodes.max() >= self.table.spec.nodes(self.table.spec.depth - 1):
            raise ValueError(f"{self.table.folder}: the table ends after {self.table.spec.depth} steps")
        return images - nodes + nodes * len(self.toolset.cells) + 1

    def _apply(self, before: State, actions: Indices) -> torch.Tensor:
        tools = torch.from_numpy(actions[:, 0] * self.toolset.n_degrees + actions[:, 1])
        stopped = torch.from_numpy(actions[:, 0] == self.toolset.n_types)
        return torch.where(stopped, before.images, self._children(before.images) + tools)

    def _try_all(self, before: State, actions: Indices) -> tuple[torch.Tensor, Floats]:
        children = self._children(before.images).numpy()[:, None] + np.arange(len(self.toolset.cells))
        gains = self.table.flat_scores[children] - before.scores[:, None] - self.price * self.table.tool_costs
        return self._apply(before, actions), gains.reshape(len(before), self.toolset.n_types, self.toolset.n_degrees)

    def _score(self, images: torch.Tensor, references: torch.Tensor | None) -> tuple[Floats, Floats]:
        return self.table.flat_scores[images.numpy()], self.table.flat_psnr[images.numpy()]

    def _megapixels(self, images: torch.Tensor) -> float:
        return self.table.spec.crop_size**2 / 1e6


@dataclass(frozen=True)
class TableSample(Sample):
    """The sample of a crop: its distorted image and its reference are the number of its first node, int64 ()."""

    labels: tuple[str, str, str] = ("", "", "")


class TableSamples:
    """The crops of a table, all equally likely.

    Args:
        table: A table.
    """

    have_references = True

    def __init__(self, table: Table) -> None:
        nodes = table.spec.nodes(table.spec.depth)
        self.size = (table.spec.crop_size, table.spec.crop_size)
        self.all = [
            TableSample(labels[0], root, root, None, labels)
            for labels, root in zip(table.spec.samples, torch.arange(len(table)) * nodes, strict=True)
        ]

    def draw(self, rng: np.random.Generator) -> TableSample:
        """One crop."""
        return self.all[int(rng.integers(len(self.all)))]


class TableInfos(Infos):
    """Infos that also have the regret.

    Args:
        restoration: The episodes that they are about.
        config: Configuration of the environment.
    """

    restoration: TableRestoration

    def __init__(self, restoration: TableRestoration, config: EnvConfig) -> None:
        super().__init__(restoration, config.max_steps, True, config.full_feedback, config.string_infos)
        self.plan = restoration.table.plan(restoration.rules, restoration.price)

    def of(self, rows: Indices) -> dict[str, npt.NDArray[Any]]:
        """The infos of n rows, in new memory.

        Returns:
            Those of `Infos`, and ``regret``: the optimal return of the episode less the best return that it can still
            reach, in units of the reward, float64 (n,); 0 at a reset.
        """
        state = self.restoration.state[rows]
        crops, nodes = self.restoration.nodes_of(state)
        return_so_far = self.restoration.worth(state) - state.first_scores
        left = np.where(state.ended, 0.0, self.plan.values[crops, nodes])
        regret = self.plan.values[crops, 0] - return_so_far - left
        return super().of(rows) | {"regret": np.maximum(regret, 0.0)}


class TableTask(Task):
    """Restoring the crops of a table.

    Args:
        table: A table, or its folder.
        arguments: Arguments of `EnvConfig`, except those that the table fixes.
        max_episode_steps: Bound on steps in addition to the configuration's, as in `open_task`.

    Raises:
        TypeError: If an argument is unknown, or fixed by the table.
        ValueError: If a switch is invalid, the reward uses another measure than the table, or episodes may be longer
            than the table keeps observations.
    """

    def __init__(
        self, table: str | Path | Table, arguments: dict[str, Any], max_episode_steps: int | None = None
    ) -> None:
        decided = [name for name in arguments if name in DECIDED]
        if decided:
            raise TypeError(
                f"the environment got an unexpected keyword argument {decided[0]!r}: the table decides on it"
            )
        self.table = table if isinstance(table, Table) else open_table(table)
        spec = self.table.spec
        defaults: dict[str, Any] = {"reward": spec.measure, "max_steps": spec.observed, "crop_size": spec.crop_size}
        config = EnvConfig.of(defaults | arguments)
        config.check()
        reward = rewards.resolve(config.reward)
        if reward.measure.name != spec.measure:
            raise ValueError(
                f"{self.table.folder} scores {spec.measure}, and the reward is of {reward.measure.name}; make a table "
                f"with hirl tabulate --measure {reward.measure.name}"
            )
        self.table.checked_steps(config.max_steps, spec.observed)
        restoration = TableRestoration(self.table, rules_of(config, max_episode_steps), reward.price)
        super().__init__(config, TableSamples(self.table), restoration, TableInfos(restoration, config))

    def given_sample(self, options: dict[str, Any]) -> Sample:
        """The crop that ``reset(options={"sample": NUMBER})`` asks for.

        Raises:
            ValueError: If there is no such crop, or another option.
        """
        number = options.get("sample")
        if set(options) != {"sample"} or not isinstance(number, int | np.integer) or not 0 <= number < len(self.table):
            raise ValueError(f"reset takes the option 'sample', 0 to {len(self.table) - 1}; got {options}")
        assert isinstance(self.samples, TableSamples)
        return self.samples.all[number]

    def pixels(self, images: torch.Tensor) -> npt.NDArray[np.uint8]:
        """The observations kept for nodes (N,), uint8 (N, H, W, 3), in new memory."""
        spec = self.table.spec
        crops, nodes = np.divmod(images.numpy(), spec.nodes(spec.depth))
        return np.take(self.table.flat_observations, crops * spec.nodes(spec.observed) + nodes, axis=0)


class RestoreTableEnv(RestoreEnv):
    """`RestoreEnv` over a table.

    Observations, rewards and ends of episodes are those of the live environment on the same crop; infos also have
    ``regret``. ``reset(options={"sample": NUMBER})`` begins with a given crop of the table.

    Args:
        table: A table that `hirl tabulate` wrote, or its folder.
        render_mode: Render mode, as in `RestoreEnv`.
        **task: Arguments of `EnvConfig`, except ``images``, ``degradation``, ``toolset``, ``crop_size``, ``device`` and
            ``precision``, which the table fixes. ``max_steps`` defaults to the depth up to which it keeps observations.
    """

    def __init__(self, table: str | Path | Table, render_mode: str | None = None, **task: Any) -> None:
        super().__init__(render_mode, **task, table=table)

    def _open(self, arguments: dict[str, Any]) -> Task:
        return TableTask(arguments.pop("table"), arguments)


class RestoreTableVectorEnv(RestoreVectorEnv):
    """`RestoreVectorEnv` over a table; takes the arguments of `RestoreVectorEnv` and of `RestoreTableEnv`."""

    def __init__(self, num_envs: int = 1, *, table: str | Path | Table, **arguments: Any) -> None:
        super().__init__(num_envs, **arguments, table=table)

    def _open(self, arguments: dict[str, Any], max_episode_steps: int | None) -> Task:
        return TableTask(arguments.pop("table"), arguments, max_episode_steps)
