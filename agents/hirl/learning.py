"""What HIRL learns from: the steps that were taken, or the gains that all tools would have had."""

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
    """Steps that were taken; images in [0, 1], (N, C, H, W), everything else (N,).

    With gamma 0 no next image is looked at, and there are none.
    """

    images: torch.Tensor
    types: torch.Tensor
    degrees: torch.Tensor
    rewards: torch.Tensor
    next_images: torch.Tensor
    discounts: torch.Tensor

    def turned(self, turns: int, mirror: bool) -> Transitions:
        """The same with all images rotated by a number of quarter turns, and mirrored."""
        return self._replace(
            images=turned(self.images, turns, mirror), next_images=turned(self.next_images, turns, mirror)
        )


Batch = TypeVar("Batch", Transitions, Feedback)


class Learning(Generic[Batch]):
    """Samples batches from the replay buffer, and computes the targets of the strategies.

    Args:
        policy: The networks; targets come from its target networks.
        augment: Whether to rotate and mirror the sampled images, all images of a batch alike.

    Attributes:
        replay_buffer_class: Class of the replay buffer; None for Stable-Baselines3's own.
    """

    replay_buffer_class: ClassVar[type[ReplayBuffer] | None] = None

    def __init__(self, policy: HIRLPolicy, augment: bool) -> None:
        self.policy, self.augment = policy, augment

    def sample(self, memory: ReplayBuffer, batch_size: int) -> Batch:
        """A batch sampled from the replay buffer."""
        turn = (int(np.random.randint(4)), bool(np.random.randint(2))) if self.augment else None
        batch = self.batch(memory.sample(batch_size))
        return batch if turn is None else batch.turned(*turn)

    def batch(self, sample: Any) -> Batch:
        """A batch made from a sample of the replay buffer."""
        raise NotImplementedError

    def degree_batch(self, memory: ReplayBuffer, replayed: Batch | None) -> Batch | None:
        """The batch that DS learns from: that of TS, if there is one."""
        return replayed

    def degree_targets(self, values: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The targets of DS.

        Args:
            values: D(s) of the batch's images, (N, types, degrees), encoded.
            batch: Batch to learn from.

        Returns:
            The values that are learned, and their targets, of the same shape.
        """
        raise NotImplementedError

    @torch.no_grad()
    def type_targets(self, values: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The targets of TS, as from `degree_targets`: for every type, the value of its best degree.

        Args:
            values: T(s) of the batch's images, (N, types), encoded.
            batch: Batch to learn from.
        """
        # From the target network, which is more stable than the network that learns.
        return values, self.policy.q_target.degree_values(batch.images).amax(dim=2)


class FromFeedback(Learning[Feedback]):
    """Learns what every tool would have gained: values are gains of the next step alone."""

    replay_buffer_class = FeedbackReplayBuffer

    def batch(self, sample: Feedback) -> Feedback:
        """The images as the networks see them, and the gains of all tools."""
        return sample._replace(images=self.policy.seen(sample.images))

    def degree_targets(self, values: torch.Tensor, batch: Feedback) -> tuple[torch.Tensor, torch.Tensor]:
        """All values, and all gains."""
        return values, self.policy.q.encode(batch.gains)


class FromTransitions(Learning[Transitions]):
    """Learns from the gain of the tool that was taken and the value of the next image (Eq. 2 and 3).

    Args:
        policy: Networks, as in `Learning`.
        augment: Whether to rotate and mirror images, as in `Learning`.
        gamma: Discount factor.
        double_q: Whether the evaluation network chooses the cell whose value a target takes from the target network.
        may_stop: Whether targets bootstrap from max(0, value).
        type_target: Whether TS learns the values of the best ``degrees``, or from each ``transition`` itself (Eq. 3).
        online: Whether DS learns from the newest transitions instead of replayed ones.
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
        """Transitions, with the discount of each one's next value."""
        discounts = self.gamma if sample.discounts is None else sample.discounts.flatten()
        return self._transitions(
            sample.observations,
            sample.actions,
            sample.rewards.flatten(),
            sample.next_observations,
            (1 - sample.dones.flatten()) * discounts,
        )

    def degree_batch(self, memory: ReplayBuffer, replayed: Transitions | None) -> Transitions | None:
        """The batch that DS learns from: the newest transitions if online, else that of TS."""
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
        images = self.policy.seen(observations)
        next_images = self.policy.seen(next_observations) if self.gamma else images[:0]
        return Transitions(images, types, degrees, rewards, next_images, discounts)

    def degree_targets(self, values: torch.Tensor, batch: Transitions) -> tuple[torch.Tensor, torch.Tensor]:
        """The values of the cells that were taken, and r + gamma max D'(s') (Eq. 2)."""
        taken = values[torch.arange(len(values)), batch.types, batch.degrees]
        return taken, self.bootstrapped(batch, lambda q: q.degree_values(batch.next_images).flatten(1))

    def type_targets(self, values: torch.Tensor, batch: Transitions) -> tuple[torch.Tensor, torch.Tensor]:
        """As in `Learning`; or the values of the types that were taken, and r + gamma max T'(s') (Eq. 3)."""
        if self.type_target == "degrees":
            return super().type_targets(values, batch)
        taken = values[torch.arange(len(values)), batch.types]
        return taken, self.bootstrapped(batch, lambda q: q.type_values(batch.next_images))

    @torch.no_grad()
    def bootstrapped(self, batch: Transitions, values: Callable[[TwoLevelQ], torch.Tensor]) -> torch.Tensor:
        """Targets (N,), encoded: reward plus the discounted value of the next image.

        Args:
            batch: Batch to learn from.
            values: Function from a network to its values of all actions for the next images, (N, actions), encoded.
        """
        if not self.gamma:
            return self.policy.q.encode(batch.rewards)
        after = chosen = values(self.policy.q_target)
        if self.double_q:
            # In evaluation mode, like the target network: batch statistics are only for the images learned from.
            self.policy.set_training_mode(False)
            chosen = values(self.policy.q)
            self.policy.set_training_mode(True)
        value = self.policy.q.decode(after.gather(1, chosen.argmax(dim=1, keepdim=True))[:, 0])
        if self.may_stop:
            value = value.clamp(min=0)
        return self.policy.q.encode(batch.rewards + batch.discounts * value)
