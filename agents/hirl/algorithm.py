"""HIRL: hierarchical DQN over (type, degree) actions, after Zhang and Gao (ICASSP 2022), section 2.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import get_parameters_by_name, polyak_update

from hirl_agents.common.off_policy import OffPolicyAgent, epsilon_at
from hirl_agents.hirl.config import HIRLConfig, check_learning, check_networks
from hirl_agents.hirl.feedback import Feedback
from hirl_agents.hirl.learning import FromFeedback, FromTransitions, Learning, Transitions
from hirl_agents.hirl.policy import HIRLPolicy
from hirl_env.config import MAX_STEPS

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mse": F.mse_loss,
    "huber": F.smooth_l1_loss,
}
RECENT = 0.1  # largest share of the updates so far that averages over time reach back
CHOICES = {
    "loss": tuple(LOSSES),
    "degree_updates": ("replay", "online"),
    "type_target": ("degrees", "transition"),
}


class HIRL(OffPolicyAgent):
    """Two-level DQN: the type strategy T(s) chooses a type, the degree strategy D(s) its degree.

    Both are ResNet-18 Q-networks with target networks. Options that are not explained here are those of `HIRLConfig`,
    with its defaults. With ``full_feedback``, the environment must have it as well.

    Args:
        policy: Policy: ``ResNetPolicy``, or a subclass of `HIRLPolicy`.
        env: An environment with MultiDiscrete([types, degrees]) actions, or its id.
        learning_rate: Learning rate of both optimisers; a function of the share of the training that remains makes it a
            schedule.
        policy_kwargs: Options of `HIRLPolicy`: ``width``, ``norm``, ``degree_head``, ``squash``, ...
        stats_window_size: Episodes over which logged returns are averaged.
        tensorboard_log: Folder for TensorBoard; None for none.
        verbose: Verbosity: 0 prints nothing, 1 information, 2 all.
        seed: Seed of everything random.
        device: Device to compute on.
        _init_setup_model: Whether to make the networks; False only while loading.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"ResNetPolicy": HIRLPolicy, "CnnPolicy": HIRLPolicy}
    policy: HIRLPolicy
    replay_buffer: ReplayBuffer
    max_steps: int = MAX_STEPS  # of the environment's episodes, and of the paths that its networks will take

    def __init__(
        self,
        policy: str | type[HIRLPolicy] = "ResNetPolicy",
        env: GymEnv | str | None = None,
        learning_rate: float | Schedule = HIRLConfig.learning_rate,
        buffer_size: int = HIRLConfig.buffer_size,
        learning_starts: int = HIRLConfig.learning_starts,
        batch_size: int = HIRLConfig.batch_size,
        tau: float = HIRLConfig.tau,
        gamma: float = HIRLConfig.gamma,
        train_freq: int = HIRLConfig.train_freq,
        gradient_steps: int = HIRLConfig.gradient_steps,
        n_steps: int = HIRLConfig.n_steps,
        target_update_interval: int = HIRLConfig.target_update_interval,
        exploration_initial_eps: float = HIRLConfig.exploration_initial_eps,
        exploration_final_eps: float = HIRLConfig.exploration_final_eps,
        exploration_steps: int = HIRLConfig.exploration_steps,
        exploration_stairs: int = HIRLConfig.exploration_stairs,
        max_grad_norm: float = HIRLConfig.max_grad_norm,
        loss: Literal["huber", "mse"] = HIRLConfig.loss,
        double_q: bool = HIRLConfig.double_q,
        may_stop: bool = HIRLConfig.may_stop,
        degree_updates: Literal["replay", "online"] = HIRLConfig.degree_updates,
        type_target: Literal["degrees", "transition"] = HIRLConfig.type_target,
        full_feedback: bool = HIRLConfig.full_feedback,
        augment: bool = HIRLConfig.augment,
        policy_kwargs: dict[str, Any] | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]
            learning_rate,
            buffer_size,
            learning_starts,
            batch_size,
            tau,
            gamma,
            train_freq,
            gradient_steps,
            n_steps=n_steps,
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            seed=seed,
            sde_support=False,
            support_multi_env=True,
            supported_action_spaces=(spaces.MultiDiscrete,),
        )
        self.target_update_interval = target_update_interval
        self.exploration_initial_eps, self.exploration_final_eps = exploration_initial_eps, exploration_final_eps
        self.exploration_steps, self.exploration_stairs = exploration_steps, exploration_stairs
        self.max_grad_norm, self.loss = max_grad_norm, loss
        self.double_q, self.may_stop = double_q, may_stop
        self.degree_updates, self.type_target = degree_updates, type_target
        self.full_feedback, self.augment = full_feedback, augment
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        self._check_options()
        if self.full_feedback:
            self.replay_buffer_class = FromFeedback.replay_buffer_class
        super()._setup_model()
        self._check_networks()
        self.learning: Learning[Any] = self._learning()
        self.policy.acts_by_target = self.policy_kwargs.get("acts_by_target", self.tau < 1)
        # Batch norm's running statistics are not parameters, but target networks need them too.
        self._statistics = get_parameters_by_name(self.policy.q, ["running_"])
        self._target_statistics = get_parameters_by_name(self.policy.q_target, ["running_"])

    def _match_length(self) -> None:
        super()._match_length()
        self.policy.q.max_steps = self.policy.q_target.max_steps = self.max_steps

    def _check_options(self) -> None:
        """Raises ValueError if an option is out of range, or options do not go together."""
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
        HIRLConfig.check_ranges(self)
        check_learning(self.full_feedback, self.gamma, self.n_steps, self.degree_updates, self.type_target)

    def _check_networks(self) -> None:
        """Raises ValueError if options do not go with the networks or the replay buffer."""
        architecture = self.policy.q.architecture
        check_networks(self.degree_updates, self.type_target, architecture["norm"], architecture["degree_head"])
        if self.replay_buffer.buffer_size * self.n_envs < self.batch_size:
            raise ValueError(f"buffer_size={self.buffer_size} holds no batch of {self.batch_size} transitions")

    def _learning(self) -> FromFeedback | FromTransitions:
        if self.full_feedback:
            return FromFeedback(self.policy, self.augment)
        return FromTransitions(
            self.policy,
            self.augment,
            self.gamma,
            self.double_q,
            self.may_stop,
            self.type_target,
            online=self.degree_updates == "online",
        )

    @property
    def exploration_rate(self) -> float:
        """Current probability of a random type, and of a random degree."""
        return epsilon_at(
            self.exploration_initial_eps,
            self.exploration_final_eps,
            self.num_timesteps,
            self.exploration_steps,
            self.exploration_stairs,
        )

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[Any], ...] | None]:
        """Actions (N, 2) for observations (N, H, W, 3), or (2,) for one; explores unless ``deterministic``."""
        actions, state = self.policy.predict(observation, state, episode_start, deterministic)
        if deterministic:
            return actions, state
        # Type and degree explore independently in each environment: a random type may have a greedy degree.
        assert isinstance(self.action_space, spaces.MultiDiscrete)
        explores = np.random.random(actions.shape) < self.exploration_rate
        return np.where(explores, np.random.randint(self.action_space.nvec, size=actions.shape), actions), state

    def _on_step(self) -> None:
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def train(self, gradient_steps: int, batch_size: int) -> None:
        """Updates both strategies ``gradient_steps`` times."""
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.policy.type_optimizer, self.policy.degree_optimizer])
        losses: dict[str, list[float]] = {"type": [], "degree": []}
        values: list[float] = []
        for _ in range(gradient_steps):
            filled = self.replay_buffer.size() * self.n_envs >= batch_size
            replayed = self.learning.sample(self.replay_buffer, batch_size) if filled else None
            batch = self.learning.degree_batch(self.replay_buffer, replayed)
            if batch is None and replayed is None:
                break  # there is nothing to learn from yet
            if batch is not None:
                loss, value = self._update_degrees(batch)
                losses["degree"].append(loss)
                values.append(value)
            if replayed is not None:
                losses["type"].append(self._update_types(replayed))
            self._n_updates += 1
            if self._n_updates % self.target_update_interval == 0:
                share = self._target_share()
                polyak_update(self.policy.q.parameters(), self.policy.q_target.parameters(), share)
                polyak_update(self._statistics, self._target_statistics, share)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, each in losses.items():
            if each:
                self.logger.record(f"train/{name}_loss", float(np.mean(each)))
        if values:
            self.logger.record("train/q_value", float(np.mean(values)))

    def _target_share(self) -> float:
        """Share by which the target networks move: ``tau``, and more early in training.

        Otherwise the average, over 1 / ``tau`` updates, would be dominated by the random initial networks until there
        had been several times as many updates.
        """
        updates = self._n_updates / self.target_update_interval
        return max(self.tau, 1 / (1 + RECENT * updates))

    def _update_degrees(self, batch: Transitions | Feedback) -> tuple[float, float]:
        """One step of DS (Eq. 2); returns the loss and the mean value before the step."""
        values = self.policy.q.degree_values(batch.images)
        loss = LOSSES[self.loss](*self.learning.degree_targets(values, batch))
        self._descend(loss, self.policy.degree_optimizer)
        return loss.item(), self.policy.q.decode(values.detach()).mean().item()

    def _update_types(self, batch: Transitions | Feedback) -> float:
        """One step of TS (Eq. 3); returns the loss."""
        loss = LOSSES[self.loss](*self.learning.type_targets(self.policy.q.type_values(batch.images), batch))
        self._descend(loss, self.policy.type_optimizer)
        return loss.item()

    def _descend(self, loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        (group,) = optimizer.param_groups
        torch.nn.utils.clip_grad_norm_(group["params"], self.max_grad_norm)
        optimizer.step()

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.type_optimizer", "policy.degree_optimizer"], []
