"""Frozen sets of evaluation images: what is reported on, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hirl_env.data.degradations import (
    LEVELS,
    LIGHT_KINDS,
    Degradation,
    GaussianBlur,
    GaussianNoise,
    InOrder,
    JpegCompression,
    Light,
    degradations,
)
from hirl_env.data.photographs import Photographs
from hirl_env.data.samples import Grid, Sample, Samples
from hirl_env.registry import Registry


@dataclass(frozen=True)
class Suite:
    """What is done to photographs, and the path that agents are measured against.

    On one folder of photographs, with one seed, its images are the same for everybody; another version of a suite has
    another name.

    Attributes:
        name: Name with its version.
        parts: Degradations by name; every photograph is distorted by each of them.
        fixed: By the name of a toolset, the path of at most two of its tools, TYPE-DEGREE, that gained most on training
            photographs: its mean PSNR is the score 0. Without any, doing nothing is 0 with every toolset.
        grids: Position of a JPEG's blocks in the images of a part (see `Samples`); anywhere in parts that are not
            named.
    """

    name: str
    parts: Mapping[str, Degradation]
    fixed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grids: Mapping[str, Grid] = field(default_factory=dict)

    def fixed_path(self, toolset: str) -> tuple[str, ...] | None:
        """The fixed path of a toolset; empty where it does nothing, None where none has been sought."""
        return self.fixed.get(toolset) if self.fixed else ()

    def samples(
        self, photographs: Photographs, part: str, crop_size: int | None, per_image: int, seed: int
    ) -> Iterator[Sample]:
        """The images of one part, photograph by photograph, as of `Samples.of_each`.

        Args:
            photographs: Clean pictures.
            part: Key of ``parts``.
            crop_size: Side of the crops, pixels; None for whole photographs.
            per_image: Number of images of each photograph.
            seed: Seed of crops and degradations.

        Raises:
            ValueError: If a picture is not clean, or all are smaller than the crop.
        """
        grid = self.grids.get(part, "anywhere")
        return Samples(photographs, self.parts[part], crop_size, grid=grid).of_each(per_image, seed)


def _named(*names: str) -> dict[str, Degradation]:
    return {name: degradations.resolve(name) for name in names}


# One distortion at a time, most of them at strengths that no tool is made for, and what is clean; then several at once.
_STRENGTHS: dict[str, Degradation] = {
    "clean": InOrder(()),
    **{f"jpeg-{quality}": JpegCompression(quality) for quality in (90, 75, 50, 15)},
    **{f"noise-{sigma}": GaussianNoise(sigma) for sigma in (3, 8, 50)},
    **{f"blur-{sigma}": GaussianBlur.of_sigma(sigma) for sigma in (0.7, 1.5, 2.5)},
    **_named("unknown", "rl-restore-moderate"),
}

_ON_LEVELS = {"hirl": ("restore-2", "dejpeg-3"), "paper": ("dejpeg-1", "denoise-0")}

suites: Registry[Suite] = Registry("suite", Suite)


def _register(suite: Suite) -> None:
    suites.register(suite.name, lambda: suite)


for _suite in (
    Suite("unknown-v1", _named("unknown"), {"hirl": ("deblur-0", "restore-0"), "paper": ()}),
    Suite("light-v1", {kind: Light(kinds=(kind,)) for kind in LIGHT_KINDS}),
    Suite("levels-v1", _named(*LEVELS), _ON_LEVELS),
    Suite(
        "rl-restore-v1",
        _named("rl-restore-mild", "rl-restore-moderate", "rl-restore-severe"),
        {"hirl": ("restore-3", "dejpeg-3"), "paper": ("dejpeg-1", "denoise-1")},
    ),
    Suite("strengths-v1", _STRENGTHS),
    Suite("clean-v1", _named("clean")),
    Suite(
        "grid-v1",
        dict.fromkeys(("aligned", "shifted"), degradations.resolve("moderate")),
        _ON_LEVELS,
        {"aligned": "aligned", "shifted": "shifted"},
    ),
):
    _register(_suite)
