"""Options of HIRL's training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv

from hirl_agents.algorithm import AlgorithmConfig, Amount, Count, Range, Share, Updates, Width, learning_remarks
from hirl_agents.common.optimisers import OptimizerName
from hirl_agents.networks import DegreeHead, TwoLevelQ
from hirl_env.resnet import Norm

if TYPE_CHECKING:
    from hirl_agents.hirl.algorithm import HIRL


@dataclass(frozen=True)
class HIRLConfig(AlgorithmConfig):
    """Options of HIRL; the defaults are those of the preset ``hirl-transitions``.

    The preset ``hirl`` adds ``full_feedback``; the paper's own settings are the preset ``paper``.

    Args:
        width: Width of both ResNet-18 trunks: channels of their first stage, a multiple of 8.
        norm: Normalisation of both trunks.
        degree_head: Degree strategy: per-type values D(s, t, d), or blind, D(s, d), as in the paper.
        log_variances: Whether both trunks see, in addition to an image, how much detail it has at each of three scales,
            as logarithms of local variances.
        traces: Whether both strategies see, in addition to an image, the traces that JPEGs and noise have left in it.
        squash: Whether the strategies learn the square root of large values, so that small ones count.
        buffer_size: Number of transitions remembered.
        learning_starts: Number of environment steps of random actions before the first update.
        batch_size: Number of transitions in an update.
        tau: Share by which the target networks move towards the evaluation networks at each of their updates; 1
            copies. Below 1 they are averages over time, which are less noisy, and the agent acts by them. Early in
            training they move faster, so that they average over at most a tenth of the updates so far.
        gamma: Discount factor. At 0 a value is the gain of the next step alone.
        train_freq: Number of steps of the vector environment between trainings.
        gradient_steps: Number of updates in each training; -1 for as many as there were transitions.
        n_steps: Number of rewards summed before a target bootstraps.
        target_update_interval: Number of updates between those of the target networks.
        exploration_initial_eps: Probability of a random type and, independently, of a random degree, at the beginning.
        exploration_final_eps: Probability of a random type and of a random degree at the end.
        exploration_steps: Number of environment steps over which it falls from the one to the other.
        exploration_stairs: Number of equal stairs in which it falls; 0 for a straight line.
        max_grad_norm: Norm that the gradients of each network are clipped to.
        optimizer: Optimiser of both strategies: adam, or muon for their kernels and Adam for the rest, with a learning
            rate of about 0.02.
        loss: Loss of both strategies; mse is the paper's.
        double_q: Whether the evaluation network chooses the tool whose value a target takes from the target network.
        may_stop: Whether targets bootstrap from max(0, value), because an agent can always stop.
        degree_updates: Transitions that the degree strategy learns from: replay, or online, the newest of each
            environment, as in the paper (Eq. 2).
        type_target: What the type strategy learns: degrees, the best degree's value D'(s, t, d) of every type; or
            transition, as in the paper (Eq. 3), r + gamma T'(s') for whichever degree was taken.
        full_feedback: Whether it learns what every tool would have gained, and not only the gain of the tool that was
            used. All tools are applied at each step for it. Requires gamma 0.
        augment: Whether replayed images are rotated and mirrored, all images of a batch alike.
    """

    width: Width = 16
    norm: Norm = "batch"
    degree_head: DegreeHead = "per-type"
    log_variances: bool = False
    traces: bool = False
    squash: bool = True
    buffer_size: Count = 40_000
    learning_starts: Amount = 500
    batch_size: Count = 64
    tau: Share = 0.005
    gamma: Share = 0.0
    train_freq: Count = 1
    gradient_steps: Updates = 4
    n_steps: Count = 1
    target_update_interval: Count = 1
    exploration_initial_eps: Share = 1.0
    exploration_final_eps: Share = 0.15
    exploration_steps: Amount = 24_000
    exploration_stairs: Amount = 0
    max_grad_norm: Annotated[float, Range(0)] = 10.0
    optimizer: OptimizerName = "adam"
    loss: Literal["huber", "mse"] = "huber"
    double_q: bool = True
    may_stop: bool = True
    degree_updates: Literal["replay", "online"] = "replay"
    type_target: Literal["degrees", "transition"] = "degrees"
    full_feedback: bool = False
    augment: bool = True

    def check(self) -> None:
        """Raises ValueError if an option is out of range, or options do not go together."""
        super().check()
        check_learning(self.full_feedback, self.gamma, self.n_steps, self.degree_updates, self.type_target)
        check_networks(self.degree_updates, self.type_target, self.norm, self.degree_head)
        if self.buffer_size < self.batch_size:
            raise ValueError(f"buffer_size={self.buffer_size} holds no batch of {self.batch_size} transitions")

    @property
    def environment(self) -> dict[str, Any]:
        """Arguments of `EnvConfig` that follow from the algorithm."""
        return super().environment | {"full_feedback": self.full_feedback}

    @classmethod
    def algorithm(cls) -> type[HIRL]:
        """The class of the algorithm."""
        from hirl_agents.hirl.algorithm import HIRL  # imported here, because it takes its defaults from this module

        return HIRL

    def build(self, env: VecEnv, learning_rate: float | Schedule, seed: int) -> HIRL:
        """An untrained model."""
        options, network = self._options("width", "norm", "degree_head", "log_variances", "traces", "squash")
        network["optimizer_class"] = options.pop("optimizer")
        return self.algorithm()(env=env, learning_rate=learning_rate, policy_kwargs=network, seed=seed, **options)

    def remarks(self, total_steps: int) -> Iterator[str]:
        """Remarks for the user on a training of that many environment steps, one sentence each."""
        yield from learning_remarks(total_steps, self.learning_starts, self.exploration_steps)

    def q_network(self, model: HIRL, n_degrees: int) -> TwoLevelQ:
        """The two strategies that act, sharing the model's weights."""
        return model.policy.acting


def check_learning(full_feedback: bool, gamma: float, n_steps: int, degree_updates: str, type_target: str) -> None:
    """Raises ValueError if options of `HIRLConfig` that say what is learned do not go together."""
    if degree_updates == "online" and n_steps > 1:
        raise ValueError("degree_updates='online' learns from single steps: take n_steps=1")
    looks_ahead = gamma or n_steps > 1
    if full_feedback and (looks_ahead or degree_updates != "replay" or type_target != "degrees"):
        raise ValueError(
            "full_feedback teaches what each tool gains at once, and looks no further: it goes with gamma 0, "
            "n_steps 1, degree_updates replay and type_target degrees; otherwise leave full_feedback out, as the "
            "preset hirl-transitions does"
        )


def check_networks(degree_updates: str, type_target: str, norm: str, degree_head: str) -> None:
    """Raises ValueError if options of `HIRLConfig` that say what is learned do not go with those of the networks."""
    if degree_updates == "online" and norm == "batch":
        raise ValueError("degree_updates='online' does not go with norm='batch': take norm='group' or 'none'")
    if type_target == "degrees" and degree_head == "blind":
        raise ValueError("a blind degree_head says nothing about types: take type_target='transition'")
