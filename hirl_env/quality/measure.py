"""The interface of a quality measure, and the registry of their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from hirl_env.quality.full_reference import psnr, ssim
from hirl_env.registry import Registry

ScoreFunction = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True)
class Measure:
    """A named way to score images; larger is better.

    Attributes:
        name: As shown in tables.
        function: Maps images and references (N, 3, H, W), float32 in [0, 1], to scores (N,). References are None where
            there are none and the measure needs none.
        needs_reference: Whether it cannot do without references.
    """

    name: str
    function: ScoreFunction
    needs_reference: bool = True

    @torch.no_grad()
    def score(self, images: torch.Tensor, references: torch.Tensor | None = None) -> torch.Tensor:
        """Scores (N,) of images (N, 3, H, W).

        Raises:
            ValueError: If references are needed and missing, or the scores are not one finite number per image.
        """
        if self.needs_reference and references is None:
            raise ValueError(
                f"measure {self.name!r} compares with a reference, and there is none; give one, or use a blind measure"
            )
        scores = self.function(images, references)
        if not isinstance(scores, torch.Tensor) or tuple(scores.shape) != (len(images),):
            got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise ValueError(
                f"measure {self.name!r} must return one score per image, a tensor ({len(images)},); got {got}"
            )
        if not torch.isfinite(scores).all():
            raise ValueError(f"measure {self.name!r} returned a score that is not finite: {scores.tolist()}")
        return scores


measures: Registry[Measure] = Registry("measure", Measure)
measures.register("psnr", lambda: Measure("psnr", psnr))
measures.register("ssim", lambda: Measure("ssim", ssim))


def as_measure(value: str | Measure | ScoreFunction) -> Measure:
    """A measure from its name, from itself, or from a bare function of images and references.

    A bare function is handed whatever references there are, None included; one that cannot do without them is wrapped
    in a `Measure`.

    Raises:
        ValueError: If it is none of these, or an unknown name.
    """
    if callable(value):
        return Measure(getattr(value, "__name__", type(value).__name__), value, needs_reference=False)
    return measures.resolve(value)
