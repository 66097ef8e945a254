"""RL-Restore: recurrent deep Q-learning from whole episodes, after Yu et al. (CVPR 2018)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import polyak_update, update_learning_rate

from hirl_agents.common.off_policy import OffPolicyAgent, epsilon_at
from hirl_agents.common.vec_env import longest_episode
from hirl_agents.rl_restore.agent import MAX_STEPS, RLRestoreAgent
from hirl_agents.rl_restore.config import RLRestoreConfig
from hirl_agents.rl_restore.episodes import EpisodeReplayBuffer, Episodes
from hirl_agents.rl_restore.network import RecurrentQ
from hirl_agents.rl_restore.policy import RLRestorePolicy
from hirl_env.tools.toolset import Toolset


class RLRestore(OffPolicyAgent):
    """RL-Restore's agent: DQN with a recurrent network, for ``HIRL-RestoreFlat-v0``.

    It learns from whole episodes, unrolled from their first step; the target of an episode's last step is its reward
    alone, however it ended. The environment needs ``stop_action=True``. The authors' environment also has
    ``max_steps=3``, and ends an episode when PSNR falls below its start (``stop="below_start"``). Options
    that are not explained here are those of `RLRestoreConfig`, with its defaults, which are the authors'.

    Deviations: while it learns, the network sees 8-bit observations, where the authors' sees values beyond [0, 1] as
    tools leave them; and it updates its LSTM state in steps that explore, where the authors' skips these.

    Args:
        policy: Policy: ``RecurrentPolicy``, or a subclass of `RLRestorePolicy`.
        env: An environment with Discrete actions, the last of which is STOP, or its id.
        learning_rate: Learning rate of Adam; a function of the share of the training that remains makes it a schedule.
        policy_kwargs: Options of `RLRestorePolicy`: ``features``, ``units``.
        stats_window_size: Episodes over which logged returns are averaged.
        tensorboard_log: Folder for TensorBoard; None for none.
        verbose: Verbosity: 0 prints nothing, 1 information, 2 all.
        seed: Seed of everything random.
        device: Device to compute on.
        _init_setup_model: Whether to make networks and memory; False only while loading.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "RecurrentPolicy": RLRestorePolicy,
        "CnnPolicy": RLRestorePolicy,
    }
    stops_by_action = True
    policy: RLRestorePolicy
    replay_buffer: EpisodeReplayBuffer
    max_steps: int = MAX_STEPS  # of the environment's episodes

    def __init__(
        self,
        policy: str | type[RLRestorePolicy] = "RecurrentPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = RLRestoreConfig.learning_rate,
        halve_every: int = RLRestoreConfig.halve_every,
        buffer_size: int = RLRestoreConfig.buffer_size,
        learning_starts: int = RLRestoreConfig.learning_starts,
        batch_size: int = RLRestoreConfig.batch_size,
        gamma: float = RLRestoreConfig.gamma,
        train_freq: int = RLRestoreConfig.train_freq,
        gradient_steps: int = RLRestoreConfig.gradient_steps,
        target_update_interval: int = RLRestoreConfig.target_update_interval,
        exploration_initial_eps: float = RLRestoreConfig.exploration_initial_eps,
        exploration_final_eps: float = RLRestoreConfig.exploration_final_eps,
        exploration_steps: int = RLRestoreConfig.exploration_steps,
        policy_kwargs: dict[str, Any] | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        if halve_every < 1:
            raise ValueError(f"halve_every must be at least 1, got {halve_every}")
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]
            learning_rate,
            buffer_size,
            learning_starts,
            batch_size,
            gamma=gamma,
            train_freq=train_freq,
            gradient_steps=gradient_steps,
            replay_buffer_class=EpisodeReplayBuffer,
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            seed=seed,
            sde_support=False,
            support_multi_env=True,
            supported_action_spaces=(spaces.Discrete,),
        )
        self.halve_every, self.target_update_interval = halve_every, target_update_interval
        self.exploration_initial_eps, self.exploration_final_eps = exploration_initial_eps, exploration_final_eps
        self.exploration_steps = exploration_steps
        self._copied = 0
        self._memory: tuple[npt.NDArray[Any], ...] | None = None
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        self.replay_buffer_kwargs = {"max_steps": longest_episode(self.env, self.max_steps)}
        super()._setup_model()

    @property
    def exploration_rate(self) -> float:
        """Current probability of a random action."""
        steps = self.num_timesteps - self.learning_starts
        if steps < 0:
            return 1.0
        return epsilon_at(self.exploration_initial_eps, self.exploration_final_eps, steps, self.exploration_steps)

    def agent(self, toolset: Toolset) -> RLRestoreAgent:
        """The agent for inference, with the tools it is trained with; it shares the weights."""
        return RLRestoreAgent.trained_with(self.policy.q, toolset, self.max_steps)

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[Any], ...]]:
        """Actions for observations, as from `RLRestorePolicy.predict`; explores unless ``deterministic``."""
        actions, state = self.policy.predict(observation, state, episode_start)
        if deterministic:
            return actions, state
        assert isinstance(self.action_space, spaces.Discrete)
        explores = np.random.random(actions.shape) < self.exploration_rate
        actions = np.where(explores, np.random.randint(self.action_space.n, size=actions.shape), actions)
        return actions, (*state[:2], np.atleast_1d(actions))

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(self._last_obs, np.ndarray)
        actions, self._memory = self.predict(self._last_obs, self._memory, self._last_episode_starts)
        return actions, actions

    def _store_transition(
        self,
        replay_buffer: Any,
        buffer_action: np.ndarray,
        new_obs: np.ndarray | dict[str, np.ndarray],
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
        self._last_episode_starts = dones

    def _on_step(self) -> None:
        copies = self.num_timesteps // self.target_update_interval
        if copies != self._copied:  # fewer where a new training counts its steps anew
            self._copied = copies
            polyak_update(self.policy.q.parameters(), self.policy.q_target.parameters(), 1.0)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def train(self, gradient_steps: int, batch_size: int) -> None:
        """Updates the network ``gradient_steps`` times."""
        if not self.replay_buffer.size():
            return
        self.policy.set_training_mode(True)
        rate = self.lr_schedule(self._current_progress_remaining) * 0.5 ** (self.num_timesteps / self.halve_every)
        update_learning_rate(self.policy.optimizer, rate)
        losses, values = [], []
        for _ in range(gradient_steps):
            loss, value = self._update(self.replay_buffer.sample(batch_size))
            losses.append(loss)
            values.append(value)
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/learning_rate", rate)
        self.logger.record("train/loss", float(np.mean(losses)))
        self.logger.record("train/q_value", float(np.mean(values)))

    def _update(self, episodes: Episodes) -> tuple[float, float]:
        """One step of the optimiser; returns the loss, and the mean value of the actions taken, before the step."""
        values = self._values(self.policy.q, episodes).gather(2, episodes.actions[..., None])[..., 0]
        errors = F.smooth_l1_loss(values, self._goals(episodes), reduction="none")
        loss = _mean_of_means(errors, episodes.lengths)
        self.policy.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.policy.optimizer.step()
        return loss.item(), _mean_of_means(values.detach(), episodes.lengths).item()

    @torch.no_grad()
    def _goals(self, episodes: Episodes) -> torch.Tensor:
        """Targets (N, steps): reward plus the discounted best value of the next step, if there is one (Eq. 6)."""
        best = self._values(self.policy.q_target, episodes).amax(dim=2)
        has_next = _taken(episodes)[:, 1:]
        return episodes.rewards + self.gamma * F.pad(best[:, 1:] * has_next, (0, 1))

    def _values(self, network: RecurrentQ, episodes: Episodes) -> torch.Tensor:
        """Values (N, steps, actions) along episodes."""
        taken = _taken(episodes)
        # Only observations of actual steps go through the convolutions.
        seen = network.seen(self.policy.images(episodes.observations[taken]))
        features = seen.new_zeros(*taken.shape, seen.shape[1])
        features[taken] = seen
        last_tools = F.pad(episodes.actions[:, :-1], (1, 0), value=-1).masked_fill(~taken, -1)
        return network.remembered(features, last_tools)[0]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []


def _taken(episodes: Episodes) -> torch.Tensor:
    """Which steps were taken, bool (N, steps)."""
    steps = torch.arange(episodes.actions.shape[1], device=episodes.lengths.device)
    return steps < episodes.lengths[:, None]


def _mean_of_means(each: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The mean over episodes of the means over their steps: as in the authors' code, every episode weighs the same.

    Args:
        each: Value of every step to average, (N, steps).
        lengths: Lengths of the episodes, (N,).
    """
    steps = torch.arange(each.shape[1], device=lengths.device)
    return ((each * (steps < lengths[:, None])).sum(dim=1) / lengths).mean()
