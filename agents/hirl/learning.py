"""What HIRL learns from: the steps that were taken, or what every tool would have gained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer

from hirl_agents.hirl.feedback import Feedback, FeedbackReplayBuffer
from hirl_agents.hirl.policy import HIRLPolicy
from hirl_agents.networks import TwoLevelQ, turned

TypeTarget = Literal["degrees", "transition"]


class Transitions(NamedTuple):
    """Steps that were taken; images in [0, 1], (N, C, H, W), all else (N,)."""

    images: torch.Tensor
    types: torch.Tensor
    degrees: torch.Tensor
    rewards: torch.Tensor
    next_images: torch.Tensor
    discounts: torch.Tensor

    def turned(self, turns: int, mirror: bool) -> Transitions:
        """The same of all images after a number of quarter turns, and mirrored."""
        return self._replace(
            images=turned(self.images, turns, mirror), next_images=turned(self.next_images, turns, mirror)
        )


Batch = TypeVar("Batch", Transitions, Feedback)


class Learning(Generic[Batch]):
    """Draws batches from memory, and says what the strategies are to learn from them.

    Args:
        policy: The networks, of which the target networks say what is to be learned.
        augment: Whether to turn and mirror the images that are drawn, all of a batch alike.

    Attributes:
        replay_buffer_class: The memory it draws from; None for Stable-Baselines3's own.
    """

    replay_buffer_class: ClassVar[type[ReplayBuffer] | None] = None

    def __init__(self, policy: HIRLPolicy, augment: bool) -> None:
        self.policy, self.augment = policy, augment

    def sample(self, memory: ReplayBuffer, batch_size: int) -> Batch:
        """A batch drawn from memory."""
        turn = (int(np.random.randint(4)), bool(np.random.randint(2))) if self.augment else None
        batch = self.batch(memory.sample(batch_size))
        return batch if turn is None else batch.turned(*turn)

    def batch(self, sample: Any) -> Batch:
        """A batch of what a memory drew."""
        raise NotImplementedError

    def degree_batch(self, memory: ReplayBuffer, replayed: Batch | None) -> Batch | None:
        """What DS learns from: the batch that TS learns from, if there is one."""
        return replayed

    def degree_targets(self, values: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What DS learns.

        Args:
            values: D(s) of the batch's images, (N, types, degrees), encoded.
            batch: What it learns from.

        Returns:
            Those of the values that are learned, and what they ought to be, of the same shape.
        """
        raise NotImplementedError

    @torch.no_grad()
    def type_targets(self, values: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What TS learns, as `degree_targets`: of every type the value of its best degree.

        Args:
            values: T(s) of the batch's images, (N, types), encoded.
            batch: What it learns from.
        """
        # Of the target network, which is steadier than the one that learns.
        return values, self.policy.q_target.degree_values(batch.images).amax(dim=2)


class FromFeedback(Learning[Feedback]):
    """Learns of every tool what it would have gained: values of the next step alone."""

    replay_buffer_class = FeedbackReplayBuffer

    def batch(self, sample: Feedback) -> Feedback:
        """The images as they are convolved, and the gains of all tools."""
        return sample._replace(images=self.policy.images(sample.images))

    def degree_targets(self, values: torch.Tensor, batch: Feedback) -> tuple[torch.Tensor, torch.Tensor]:
        """All values, and all gains."""
        return values, self.policy.q.encode(batch.gains)


class FromTransitions(Learning[Transitions]):
    """Learns of the tool that was taken what it gained, and what its result is worth (Eq. 2 and 3).

    Args:
        policy: Networks, as of `Learning`.
        augment: Whether to turn and mirror images, as of `Learning`.
        gamma: Discount factor.
        double_q: Whether the evaluation network chooses the cell whose value a target takes from the target network.
        may_stop: Whether targets bootstrap from max(0, value).
        type_target: Whether TS learns the values of the best ``degrees``, or from each ``transition`` itself (Eq. 3).
        online: Whether DS learns from the newest transitions, and not from those that are replayed.
    """

    def __init__(
        self,
        policy: HIRLPolicy,
        augment: bool,
        gamma: float,
        double_q: bool,
        may_stop: bool,
        type_target: TypeTarget,
        online: bool,
    ) -> None:
        super().__init__(policy, augment)
        self.gamma, self.double_q, self.may_stop = gamma, double_q, may_stop
        self.type_target, self.online = type_target, online

    def batch(self, sample: Any) -> Transitions:
        """Transitions with the discount of what comes after each."""
        discounts = self.gamma if sample.discounts is None else sample.discounts.flatten()
        return self._transitions(
            sample.observations,
            sample.actions,
            sample.rewards.flatten(),
            sample.next_observations,
            (1 - sample.dones.flatten()) * discounts,
        )

    def degree_batch(self, memory: ReplayBuffer, replayed: Transitions | None) -> Transitions | None:
        """What DS learns from."""
        return self.newest(memory) if self.online else replayed

    def newest(self, memory: ReplayBuffer) -> Transitions:
        """The latest transition of every environment."""
        newest = (memory.pos - 1) % memory.buffer_size
        done = memory.dones[newest] * (1 - memory.timeouts[newest])
        parts = (
            memory.observations[newest],
            memory.actions[newest],
            memory.rewards[newest],
            memory.next_observations[newest],
            (1 - done) * np.float32(self.gamma),
        )
        return self._transitions(*(torch.as_tensor(part, device=self.policy.device) for part in parts))

    def _transitions(
        self,
        observations: torch.Tensor,
        actions: torch.Tensor,
        rewards: torch.Tensor,
        next_observations: torch.Tensor,
        discounts: torch.Tensor,
    ) -> Transitions:
        types, degrees = actions.long().unbind(dim=1)
        images, next_images = self.policy.images(observations), self.policy.images(next_observations)
        return Transitions(images, types, degrees, rewards, next_images, discounts)

    def degree_targets(self, values: torch.Tensor, batch: Transitions) -> tuple[torch.Tensor, torch.Tensor]:
        """The values of the cells that were taken, and r + gamma max D'(s') (Eq. 2)."""
        taken = values[torch.arange(len(values)), batch.types, batch.degrees]
        return taken, self.bootstrapped(batch, lambda q: q.degree_values(batch.next_images).flatten(1))

    def type_targets(self, values: torch.Tensor, batch: Transitions) -> tuple[torch.Tensor, torch.Tensor]:
        """As of `Learning`; or the values of the types that were taken, and r + gamma max T'(s') (Eq. 3)."""
        if self.type_target == "degrees":
            return super().type_targets(values, batch)
        taken = values[torch.arange(len(values)), batch.types]
        return taken, self.bootstrapped(batch, lambda q: q.type_values(batch.next_images))

    @torch.no_grad()
    def bootstrapped(self, batch: Transitions, values: Callable[[TwoLevelQ], torch.Tensor]) -> torch.Tensor:
        """Targets (N,), encoded: reward plus the discounted value of the next image.

        Args:
            batch: What they are learned from.
            values: Values of all actions in the next images, (N, actions), encoded, by a given network.
        """
        if not self.gamma:
            return self.policy.q.encode(batch.rewards)
        after = chosen = values(self.policy.q_target)
        if self.double_q:
            # In evaluation mode, as the target network is: batch statistics are for what is learned from.
            self.policy.set_training_mode(False)
            chosen = values(self.policy.q)
            self.policy.set_training_mode(True)
        value = self.policy.q.decode(after.gather(1, chosen.argmax(dim=1, keepdim=True))[:, 0])
        if self.may_stop:
            value = value.clamp(min=0)
        return self.policy.q.encode(batch.rewards + batch.discounts * value)
