"""PixelRL's fully convolutional actor-critic (Furuta et al. 2020, Fig. 2), and its files."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from hirl_agents.networks import SUFFIX
from hirl_agents.pixel_rl.actions import ACTIONS
from hirl_env.weights import load_weights, makes_networks, read_metadata, read_sizes, save_weights

SHIPPED = Path(__file__).parent / "weights" / f"pixel-rl{SUFFIX}"
WIDTH = 64  # channels of every hidden layer and of the memory
REACH = 33  # side of the reward map convolution, in pixels


def _dilated(dilation: int, inputs: int = WIDTH) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, WIDTH, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True))


class ConvGRU(nn.Module):
    """A gated recurrent unit with 3x3 convolutions, without biases."""

    def __init__(self) -> None:
        super().__init__()
        self.from_input = nn.Conv2d(WIDTH, 3 * WIDTH, 3, padding=1, bias=False)
        self.gates = nn.Conv2d(WIDTH, 2 * WIDTH, 3, padding=1, bias=False)
        self.candidate = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)

    def forward(self, features: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """The new memory, (N, 64, H, W), from features and the old memory of that shape."""
        of_gates, of_candidate = self.from_input(features).split((2 * WIDTH, WIDTH), dim=1)
        update, reset = torch.sigmoid(of_gates + self.gates(memory)).chunk(2, dim=1)
        candidate = torch.tanh(of_candidate + self.candidate(reset * memory))
        return (1 - update) * memory + update * candidate


class PixelRL(nn.Module):
    """An actor and a critic for every pixel, as one fully convolutional network with a memory.

    The trunk sees 21x21 pixels (3x3, then dilated by 2, 3 and 4); the policy adds two dilated layers, a convolutional
    GRU and a 3x3 head, the value two dilated layers and a 3x3 head. The published network starts from the weights of a
    pretrained denoiser; this one starts with He et al.'s (2015) initialisation.

    Args:
        channels: Channels of the images: 1 as published (grey), or 3.

    Attributes:
        reward_map: The learned 33x33 convolution of returns, by which a pixel counts its neighbours' gains; initially
            the identity.

    Raises:
        ValueError: If the number of channels is neither 1 nor 3.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels}")
        self.channels = channels
        self.trunk = nn.Sequential(_dilated(1, channels), _dilated(2), _dilated(3), _dilated(4))
        self.policy = nn.Sequential(_dilated(3), _dilated(2))
        self.gru = ConvGRU()
        self.policy_head = nn.Conv2d(WIDTH, len(ACTIONS), 3, padding=1)
        self.value = nn.Sequential(_dilated(3), _dilated(2), nn.Conv2d(WIDTH, 1, 3, padding=1))
        self.reward_map = nn.Conv2d(1, 1, REACH, padding=REACH // 2, bias=False)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.dirac_(self.reward_map.weight)

    def blank(self, images: torch.Tensor) -> torch.Tensor:
        """The memory (N, 64, H, W) before the first step."""
        return images.new_zeros((len(images), WIDTH, *images.shape[-2:]))

    def forward(self, images: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits of the actions (N, 9, H, W), values (N, 1, H, W), and the new memory.

        Args:
            images: Images (N, C, H, W) in [0, 1].
            memory: Memory of the previous step, (N, 64, H, W).
        """
        features = self.trunk(images)
        memory = self.gru(self.policy(features), memory)
        return self.policy_head(memory), self.value(features), memory

    def logits(self, images: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The result of `forward` without the values, which acting does not need."""
        memory = self.gru(self.policy(self.trunk(images)), memory)
        return self.policy_head(memory), memory


def save_pixel_rl(network: PixelRL, path: str | Path) -> None:
    """Writes a network as float16 safetensors, with what is needed to build it again."""
    save_weights(network, path, torch.float16, {"network": "pixel-rl", "channels": str(network.channels)})


@makes_networks
def load_pixel_rl(path: str | Path | None = None) -> PixelRL:
    """Reads a network that `save_pixel_rl` wrote, ready for inference; by default the shipped network.

    Raises:
        ValueError: If the file is missing, damaged, or holds no such network.
    """
    path = SHIPPED if path is None else path
    metadata = read_metadata(path)
    if metadata.get("network") != "pixel-rl":
        raise ValueError(f"weights {path}: not those of PixelRL; give a file that `hirl train-pixel-rl` wrote")
    network = PixelRL(**read_sizes(path, metadata, {"channels": (1, 1024)}))
    load_weights(network, path)
    return network.eval().to(memory_format=torch.channels_last)
