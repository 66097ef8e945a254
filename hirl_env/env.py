"""`RestoreEnv`: one image at a time."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from hirl_env.config import EnvConfig
from hirl_env.rendering import METADATA, check_render_mode, render_frame
from hirl_env.task import Task, open_task
from hirl_env.window import Window

ONE = np.zeros(1, dtype=np.int64)  # the only row


class RestoreEnv(gym.Env[npt.NDArray[np.uint8], Any]):
    """Restores one image step by step: a thin layer over a `Restoration` of one image.

    Observations are the current image, uint8 (H, W, 3); ``observe_start`` and ``observe_tool`` add channels. With
    ``crop_size=None`` pictures differ in size, so ``observation_space`` follows the current picture and changes with
    each reset.

    Args:
        render_mode: Render mode: None, ``rgb_array``, or ``human``, a window that shows every step (needs pygame).
        **task: Arguments of `EnvConfig`.
    """

    metadata = {**METADATA, "render_modes": ["rgb_array", "human"]}

    def __init__(self, render_mode: str | None = None, **task: Any) -> None:
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        # A copy for each environment: up to version 1.3, Gymnasium's SyncVectorEnv writes into it.
        self.metadata = dict(self.metadata)
        self._window = Window(self.metadata["render_fps"]) if render_mode == "human" else None
        self.task = self._open(task)
        self.config, self.task_summary = self.task.config, self.task.summary
        self.action_space = self.task.action_space
        self.observation_space: Any = self.task.observation_space(*self.task.samples.size)

    def _open(self, arguments: dict[str, Any]) -> Task:
        return open_task(EnvConfig.of(arguments))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: Seed for drawing the photograph, crop and degradation, in this reset and in later ones.
            options: Picture to start from: ``{"image": uint8 (H, W, 3), "reference": the same, optional}``.

        Returns:
            The observation and the info, which `Infos.of` describes.

        Raises:
            ValueError: If an option is invalid, or the reward needs a reference and there is none.
        """
        super().reset(seed=seed)
        sample = self.task.given_sample(options) if options else self.task.samples.draw(self.np_random)
        self.task.begin([sample], ONE)
        if self.config.crop_size is None:
            self.observation_space = self.task.observation_space(*sample.distorted.shape[-2:])
        self._show()
        return self.task.observations()[0], self._info()

    def step(self, action: Any) -> tuple[npt.NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Applies the tool of one action.

        Args:
            action: Tool as a (type, degree) pair, or one integer in the flat environment.

        Returns:
            Observation, reward (the measure's gain less any price), terminated, truncated, and the info, which
            `Infos.of` describes.

        Raises:
            RuntimeError: If called before reset or after the end of the episode.
            ValueError: If the action is not in the action space.
        """
        outcome = self.task.step(np.asarray(action)[None], ONE)
        self._show()
        return (
            self.task.observations()[0],
            float(outcome.gains[0]),
            bool(outcome.terminated[0]),
            bool(outcome.truncated[0]),
            self._info(),
        )

    def _info(self) -> dict[str, Any]:
        return {key: values[0] for key, values in self.task.infos.of(ONE).items()}

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which of the flat actions are allowed, (actions,).

        Raises:
            RuntimeError: If called before reset.
            ValueError: If actions are (type, degree) pairs.
        """
        return self.task.action_masks()[0]

    def render(self) -> npt.NDArray[np.uint8] | None:
        """A frame with the image, its path and the gain so far, uint8 (H', W', 3); None unless in ``rgb_array``."""
        if self.render_mode is None:
            gym.logger.warn("render() does nothing: make the environment with render_mode='rgb_array'")
        if self.render_mode == "rgb_array":
            return render_frame(self.task, 0)
        self._show()
        return None

    def _show(self) -> None:
        if self._window is not None:
            self._window.show(render_frame(self.task, 0))

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self._window is not None:
            self._window.close()
