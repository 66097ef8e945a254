"""Options of RL-Restore's training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv

from hirl_agents.algorithm import AlgorithmConfig, Amount, Count, Share, Updates, learning_remarks
from hirl_agents.rl_restore.agent import RLRestoreAgent
from hirl_agents.rl_restore.weights import save_rl_restore
from hirl_env.tools.toolset import Toolset

if TYPE_CHECKING:
    from hirl_agents.rl_restore.algorithm import RLRestore


@dataclass(frozen=True)
class RLRestoreConfig(AlgorithmConfig):
    """Options of RL-Restore; the defaults are the authors'.

    Args:
        learning_rate: Learning rate of Adam at the beginning.
        features: Number of outputs of the first linear layer.
        units: Number of units of the LSTM.
        halve_every: Number of environment steps over which the learning rate is gradually halved.
        buffer_size: Number of transitions remembered.
        learning_starts: Number of environment steps of random actions before the first update.
        batch_size: Number of episodes in an update.
        gamma: Discount factor.
        train_freq: Number of steps of the vector environment between trainings. (The authors update after every fourth
            step of a single environment.)
        gradient_steps: Number of updates in each training; -1 for as many as there were transitions.
        target_update_interval: Number of environment steps between copies of the network to its target network.
        exploration_initial_eps: Probability of a random action at the beginning, drawn for each environment.
        exploration_final_eps: Probability of a random action at the end.
        exploration_steps: Number of environment steps, after learning_starts, over which it falls from the one to the
            other.
    """

    learning_rate: float = 1e-4
    features: int = 32
    units: int = 50
    halve_every: int = 1_000_000
    buffer_size: Count = 500_000
    learning_starts: Amount = 5_000
    batch_size: Count = 32
    gamma: Share = 0.99
    train_freq: Count = 4
    gradient_steps: Updates = 1
    target_update_interval: Count = 10_000
    exploration_initial_eps: Share = 1.0
    exploration_final_eps: Share = 0.1
    exploration_steps: Amount = 1_000_000

    flat: ClassVar[bool] = True
    stop_action: ClassVar[bool] = True

    @classmethod
    def algorithm(cls) -> type[RLRestore]:
        """The class of the algorithm."""
        from hirl_agents.rl_restore.algorithm import RLRestore  # imported here, because it uses this module's defaults

        return RLRestore

    def build(self, env: VecEnv, learning_rate: float | Schedule, seed: int) -> RLRestore:
        """An untrained model."""
        options, network = self._options("features", "units")
        return self.algorithm()(env=env, learning_rate=learning_rate, policy_kwargs=network, seed=seed, **options)

    def remarks(self, total_steps: int) -> Iterator[str]:
        """Remarks for the user on a training of that many environment steps, one sentence each."""
        yield from learning_remarks(total_steps, self.learning_starts, self.exploration_steps)

    def agent(self, model: RLRestore, toolset: Toolset) -> RLRestoreAgent:
        """The agent of the recurrent network, sharing the model's weights."""
        return model.agent(toolset)

    def save(self, model: RLRestore, toolset: Toolset, out: Path) -> Path:
        """Writes the agent, with the tools it was trained with if these are RL-Restore's."""
        path = out / "best.safetensors"
        save_rl_restore(model.agent(toolset), path)
        return path
