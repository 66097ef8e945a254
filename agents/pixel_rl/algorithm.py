"""PixelRL's learning: advantage actor-critic at every pixel, one update per episode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hirl_agents.pixel_rl.environment import STEPS, PixelEnvironment
from hirl_agents.pixel_rl.network import PixelRL
from hirl_env.devices import Precision

GAMMA = 0.95
ENTROPY_WEIGHT = 0.01
VALUE_WEIGHT = 0.5
LR_POWER = 0.9


@dataclass(frozen=True)
class Step:
    """The data of a step that an update needs; all (N, 1, H, W).

    Attributes:
        log_probability: Logarithm of the probability of the action taken.
        entropy: Entropy of the policy, in nats.
        value: Value that the critic predicted.
        reward: Gain of the action.
    """

    log_probability: torch.Tensor
    entropy: torch.Tensor
    value: torch.Tensor
    reward: torch.Tensor


def actor_critic_loss(steps: Sequence[Step], reward_map: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """The loss of a whole episode: summed over its steps, averaged over pixels and images.

    A pixel's return is R(t) = r(t) + gamma w * R(t+1), where w is the reward map convolution (section IV.C of the
    paper); it is zero after the last step. As in the published code, the policy's loss treats the advantage R - V as a
    constant, so the reward map learns from the value's loss alone: to predict what neighbours gain from each other.
    """
    policy_loss = value_loss = torch.zeros_like(steps[-1].reward)
    returns = None
    for step in reversed(steps):
        returns = step.reward if returns is None else step.reward + reward_map(GAMMA * returns)
        advantage = returns - step.value
        policy_loss = policy_loss - step.log_probability * advantage.detach() - ENTROPY_WEIGHT * step.entropy
        value_loss = value_loss + advantage.square() / 2
    return (policy_loss + VALUE_WEIGHT * value_loss).mean()


def play(
    network: PixelRL,
    environment: PixelEnvironment,
    rng: np.random.Generator,
    sampler: torch.Generator,
    precision: Precision = "float32",
) -> list[Step]:
    """An episode of five steps, with actions drawn from the policy.

    Args:
        network: Network that acts; gradients flow from the steps to its weights. As in the published code, a step
            treats the memory of the previous step as a constant: nothing is propagated back through time.
        environment: Environment, which is reset first.
        rng: Source of photographs, crops and degradations.
        sampler: Source of the actions, on the environment's device.
        precision: Precision of the network; losses are float32.
    """
    images = environment.reset(rng)
    memory = network.blank(images)
    steps = []
    for _ in range(STEPS):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits, values, memory = network(images.contiguous(memory_format=torch.channels_last), memory.detach())
        log_probabilities = logits.float().log_softmax(dim=1)
        probabilities = log_probabilities.exp()
        # Dividing by exponential variables and taking the maximum samples from the distribution.
        clocks = torch.empty_like(probabilities).exponential_(generator=sampler)
        actions = (probabilities.detach() / clocks).argmax(dim=1)
        images, rewards = environment.step(actions)
        taken = log_probabilities.gather(1, actions[:, None])
        entropy = -(probabilities * log_probabilities).sum(dim=1, keepdim=True)
        steps.append(Step(taken, entropy, values.float(), rewards))
    return steps


class ActorCritic:
    """The optimiser of a network, one step per episode.

    Args:
        network: Network that learns.
        lr: Initial learning rate of Adam; after e of N episodes it is lr (1 - e / N)^0.9.
        episodes: Number of episodes, N.
    """

    def __init__(self, network: PixelRL, lr: float, episodes: int) -> None:
        self.network = network
        self.optimiser = torch.optim.Adam(network.parameters(), lr=lr)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda episode: (1 - episode / episodes) ** LR_POWER
        )

    def update(self, steps: Sequence[Step]) -> float:
        """Learns from an episode; returns its loss."""
        loss = actor_critic_loss(steps, self.network.reward_map)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return loss.item()
