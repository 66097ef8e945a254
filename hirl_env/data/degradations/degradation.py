"""What every degradation is, and how several become one."""

from __future__ import annotations

import operator
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from hirl_env.arrays import Pixels
from hirl_env.data.images import eight_bits
from hirl_env.devices import our_defaults


class Degradation(ABC):
    """Maps a reference to a distorted image of the same shape, which it does not move.

    Attributes:
        family: Kind of distortion, ``blur``, ``noise`` or ``jpeg``, for single distortions, so that a tool for it can
            be found; else empty.
    """

    family: ClassVar[str] = ""

    @property
    def strength(self) -> float:
        """How bad a single distortion is, comparable within its family."""
        return 0.0

    def draw(self, rng: np.random.Generator) -> Degradation:
        """Settles what is random in kind and strength; a fixed degradation returns itself."""
        return self

    def content(self, pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
        """The picture that a photograph stands for before it is cut and distorted; the photograph itself by default.

        Args:
            pixels: The photograph, uint8 (H, W, 3).
            smallest: Pixels that the shorter side of the picture must have, where the photograph has them.
            rng: The source of all randomness.

        Returns:
            uint8 (H', W', 3), which may have another size; never ``pixels`` changed in place.
        """
        return pixels

    @property
    def steps(self) -> tuple[Degradation, ...]:
        """The single distortions, in the order of application."""
        return (self,)

    @our_defaults()
    def __call__(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Distorts one image.

        Args:
            image: Image, float32 (3, H, W), in [0, 1].
            rng: The source of all randomness.

        Returns:
            A new tensor of the same shape whose values are multiples of 1/255.

        Raises:
            ValueError: If a subclass returns no tensor of that shape, or values that are not finite.
        """
        # A copy, because one that writes in place would change the reference, too.
        distorted = self._apply(image.clone(), rng)
        name = type(self).__name__
        if not isinstance(distorted, torch.Tensor) or distorted.shape != image.shape:
            got = tuple(distorted.shape) if isinstance(distorted, torch.Tensor) else type(distorted).__name__
            raise ValueError(f"degradation {name} must return a tensor of shape {tuple(image.shape)}; got {got}")
        if not distorted.isfinite().all():
            raise ValueError(f"degradation {name} returned values that are not finite")
        return eight_bits(distorted.float())

    def __repr__(self) -> str:
        # Cut short, because a value may be a whole kernel.
        values = ", ".join(f"{name}={reprlib.repr(value)}" for name, value in vars(self).items())
        return f"{type(self).__name__}({values})"

    @abstractmethod
    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor: ...


@dataclass(frozen=True)
class InOrder(Degradation):
    """Applies several degradations one after the other.

    Args:
        parts: Degradations, first to last; without any, an image stays as it is.

    Raises:
        ValueError: If a part is no degradation.
    """

    parts: tuple[Degradation, ...]

    def __post_init__(self) -> None:
        check_degradations(self, "parts")

    def draw(self, rng: np.random.Generator) -> Degradation:
        return InOrder(tuple(part.draw(rng) for part in self.parts))

    def content(self, pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
        for part in self.parts:
            pixels = part.content(pixels, smallest, rng)
        return pixels

    @property
    def steps(self) -> tuple[Degradation, ...]:
        return tuple(step for part in self.parts for step in part.steps)

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        for part in self.parts:
            image = part(image, rng)
        return image


class Random(Degradation):
    """A degradation whose kind or strength is drawn anew for every image; a subclass says how in `draw`."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Degradation: ...

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return self.draw(rng)(image, rng)


@dataclass(frozen=True)
class Mixture(Random):
    """Draws one of several degradations, all equally likely.

    Args:
        choices: Degradations to draw from, at least one.

    Raises:
        ValueError: If there is none, or one is no degradation.
    """

    choices: tuple[Degradation, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("Mixture: needs at least one degradation to choose from")
        check_degradations(self, "choices")

    def draw(self, rng: np.random.Generator) -> Degradation:
        return self.choices[int(rng.integers(len(self.choices)))].draw(rng)


def whole(what: str, value: Any) -> int:
    """A whole number of any kind, NumPy's too, as Python's; raises ValueError for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{what} must be a whole number, got {value!r}") from None


def check_ranges(recipe: Any, least: float, most: float, *names: str) -> None:
    """Raises ValueError where a field of a recipe is not a range (low, high) within ``least`` to ``most``."""
    for name, (low, high) in _ranges(recipe, names):
        if not least <= low <= high <= most:
            raise ValueError(
                f"{type(recipe).__name__}: {name} must rise within {least:g} to {most:g}, got {low:g} to {high:g}"
            )


def check_whole_ranges(recipe: Any, least: int, most: int, *names: str) -> None:
    """`check_ranges` of fields that are ranges of whole numbers."""
    check_ranges(recipe, least, most, *names)
    for name, ends in _ranges(recipe, names):
        for end in ends:
            whole(f"{type(recipe).__name__}: an end of {name}", end)


def check_shares(recipe: Any, *names: str) -> None:
    """Raises ValueError where a field of a recipe is not a probability."""
    for name in names:
        if not 0 <= getattr(recipe, name) <= 1:
            raise ValueError(f"{type(recipe).__name__}: {name} must lie in 0 to 1, got {getattr(recipe, name)}")


def check_degradations(recipe: Any, name: str) -> None:
    """Raises ValueError where a field of a recipe holds something else than degradations."""
    for value in getattr(recipe, name):
        if not isinstance(value, Degradation):
            raise ValueError(
                f"{type(recipe).__name__}: {name} must be degradations, got {value!r}; "
                "degradations.resolve(NAME) makes one of its name"
            )


def check_known(recipe: Any, name: str, known: tuple[str, ...]) -> None:
    """Raises ValueError where a field of a recipe is not some of the names that are known."""
    values = getattr(recipe, name)
    unknown = [value for value in values if value not in known]
    if unknown or not values:
        got = ", ".join(unknown) or "none"
        raise ValueError(f"{type(recipe).__name__}: {name} are some of {', '.join(known)}; got {got}")


def _ranges(recipe: Any, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[float, float]]]:
    for name in names:
        value = getattr(recipe, name)
        if len(value) != 2:
            raise ValueError(f"{type(recipe).__name__}: {name} must be a pair (low, high), got {value!r}")
        yield name, value
