"""RL-Restore's Q-network: convolutions, the tool that was used last, and an LSTM over the steps of an episode."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from hirl_env.data.images import mirrored

SIDE = 63
STRIDE = 2
FORGET_BIAS = 1.0  # TensorFlow's BasicLSTMCell adds it to the stored bias
MOST_VIEWS = 16  # along one side

# The LSTM's state, (h, c), each (N, crops, units): one for every crop of an image.
LSTMState = tuple[torch.Tensor, torch.Tensor]


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: zeros, one more at the end if their number is odd."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        padding: list[int] = []
        for length, size, stride in zip(images.shape[-2:], self.kernel_size, self.stride, strict=True):
            total = max(0, (math.ceil(length / stride) - 1) * stride + size - length)
            # F.pad takes the last dimension first.
            padding = [total // 2, total - total // 2, *padding]
        return super().forward(F.pad(images, padding))


class RecurrentQ(nn.Module):
    """The Q-network of RL-Restore (Yu et al., CVPR 2018): values of the tools and, last, of STOP.

    Its layers are convolutions 9x9 32, then 5x5 24 three times, all with stride 2 and ReLU; a linear layer to 32 with
    ReLU, to which the tool used last is appended one-hot; an LSTM of 50 units over the steps; and a linear layer. With
    twelve tools and 63x63 pixels it has 88,063 parameters: 200 more than published, because PyTorch's LSTM has two
    biases.

    The linear layer fixes the input size. Larger images are split into `views`, each with an LSTM state of its own,
    whose values are averaged: scaling an image would change its noise and blur, which the network has to see, and a
    single crop may be all sky. Smaller images are padded by reflection.

    Args:
        n_tools: Tools to choose from.
        side: Height and width of the input, in pixels.
        features: Outputs of the first linear layer.
        units: Number of units of the LSTM.
    """

    def __init__(self, n_tools: int = 12, side: int = SIDE, features: int = 32, units: int = 50) -> None:
        super().__init__()
        if min(n_tools, side, features, units) < 1:
            raise ValueError(
                f"n_tools, side, features and units must be at least 1, got {n_tools}, {side}, {features}, {units}"
            )
        self.architecture = {"n_tools": n_tools, "side": side, "features": features, "units": units}
        self.n_tools, self.side, self.units = n_tools, side, units
        last = math.ceil(side / STRIDE**4)
        self.convolutions = nn.Sequential(
            SameConv2d(3, 32, 9, STRIDE),
            nn.ReLU(inplace=True),
            SameConv2d(32, 24, 5, STRIDE),
            nn.ReLU(inplace=True),
            SameConv2d(24, 24, 5, STRIDE),
            nn.ReLU(inplace=True),
            SameConv2d(24, 24, 5, STRIDE),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        self.features = nn.Linear(24 * last**2, features)
        self.lstm = nn.LSTM(features + n_tools, units, batch_first=True)
        self.q = nn.Linear(units, n_tools + 1)
        self._initialise()

    def _initialise(self) -> None:
        """Initialises the weights as the authors do, with TensorFlow's forget bias of 1."""
        for layer in self.convolutions:
            if isinstance(layer, nn.Conv2d):
                _, _, height, width = layer.weight.shape
                std = math.sqrt(2 / (height * width * layer.out_channels))
                nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
                nn.init.zeros_(cast(torch.Tensor, layer.bias))
        for linear in (self.features, self.q):
            nn.init.normal_(linear.weight, std=1e-3)
            nn.init.zeros_(linear.bias)
        # TensorFlow keeps both matrices in one, and initialises them together.
        from_inputs, from_itself, bias, second_bias = self.lstm.all_weights[0]
        bound = math.sqrt(6 / (from_inputs.shape[1] + 5 * self.units))
        nn.init.uniform_(from_inputs, -bound, bound)
        nn.init.uniform_(from_itself, -bound, bound)
        nn.init.zeros_(bias)
        nn.init.zeros_(second_bias)
        with torch.no_grad():
            bias[self.units : 2 * self.units] = FORGET_BIAS

    def seen(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, ``features``) of images (N, 3, side, side) in [0, 1]."""
        return F.relu(self.features(self.convolutions(images)))

    def remembered(
        self, features: torch.Tensor, last_tools: torch.Tensor, state: LSTMState | None = None
    ) -> tuple[torch.Tensor, LSTMState]:
        """Values along episodes.

        Args:
            features: Features of the images, (N, steps, ``features``).
            last_tools: Numbers of the tools that made them, int64 (N, steps); -1 for none.
            state: State of the LSTM before the first of these steps, (h, c), each (1, N, units); None at the
                beginning of an episode.

        Returns:
            Values (N, steps, tools + 1), STOP last, and the new state.
        """
        # STOP is encoded like no tool.
        one_hot = F.one_hot(last_tools + 1, self.n_tools + 2)[..., 1:-1].to(features.dtype)
        outputs, state = self.lstm(torch.cat([features, one_hot], dim=-1), state)
        return self.q(outputs), state

    def forward(
        self, images: torch.Tensor, last_tools: torch.Tensor, state: LSTMState | None = None
    ) -> tuple[torch.Tensor, LSTMState]:
        """One step.

        Args:
            images: Images (N, 3, H, W), in [0, 1] except after tools that do not clamp; of any size, the same in all
                steps of an episode.
            last_tools: Numbers of the tools that made them, int64 (N,); -1 for none.
            state: State that the previous step returned; None at the beginning of an episode.

        Returns:
            Values (N, tools + 1), STOP last, and the state.
        """
        crops = views(images, self.side)
        features = self.seen(crops.flatten(0, 1))
        tools = last_tools.repeat_interleave(crops.shape[1])
        before = None if state is None else (state[0].flatten(0, 1)[None], state[1].flatten(0, 1)[None])
        values, (h, c) = self.remembered(features[:, None], tools[:, None], before)
        of_crops = crops.shape[:2]
        return values[:, 0].unflatten(0, of_crops).mean(dim=1), (
            h[0].unflatten(0, of_crops),
            c[0].unflatten(0, of_crops),
        )


def views(images: torch.Tensor, side: int) -> torch.Tensor:
    """The crops of images that the network sees: about as many as fit side by side, evenly spread.

    Args:
        images: Images (N, 3, H, W).
        side: Side of the crops, pixels.

    Returns:
        (N, crops, 3, side, side): the central crop alone for images up to 1.5 times its side; at most 16 x 16 crops.
    """
    images = mirrored(images, side)
    rows, columns = (_offsets(length, side) for length in images.shape[-2:])
    crops = [images[..., top : top + side, left : left + side] for top in rows for left in columns]
    return torch.stack(crops, dim=1)


def _offsets(length: int, side: int) -> list[int]:
    count = min(MOST_VIEWS, max(1, round(length / side)))
    room = length - side
    return [room // 2] if count == 1 else [room * number // (count - 1) for number in range(count)]
