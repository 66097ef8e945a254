"""Third-party networks as tools: any that spandrel reads and that maps colour images to images of their size.

Spandrel (https://github.com/chaiNNer-org/spandrel) recognises an architecture and its sizes by the names and shapes of
its weights: SCUNet, NAFNet, FBCNN, SwinIR, DRUNet, Uformer, KBNet, DnCNN and some forty others.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from hirl_env.errors import first_line
from hirl_env.extras import optional
from hirl_env.weights import makes_networks

SAFETENSORS = ".safetensors"
SUFFIXES = (SAFETENSORS, ".pth", ".pt", ".ckpt")
COLOURS = 3


def _with_map(model: nn.Module, images: torch.Tensor, strength: float) -> torch.Tensor:
    """The result of a network that takes a noise map as a fourth channel."""
    restored: torch.Tensor = model(torch.cat([images, torch.full_like(images[:, :1], strength / 255)], dim=1))
    return restored


def _with_quality(model: nn.Module, images: torch.Tensor, strength: float) -> torch.Tensor:
    """The result of FBCNN, whose factor is 0 for quality 100, and 1 for quality 0."""
    restored: torch.Tensor = model(images, images.new_full((len(images), 1), 1 - strength / 100))[0]
    return restored


# Keys are spandrel's name of the architecture, and whether inputs have one channel more than the colours.
STRENGTHS: dict[tuple[str, bool], Callable[[nn.Module, torch.Tensor, float], torch.Tensor]] = {
    ("DRUNet", True): _with_map,
    ("DnCNN", True): _with_map,
    ("FBCNN", False): _with_quality,
}
MAP_STRENGTH = 15.0  # of 255, as spandrel gives it to networks with a noise map


class SpandrelTool(nn.Module):
    """A network that spandrel knows, as a tool: images are padded by reflection to a valid size, and cropped back.

    Args:
        descriptor: Network as spandrel describes it (a `spandrel.ImageModelDescriptor`).
        strength: Strength that it is given: noise of 255 for DRUNet and FDnCNN, JPEG quality for FBCNN. None: 15 for
            the former two, FBCNN's own estimate for the latter.

    Raises:
        ValueError: If a strength is given and the network takes none.
    """

    def __init__(self, descriptor: Any, strength: float | None = None) -> None:
        super().__init__()
        self.network, self.descriptor, self.strength = descriptor.model, descriptor, strength
        key = (descriptor.architecture.id, _has_map(descriptor))
        if strength is None and key[1]:
            self.strength = MAP_STRENGTH  # spandrel's own call, without a strength, takes one image at a time
        if self.strength is not None:
            if key not in STRENGTHS:
                raise ValueError(f"a network of {descriptor.architecture.name} takes no strength; leave it out")
            self.descriptor = _with_strength(descriptor, STRENGTHS[key], self.strength)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (N, 3, H, W) in [0, 1] to the same shape."""
        # Some architectures use views that need the contiguous layout.
        restored: torch.Tensor = self.descriptor(images.contiguous())
        return restored


def _with_strength(descriptor: Any, call: Callable[..., torch.Tensor], strength: float) -> Any:
    """The same network, called with a strength."""
    from spandrel import ImageModelDescriptor

    return ImageModelDescriptor(
        descriptor.model,
        descriptor.model.state_dict(),
        descriptor.architecture,
        descriptor.purpose,
        descriptor.tags,
        descriptor.supports_half,
        descriptor.supports_bfloat16,
        descriptor.scale,
        descriptor.input_channels,
        descriptor.output_channels,
        descriptor.size_requirements,
        descriptor.tiling,
        lambda model, images: call(model, images, strength),
    )


def _has_map(descriptor: Any) -> bool:
    """Whether a network takes a noise map; spandrel counts colours only."""
    first = next(value for value in descriptor.model.state_dict().values() if value.ndim == 4)
    return bool(first.shape[1] == descriptor.input_channels + 1)


def read_network(path: Path, strength: float | None = None) -> SpandrelTool:
    """A tool from a file of weights, ready for inference; no code in the file is run.

    Args:
        path: A .safetensors file, or a file of ``torch.save`` (.pth, .pt, .ckpt), of which only tensors are read.
        strength: Strength, as in `SpandrelTool`. Tools from the same file share its network.

    Raises:
        ImportError: If spandrel is not installed.
        ValueError: If the file is missing or damaged or holds more than tensors, or the architecture of its network is
            unknown, or the network does not map colour images to images of their size.
    """
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise ValueError(f"network {path}: {error.strerror}; name a file of weights") from None
    try:
        return SpandrelTool(_descriptor(path.resolve(), changed), strength).eval()
    except ValueError as error:
        raise ValueError(f"network {path}: {error}") from None


@lru_cache(maxsize=32)
@makes_networks
def _descriptor(path: Path, changed: int) -> Any:
    """Spandrel's descriptor of a file, cached until the file changes (``changed`` is its modification time)."""
    optional("spandrel", "spandrel")
    from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError, canonicalize_state_dict

    state = canonicalize_state_dict(_read(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how some architectures are written, which no user can change
            descriptor = ModelLoader().load_from_state_dict(state).eval()
    except UnsupportedModelError:
        raise ValueError("spandrel knows no architecture with these weights") from None
    except Exception as error:  # each architecture raises errors of its own if weights do not quite fit
        raise ValueError(
            f"spandrel cannot make a network of it ({type(error).__name__}: {first_line(error)})"
        ) from None
    colours = descriptor.input_channels == descriptor.output_channels == COLOURS
    if not (isinstance(descriptor, ImageModelDescriptor) and descriptor.scale == 1 and colours):
        raise ValueError(
            f"this {descriptor.architecture.name} turns {descriptor.input_channels} channels into "
            f"{descriptor.output_channels} at {descriptor.scale} times the size ({descriptor.purpose}); a tool maps "
            "colour images to images of their size"
        )
    descriptor.model.requires_grad_(False)
    return descriptor


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == SAFETENSORS:
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError("it holds more than tensors, which may be code; convert it to safetensors") from None
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, SafetensorError) as error:
        raise ValueError(f"not a whole file of weights ({first_line(error)})") from None
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}, not weights by their names")
    return state
