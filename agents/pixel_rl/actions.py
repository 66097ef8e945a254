"""PixelRL's nine actions of a pixel, as batched functions of whole images.

They are those of the published code, which calls OpenCV: the same kernels, the same borders (mirrored without repeating
the edge; the median repeats it). In colour, the three channels of a pixel take the same action: the linear filters and
the median work on each channel; the bilateral filters, like OpenCV's, work on all at once, so that a colour edge is an
edge in every channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F

RADIUS = 2  # pixels; every filter is 5x5


@dataclass(frozen=True)
class Action:
    """One of the nine actions.

    Attributes:
        name: Name in tables.
        apply: Function from images (N, C, H, W), float32 in [0, 1], to the same shape, not clamped: each pixel as it is
            after the action.
    """

    name: str
    apply: Callable[[torch.Tensor], torch.Tensor]


def add(images: torch.Tensor, amount: float) -> torch.Tensor:
    """Brightens by ``amount`` / 255."""
    return images + amount / 255


def gaussian(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """A Gaussian of 5x5 taps, each channel by itself; sigma in pixels."""
    distance = torch.arange(-RADIUS, RADIUS + 1, device=images.device, dtype=images.dtype)
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    return _separable(images, taps / taps.sum())


def box(images: torch.Tensor) -> torch.Tensor:
    """The mean of 5x5 pixels, each channel by itself."""
    return _separable(images, images.new_full((2 * RADIUS + 1,), 1 / (2 * RADIUS + 1)))


def median(images: torch.Tensor) -> torch.Tensor:
    """The median of 5x5 pixels, each channel by itself."""
    padded = F.pad(images, (RADIUS,) * 4, mode="replicate")
    side = 2 * RADIUS + 1
    return padded.unfold(-2, side, 1).unfold(-2, side, 1).flatten(-2).median(dim=-1).values


def bilateral(images: torch.Tensor, sigma_colour: float, sigma_space: float) -> torch.Tensor:
    """A mean of the 13 pixels within a distance of 2, weighted by proximity in space and in colour.

    Args:
        images: Images (N, C, H, W).
        sigma_colour: Width in colour, in units of the sum of absolute differences over the channels, as OpenCV measures
            colour.
        sigma_space: Width in space, in pixels.
    """
    height, width = images.shape[-2:]
    padded = _mirrored(images)
    weights, total = torch.zeros_like(images[:, :1]), torch.zeros_like(images)
    for down in range(-RADIUS, RADIUS + 1):
        for right in range(-RADIUS, RADIUS + 1):
            apart = down**2 + right**2
            if apart > RADIUS**2:
                continue
            top, left = RADIUS + down, RADIUS + right
            neighbours = padded[..., top : top + height, left : left + width]
            difference = (neighbours - images).abs().sum(dim=1, keepdim=True)
            weight = torch.exp(-(difference**2) / (2 * sigma_colour**2) - apart / (2 * sigma_space**2))
            weights += weight
            total += weight * neighbours
    return total / weights


def _separable(images: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    planes = _mirrored(images).flatten(0, 1)[:, None]
    across = F.conv2d(planes, taps[None, None, None, :])
    return F.conv2d(across, taps[None, None, :, None])[:, 0].unflatten(0, images.shape[:2])


def _mirrored(images: torch.Tensor) -> torch.Tensor:
    """Images with a mirrored border of 2 pixels; images too small for that repeat their edge."""
    return F.pad(images, (RADIUS,) * 4, mode="reflect" if min(images.shape[-2:]) > RADIUS else "replicate")


ACTIONS: tuple[Action, ...] = (
    Action("subtract", partial(add, amount=-1)),
    Action("keep", lambda images: images),
    Action("add", partial(add, amount=1)),
    Action("gaussian 0.5", partial(gaussian, sigma=0.5)),
    Action("bilateral 0.1", partial(bilateral, sigma_colour=0.1, sigma_space=5.0)),
    Action("median", median),
    Action("gaussian 1.5", partial(gaussian, sigma=1.5)),
    Action("bilateral 1.0", partial(bilateral, sigma_colour=1.0, sigma_space=5.0)),
    Action("box", box),
)


def act(images: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Applies each pixel's own action, all at once.

    Args:
        images: Images (N, C, H, W), float32 in [0, 1].
        actions: Actions, integers (N, H, W), indices of `ACTIONS`.

    Returns:
        A new tensor (N, C, H, W), clamped to [0, 1] (the published code clamps after the last step only).

    Raises:
        ValueError: If actions have another shape, or are not indices of `ACTIONS`.
    """
    if actions.shape != images[:, 0].shape:
        raise ValueError(
            f"actions must be one for each pixel, {tuple(images[:, 0].shape)}; got shape {tuple(actions.shape)}"
        )
    chosen = actions.unique().tolist()
    if any(not 0 <= number < len(ACTIONS) for number in chosen):
        raise ValueError(f"actions must lie in 0..{len(ACTIONS) - 1}, got {chosen[0]} to {chosen[-1]}")
    result = images
    for number in chosen:
        result = torch.where((actions == number)[:, None], ACTIONS[number].apply(images), result)
    return result.clamp(0, 1)
