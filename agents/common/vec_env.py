"""Stable-Baselines3's vector interface to the native vector environment, so its agents train on batched tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, unwrap_vec_normalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

import hirl_env  # noqa: F401  (registers the ids)
from hirl_env.config import MAX_STEPS
from hirl_env.task import TaskSummary
from hirl_env.vector_env import RestoreVectorEnv


class RestoreVecEnv(VecEnv):
    """The native vector environment in its SAME_STEP autoreset mode, as a Stable-Baselines3 ``VecEnv``.

    Its environments are one batch: whatever is set or called applies to all of them.

    Args:
        env: The vector environment, possibly with wrappers of Gymnasium.

    Raises:
        ValueError: If it is not a native vector environment, or resets in another mode.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        if not isinstance(env.unwrapped, RestoreVectorEnv):
            raise ValueError(
                f"this is for the native vector environment, not {type(env.unwrapped).__name__}; for single ones there "
                "is Stable-Baselines3's DummyVecEnv"
            )
        mode = env.metadata.get("autoreset_mode")
        if mode != gym.vector.AutoresetMode.SAME_STEP:
            raise ValueError(f"Stable-Baselines3 needs autoreset_mode='SameStep', this environment has {mode}")
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = dict(env.metadata)

    def reset(self) -> npt.NDArray[np.uint8]:
        """Starts an episode in every environment, with the seeds from `seed` if it was called.

        Raises:
            ValueError: If the environments were given different options.
        """
        if not all(_equal(options, self._options[0]) for options in self._options):
            raise ValueError("this environment resets all of its images with the same options")
        seeds = None if self._seeds[0] is None else self._seeds
        observations, infos = self.env.reset(seed=seeds, options=self._options[0] or None)  # type: ignore[arg-type]
        self.reset_infos = self._per_environment(infos)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Stores the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Steps; the last observation of an ended episode is in its info, as ``terminal_observation``."""
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        each = self._per_environment(infos)
        dones = terminated | truncated
        for row in np.flatnonzero(dones):
            begun = each[row]
            each[row] = begun.pop("final_info") | {
                "terminal_observation": begun.pop("final_obs"),
                "TimeLimit.truncated": bool(truncated[row] and not terminated[row]),
            }
            if "episode" in begun:  # RecordEpisodeStatistics puts it beside the infos of the next episode
                each[row]["episode"] = begun.pop("episode")
            self.reset_infos[row] = begun
        return observations, rewards.astype(np.float32), dones, each

    def _per_environment(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        """Gymnasium's dictionary of arrays (with masks, and nested dictionaries) as one dictionary per environment."""
        each: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for key, values in infos.items():
            if key.startswith("_"):
                continue
            split = self._per_environment(values) if isinstance(values, dict) else values
            for row in np.flatnonzero(infos.get(f"_{key}", np.ones(self.num_envs, dtype=np.bool_))):
                each[row][key] = split[row]
        return each

    def close(self) -> None:
        """Closes the vector environment."""
        self.env.close()

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """A frame of every environment."""
        frames = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)  # type: ignore[arg-type]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, once per environment; spaces are those of a single environment."""
        rows = list(self._get_indices(indices))
        if attr_name in ("action_space", "observation_space"):
            attr_name = f"single_{attr_name}"
        each = self._of_each(attr_name, self._attribute(attr_name))
        return [each[row] for row in rows]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets an attribute of the vector environment, for all environments.

        Raises:
            ValueError: If indices leave some environments out.
        """
        self._check_all(indices)
        setattr(self.env.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls a method of the vector environment once, and returns its result for each environment.

        Raises:
            ValueError: If indices leave some environments out.
        """
        self._check_all(indices)
        return list(self._of_each(method_name, self._attribute(method_name)(*method_args, **method_kwargs)))

    def _attribute(self, name: str) -> Any:
        """An attribute of the outermost wrapper that has it: Gymnasium's vector wrappers pass none on."""
        env = self.env
        while isinstance(env, gym.vector.VectorWrapper) and not hasattr(env, name):
            env = env.env
        return getattr(env, name)

    def _of_each(self, name: str, value: Any) -> tuple[Any, ...]:
        native = self.env.unwrapped
        assert isinstance(native, RestoreVectorEnv)
        return native.of_each(name, value)

    def _check_all(self, indices: VecEnvIndices) -> None:
        if len(set(self._get_indices(indices))) < self.num_envs:
            raise ValueError("these environments are one batch: set and call for all of them, without indices")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Whether the vector environment has a wrapper; there are no single environments to wrap."""
        env, wrapped = self.env, False
        while isinstance(env, gym.vector.VectorWrapper) and not wrapped:
            wrapped, env = isinstance(env, wrapper_class), env.env
        return [wrapped] * len(list(self._get_indices(indices)))


def _equal(options: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether options, which may hold pictures, are equal."""
    return options.keys() == others.keys() and all(np.array_equal(options[key], others[key]) for key in options)


def check_trainable(env: VecEnv | None, stops: bool = False) -> None:
    """Checks an environment before an agent learns in it.

    Args:
        env: Environment, if there is one.
        stops: Whether the agent stops by an action; otherwise it stops by its values.

    Raises:
        ValueError: If it is wrapped in `VecNormalize` or `gymnasium.wrappers.NormalizeReward` (agents here need
            unscaled gains to stop by), restores whole pictures, whose sizes differ, has a STOP that the agent does not
            use, or lacks one that it needs, or stacks images: three more channels would be taken for the first image
            of the episode.
    """
    if env is None:
        return
    if unwrap_vec_normalize(env) is not None:
        raise ValueError("this agent learns from 8-bit images and rewards in their own units; leave VecNormalize out")
    rescaling: tuple[type[Any], ...] = (gym.wrappers.NormalizeReward, gym.wrappers.vector.NormalizeReward)
    if any(any(env.env_is_wrapped(kind)) for kind in rescaling):
        raise ValueError("this agent learns from rewards in their own units; leave NormalizeReward out")
    for summary in summaries_of(env):
        if summary.crop_size is None:
            raise ValueError(
                "agents are trained on crops, and crop_size=None restores whole pictures: give a crop_size"
            )
        if summary.stop_action != stops:
            by = "an action" if stops else "its values"
            raise ValueError(f"this agent stops by {by}: make the environment with stop_action={stops}")
        shape = env.observation_space.shape or ()
        if summary.channels not in shape:
            raise ValueError(
                f"the environment shows images of {summary.channels} channels, and a wrapper makes {shape} of them; "
                "leave stacks of images out"
            )


def longest_episode(env: VecEnv | None, otherwise: int = MAX_STEPS) -> int:
    """Steps after which the environments' episodes are truncated; ``otherwise`` if they do not say."""
    summaries = [] if env is None else summaries_of(env)
    if env is None or not summaries:
        return otherwise
    own = [summary.max_steps for summary in summaries]
    # A TimeLimit around an environment; the vector environment has it in its own rules. The spec would tell it, too,
    # but has the environment's arguments, which may be functions that cannot be sent between processes.
    limit = "_max_episode_steps"
    around = env.get_attr(limit) if env.has_attr(limit) else [None] * len(own)
    return max(min(filter(None, bounds), default=otherwise) for bounds in zip(own, around, strict=True))


def summaries_of(env: VecEnv) -> list[TaskSummary]:
    """The summaries of the tasks of environments of this package; empty for other environments."""
    known = env.get_attr("task_summary") if env.has_attr("task_summary") else []
    return [summary for summary in known if isinstance(summary, TaskSummary)]


def make_vec_env(
    env_id: str = "HIRL-Restore-v0",
    n_envs: int = 32,
    seed: int | None = None,
    env_kwargs: dict[str, Any] | None = None,
    **arguments: Any,
) -> VecMonitor:
    """The native vector environment, monitored, for Stable-Baselines3.

    Args:
        env_id: Environment, ``HIRL-Restore-v0`` or ``HIRL-RestoreFlat-v0``.
        n_envs: Number of images restored side by side.
        seed: Seed of the first reset, as in ``VecEnv.seed``.
        env_kwargs: Keyword arguments of the environment, those of `EnvConfig`, as a dictionary.
        **arguments: Keyword arguments of the environment, written out.
    """
    arguments = (env_kwargs or {}) | arguments
    env = VecMonitor(RestoreVecEnv(gym.make_vec(env_id, n_envs, autoreset_mode="SameStep", **arguments)))
    if seed is not None:  # for None, Stable-Baselines3 would draw a seed from NumPy's global generator
        env.seed(seed)
    return env
