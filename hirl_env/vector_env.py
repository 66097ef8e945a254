"""`RestoreVectorEnv`: many images at a time; each distinct tool runs once on all images that chose it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from hirl_env.arrays import Flags, Indices, Pixels
from hirl_env.config import EnvConfig
from hirl_env.data.samples import Sample
from hirl_env.rendering import METADATA, check_render_mode, render_frame
from hirl_env.task import Task, open_task

SPACES = ("action_space", "observation_space")
ONE_EACH = ("action_masks", "np_random", "np_random_seed", "render")  # differ between sub-environments


class RestoreVectorEnv(gym.vector.VectorEnv[Pixels, Any, npt.NDArray[Any]]):
    """N environments as one batch: a thin layer over a `Restoration` of N images.

    It behaves like a SyncVectorEnv over `RestoreEnv`, whose environments share all attributes, so that there is no
    ``set_attr``.

    Args:
        num_envs: Number of images restored side by side.
        autoreset_mode: Autoreset mode at the end of an episode: ``NextStep``, ``SameStep`` or ``Disabled``
            (see `gymnasium.vector.AutoresetMode`).
        render_mode: Render mode: None or ``rgb_array``.
        max_episode_steps: Steps after which an episode is truncated, as by a TimeLimit, unless ``max_steps`` truncates
            it first; None or -1 for no such bound.
        **task: Arguments of `EnvConfig`. Whole pictures differ in
            size, so only `RestoreEnv` accepts ``crop_size=None``.
    """

    metadata = dict(METADATA)

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **task: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.num_envs = num_envs
        self.render_mode = render_mode
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            known = ", ".join(mode.value for mode in AutoresetMode)
            raise ValueError(f"unknown autoreset_mode {autoreset_mode!r}; known are: {known}") from None
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.task = self._open(task, max_episode_steps)
        self.config, self.task_summary = self.task.config, self.task.summary
        side = self.config.crop_size
        if side is None:
            raise ValueError(
                "crop_size=None restores whole pictures, which differ in size: use gym.make, one at a time"
            )
        self.single_action_space = self.task.action_space
        self.single_observation_space = self.task.observation_space(side, side)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._rngs: list[np.random.Generator | None] = [None] * num_envs
        self._seeds = [-1] * num_envs
        self._begun = np.zeros(num_envs, dtype=np.bool_)

    def _open(self, arguments: dict[str, Any], max_episode_steps: int | None) -> Task:
        return open_task(EnvConfig.of(arguments), max_episode_steps)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generator of each sub-environment."""
        return tuple(self._rng(row) for row in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each sub-environment."""
        for row in range(self.num_envs):
            self._rng(row)  # creates and seeds the generators not used yet
        return tuple(self._seeds)

    def _rng(self, row: int) -> np.random.Generator:
        rng = self._rngs[row]
        if rng is None:
            rng, self._seeds[row] = gym.utils.seeding.np_random()
            self._rngs[row] = rng
        return rng

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Pixels, dict[str, Any]]:
        """Starts episodes.

        In a batch, either all images have references or none has. With a blind reward, a given image may have a
        reference where the environment's own have none, or the reverse. The reset is then refused if autoreset could
        mix the two kinds in one batch.

        Args:
            seed: Sub-environment i gets ``seed + i``, or the i-th of a list.
            options: Options by name: ``reset_mask`` (bool, (num_envs,)) resets only the rows where it is True;
                ``image`` and ``reference`` (uint8, (H, W, 3)) start all of these from one given picture.

        Returns:
            Observations (num_envs, H, W, 3), and infos.

        Raises:
            ValueError: If seeds or options are invalid.
        """
        if seed is None or isinstance(seed, int | np.integer):
            seeds: list[int | None] = [None if seed is None else int(seed) + row for row in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed must be a number or a list of {self.num_envs}, got {len(seeds)} of them")
        options = dict(options or {})
        mask = self._checked_mask(options.pop("reset_mask", None))
        given = self._checked_sample(options, mask) if options else None
        for row in np.flatnonzero(mask):
            if seeds[row] is not None:
                self._rngs[row], self._seeds[row] = gym.utils.seeding.np_random(seeds[row])
        rows = np.flatnonzero(mask)
        self._start(rows, given)
        return self.task.observations(), self._stacked({}, rows, self.task.infos.of(rows))

    def _checked_mask(self, mask: Any) -> Flags:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        if (
            not isinstance(mask, np.ndarray)
            or mask.dtype != np.bool_
            or mask.shape != (self.num_envs,)
            or not mask.any()
        ):
            raise ValueError(
                f"reset_mask must be a bool array of shape ({self.num_envs},), True somewhere; got {mask!r}"
            )
        if not (self._begun | mask).all():
            raise ValueError("the first reset must reset every sub-environment, so without a reset_mask")
        return mask

    def _checked_sample(self, options: dict[str, Any], mask: Flags) -> Sample:
        """The given sample; raises ValueError if samples of the environment's own could not follow it."""
        sample, rules = self.task.given_sample(options), self.task.restoration.rules
        given, own = sample.reference is not None, self.task.samples.have_references
        resets_itself = self.autoreset_mode != AutoresetMode.DISABLED
        one_by_one = rules.stop is not None or rules.stop_action or not mask.all()
        # A measure that needs references already refuses images without them.
        blind = not self.task.measure.needs_reference
        if given != own and resets_itself and one_by_one and blind and self.num_envs > 1:
            words = {True: "a reference", False: "no reference"}
            raise ValueError(
                f"reset: the given image has {words[given]}, and the environment's own pictures, which follow it "
                f"one by one, have {words[own]}; {'leave the' if given else 'give a'} reference"
                f"{' out' if given else ''}, or make it with autoreset_mode='Disabled'"
            )
        return sample

    def _start(self, rows: Indices, given: Sample | None = None) -> None:
        """Starts episodes in some rows, all of them from the given sample if there is one."""
        draw = self.task.samples.draw
        self.task.begin([draw(self._rng(int(row))) if given is None else given for row in rows], rows)
        self._begun[rows] = True

    def _stacked(self, infos: dict[str, Any], rows: Indices, new: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
        """Infos of some rows, put into arrays of all rows, each with a mask as in Gymnasium."""
        for key, values in new.items():
            if key not in infos:
                infos[key] = np.full(
                    (self.num_envs, *values.shape[1:]), None if values.dtype == object else 0, dtype=values.dtype
                )
                infos[f"_{key}"] = np.zeros(self.num_envs, dtype=np.bool_)
            infos[key][rows], infos[f"_{key}"][rows] = values, True
        return infos

    def step(self, actions: npt.NDArray[Any]) -> tuple[Pixels, npt.NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Applies a tool to each image.

        Args:
            actions: Actions (num_envs, 2), or (num_envs,) in the flat environment.

        Returns:
            Observations (num_envs, H, W, 3), rewards, terminations, truncations (num_envs,), and infos.

        Raises:
            RuntimeError: If called before reset, or, with autoreset disabled, after the end of an episode.
            ValueError: If an action is not in the action space.
        """
        actions = np.asarray(actions)
        if actions.ndim == 0 or len(actions) != self.num_envs:
            raise ValueError(
                f"actions must be {self.num_envs}, one for each sub-environment; got shape {actions.shape}"
            )
        over = np.zeros(self.num_envs, dtype=np.bool_)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP and self._begun.all():
            over = self.task.restoration.state.ended
        stepping = np.flatnonzero(~over)
        rewards = np.zeros(self.num_envs)
        terminations, truncations = np.zeros((2, self.num_envs), dtype=np.bool_)
        if len(stepping):
            # In NEXT_STEP mode an ended episode is reset and its action ignored.
            outcome = self.task.step(actions[stepping], stepping)
            rewards[stepping] = outcome.gains
            terminations[stepping], truncations[stepping] = outcome.terminated, outcome.truncated
        resetting = np.flatnonzero(over)
        infos: dict[str, Any] = {}
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            resetting = np.flatnonzero(terminations | truncations)
            if len(resetting):
                infos = self._finals(resetting)
        if len(resetting):
            self._start(resetting)
        rows = np.arange(self.num_envs)
        infos = self._stacked(infos, rows, self.task.infos.of(rows))
        return self.task.observations(), rewards, terminations, truncations, infos

    def _finals(self, rows: Indices) -> dict[str, Any]:
        """The last observations and infos of episodes that have ended, before new ones take their rows."""
        observations = np.full(self.num_envs, None, dtype=object)
        for row, observation in zip(rows, self.task.observations()[rows], strict=True):
            observations[row] = observation.copy()
        over = np.zeros(self.num_envs, dtype=np.bool_)
        over[rows] = True
        infos = self._stacked({}, rows, self.task.infos.of(rows))
        return {"final_obs": observations, "_final_obs": over, "final_info": infos, "_final_info": over.copy()}

    def action_masks(self) -> Flags:
        """Which of the flat actions are allowed, (num_envs, actions).

        Raises:
            RuntimeError: If called before reset.
            ValueError: If actions are (type, degree) pairs.
        """
        return self.task.action_masks()

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Calls a method of every sub-environment, or reads an attribute of each, as SyncVectorEnv does.

        Generators, seeds, frames and action masks differ between sub-environments; everything else is shared.

        Args:
            name: Name of the method or attribute.
            *args: Arguments of the method.
            **kwargs: Keyword arguments of the method.

        Returns:
            One result for each sub-environment.
        """
        value = getattr(self, f"single_{name}" if name in SPACES else name)
        return self.of_each(name, value(*args, **kwargs) if callable(value) else value)

    def of_each(self, name: str, value: Any) -> tuple[Any, ...]:
        """The value of an attribute, or the result of a method, for each sub-environment."""
        apart = name in ONE_EACH and value is not None and not callable(value)
        return tuple(value) if apart else (value,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of every sub-environment, as in SyncVectorEnv."""
        return self.call(name)

    def render(self) -> tuple[Pixels, ...] | None:
        """A frame per sub-environment, as from `RestoreEnv.render`; None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(render_frame(self.task, row) for row in range(self.num_envs))
