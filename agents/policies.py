"""Agents made from Stable-Baselines3's policies: PPO's, DQN's, and any other saved as a .zip file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.utils import ConstantSchedule
from stable_baselines3.dqn.policies import DQNPolicy

from hirl_agents.agent import Agent, QAgent, q_agent, with_stop
from hirl_agents.hirl.policy import SEEN, HIRLPolicy
from hirl_agents.networks import CellValues
from hirl_agents.rl_restore.agent import MAX_STEPS as RL_RESTORE_STEPS
from hirl_agents.rl_restore.agent import RLRestoreAgent
from hirl_agents.rl_restore.policy import RLRestorePolicy
from hirl_env.config import MAX_STEPS
from hirl_env.errors import first_line
from hirl_env.tools.toolset import Toolset


class PolicyValues:
    """Cell values of a policy: a DQN's Q-values, or any other policy's preferences.

    Preferences are the probabilities of actions or, if a policy has none, 1 for the chosen action and 0 for all others.
    The largest is always above zero, so the policy continues until it chooses STOP or the longest path ends.

    Args:
        policy: A policy that acts on images, (type, degree) pairs or one integer.
        n_degrees: Degrees of each type of the toolset.

    Attributes:
        sees_start: Whether images have three more channels: the image at the start of the episode.
        sees_tool: Whether images have one more channel, the last: the tool used last.

    Raises:
        ValueError: If the policy has other observations or actions, or is recurrent.
    """

    def __init__(self, policy: BasePolicy, n_degrees: int) -> None:
        shape = policy.observation_space.shape or ()
        seen = SEEN.get(shape[0]) if len(shape) == 3 else None
        pairs = isinstance(policy.action_space, spaces.MultiDiscrete) and len(policy.action_space.nvec) == 2
        if seen is None or not (pairs or isinstance(policy.action_space, spaces.Discrete)):
            raise ValueError(
                f"the policy acts on {policy.observation_space} by {policy.action_space}; an agent here acts on images "
                "of HIRL-Restore-v0 or HIRL-RestoreFlat-v0 by their actions"
            )
        if hasattr(policy, "lstm_actor"):
            raise ValueError("recurrent policies of sb3-contrib cannot be followed; train one that sees images alone")
        policy.set_training_mode(False)
        self.policy, self.n_degrees, self.pairs = policy, n_degrees, pairs
        self.sees_start, self.sees_tool = seen

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Cell values (N, types, degrees), with STOP as one more type if there is one, of images (N, C, H, W)."""
        observations = (images * 255).round().to(self.policy.device, torch.uint8)
        return self._cells(observations).to(images.device)

    def _cells(self, observations: torch.Tensor) -> torch.Tensor:
        if isinstance(self.policy, ActorCriticPolicy):
            distribution: Any = self.policy.get_distribution(observations).distribution
            if self.pairs:
                types, degrees = (part.probs for part in distribution)
                return types[:, :, None] * degrees[:, None, :]
            return self._unflattened(distribution.probs)
        if isinstance(self.policy, DQNPolicy):
            return self._unflattened(self.policy.q_net(observations))
        actions = self.policy._predict(observations, deterministic=True)
        if self.pairs:
            assert isinstance(self.policy.action_space, spaces.MultiDiscrete)
            n_types, n_degrees = (int(size) for size in self.policy.action_space.nvec)
            actions = actions[:, 0] * n_degrees + actions[:, 1]
            chosen = torch.nn.functional.one_hot(actions.long(), n_types * n_degrees)
            return chosen.float().unflatten(1, (n_types, n_degrees))
        assert isinstance(self.policy.action_space, spaces.Discrete)
        return self._unflattened(torch.nn.functional.one_hot(actions.long(), int(self.policy.action_space.n)).float())

    def _unflattened(self, values: torch.Tensor) -> torch.Tensor:
        """Values of flat actions (N, actions) as cell values; one action more than there are cells is STOP."""
        count, stop = divmod(values.shape[1], self.n_degrees)
        if stop > 1:
            raise ValueError(
                f"{values.shape[1]} actions are not types x {self.n_degrees} degrees, with or without STOP"
            )
        cells = values[:, : count * self.n_degrees].unflatten(1, (count, self.n_degrees))
        return with_stop(cells, values[:, -1]) if stop else cells


def policy_agent(
    policy: BasePolicy,
    toolset: Toolset,
    view: Callable[[CellValues], CellValues] = lambda values: values,
    max_steps: int | None = None,
) -> Agent:
    """The agent of a policy, sharing its weights.

    Args:
        policy: A policy of an agent of this package or of Stable-Baselines3.
        toolset: Tools that it chooses among.
        view: Function from cell values to cell values of images of any size.
        max_steps: Longest path of its training, which HIRL's policy knows itself; None where it is unknown.

    Raises:
        ValueError: If the policy has other observations or actions.
    """
    if isinstance(policy, HIRLPolicy):
        policy.set_training_mode(False)
        return q_agent(policy.acting, view)
    if isinstance(policy, RLRestorePolicy):
        return RLRestoreAgent.trained_with(policy.q, toolset, max_steps or RL_RESTORE_STEPS)
    values = PolicyValues(policy, toolset.n_degrees)
    ranks = not isinstance(policy, DQNPolicy)
    return QAgent(view(values), values.sees_start, values.sees_tool, max_steps or MAX_STEPS, ranks=ranks)


def load_policy(path: str | Path, device: str | torch.device = "cpu") -> BasePolicy:
    """The policy in a .zip file that Stable-Baselines3 saved, whatever its algorithm.

    Loading runs code that the file holds: load only files that you trust.

    Raises:
        ValueError: If the file is missing, damaged, or not one of Stable-Baselines3.
    """
    try:
        data, parameters, _ = load_from_zip_file(path, device=device)
        assert data is not None
        kind, arguments = data["policy_class"], dict(data["policy_kwargs"])
        if data.get("use_sde") and "use_sde" in inspect.signature(kind).parameters:
            arguments["use_sde"] = True
        policy: BasePolicy = kind(
            data["observation_space"], data["action_space"], ConstantSchedule(0.0), **arguments
        ).to(device)
        policy.load_state_dict(cast(Any, parameters["policy"]))
    except Exception as error:  # a damaged zip or pickle can raise anything
        raise ValueError(f"{path}: not a whole file of Stable-Baselines3 ({first_line(error)})") from None
    policy.set_training_mode(False)
    return policy
