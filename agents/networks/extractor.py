"""The trunk for algorithms of Stable-Baselines3."""

from __future__ import annotations

from typing import cast

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from hirl_env.resnet import Norm, ResNet18


class ResNet18Extractor(BaseFeaturesExtractor):
    """The trunk for the ``policy_kwargs`` of Stable-Baselines3's own algorithms.

    Args:
        observation_space: Images (3, H, W).
        width: Width of the trunk, as in `ResNet18`.
        norm: Normalisation of the trunk, as in `ResNet18`.

    Raises:
        ValueError: If images have more than three channels, which only HIRL can use.
    """

    def __init__(self, observation_space: gym.Space, width: int = 64, norm: Norm = "batch") -> None:
        if observation_space.shape is None or observation_space.shape[0] != 3:
            raise ValueError(
                f"observations must be images (3, H, W), got {observation_space.shape}; leave observe_start and "
                "observe_tool False"
            )
        super().__init__(observation_space, features_dim=8 * width)
        self.trunk = ResNet18(width, norm)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Features (N, 8 ``width``) of images (N, 3, H, W) in [0, 1]."""
        return cast(torch.Tensor, self.trunk(observations))
