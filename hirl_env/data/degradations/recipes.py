"""Random degradations: those of everyday pictures, light ones, and RL-Restore's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from hirl_env.arrays import Pixels
from hirl_env.data.contents import CONTENTS, shrunk
from hirl_env.data.degradations.blur import AnisotropicBlur, DefocusBlur, GaussianBlur, MotionBlur
from hirl_env.data.degradations.camera import DEMOSAICINGS, CameraNoise
from hirl_env.data.degradations.degradation import (
    Degradation,
    InOrder,
    Random,
    check_known,
    check_ranges,
    check_shares,
    check_whole_ranges,
)
from hirl_env.data.degradations.enlargement import Enlargement
from hirl_env.data.degradations.jpeg import BLOCK, DoubleJpeg, FullColourJpeg, JpegCompression
from hirl_env.data.degradations.noise import CoarseNoise, GaussianNoise, GreyNoise, ShotNoise

Range = tuple[float, float]
LIGHT_KINDS = ("clean", "jpeg", "noise", "blur", "shrunk")


@dataclass(frozen=True)
class Unknown(Random):
    """Degradations of everyday pictures: blur, noise and JPEG, in this order, each with its own probability.

    Args:
        blurred: Probability of a blur.
        noisy: Probability of noise.
        compressed: Probability of a JPEG.
        blur_sigma: Range of the standard deviation of blurs, pixels; uniform.
        other_blur: Share of blurs that are not round Gaussians but, equally often, anisotropic, defocus or motion blur.
        disc_radius: Range of the radius of discs, pixels; uniform.
        motion_length: Range of the length of motion blurs, whole pixels; uniform.
        noise_sigma: Range of the standard deviation of noise, of 255; uniform.
        other_noise: Share of noise that is not Gaussian in colour but, equally often, grey or shot noise.
        jpeg_quality: Range of the quality of JPEGs; uniform.
        full_colour: Share of JPEGs compressed once that have colour at full resolution (4:4:4).
        twice: Share of JPEGs that were compressed once before, with other block positions.

    Raises:
        ValueError: If a share is not a probability, or a range does not rise within its bounds.
    """

    blurred: float = 0.5
    noisy: float = 0.5
    compressed: float = 0.5
    blur_sigma: Range = (0.3, 4.0)
    other_blur: float = 0.25
    disc_radius: Range = (1.0, 5.0)
    motion_length: tuple[int, int] = (3, 25)
    noise_sigma: Range = (1.0, 60.0)
    other_noise: float = 0.25
    jpeg_quality: tuple[int, int] = (10, 95)
    full_colour: float = 0.25
    twice: float = 0.125

    def __post_init__(self) -> None:
        check_shares(self, "blurred", "noisy", "compressed", "other_blur", "other_noise", "full_colour", "twice")
        check_ranges(self, 1e-3, 100, "blur_sigma", "disc_radius")
        check_whole_ranges(self, 1, 255, "motion_length")
        check_ranges(self, 0, 255, "noise_sigma")
        check_whole_ranges(self, 1, 100, "jpeg_quality")

    def draw(self, rng: np.random.Generator) -> Degradation:
        steps = ((self.blurred, self.draw_blur), (self.noisy, self.draw_noise), (self.compressed, self.draw_jpeg))
        return InOrder(tuple(draw(rng) for share, draw in steps if rng.random() < share))

    def draw_blur(self, rng: np.random.Generator) -> Degradation:
        """A blur of random kind and strength."""
        if rng.random() >= self.other_blur:
            return GaussianBlur.of_sigma(float(rng.uniform(*self.blur_sigma)))
        kind = int(rng.integers(3))
        if kind == 0:
            short, long = sorted(float(sigma) for sigma in rng.uniform(*self.blur_sigma, size=2))
            return AnisotropicBlur(long, short, float(rng.uniform(0, 180)))
        if kind == 1:
            return DefocusBlur(float(rng.uniform(*self.disc_radius)))
        shortest, longest = self.motion_length
        return MotionBlur(int(rng.integers(shortest, longest + 1)), float(rng.uniform(0, 180)))

    def draw_noise(self, rng: np.random.Generator) -> Degradation:
        """Noise of random kind and strength."""
        sigma = float(rng.uniform(*self.noise_sigma))
        if rng.random() >= self.other_noise:
            return GaussianNoise(sigma)
        return GreyNoise(sigma) if rng.random() < 0.5 else ShotNoise(sigma)

    def draw_jpeg(self, rng: np.random.Generator) -> Degradation:
        """JPEG compression of random kind and quality."""
        lowest, highest = self.jpeg_quality
        quality, before = (int(value) for value in rng.integers(lowest, highest + 1, size=2))
        if rng.random() < self.twice:
            return DoubleJpeg(before, quality, int(rng.integers(BLOCK)), int(rng.integers(BLOCK)))
        return FullColourJpeg(quality) if rng.random() < self.full_colour else JpegCompression(quality)


@dataclass(frozen=True)
class Slight(Unknown):
    """Degradations of photographs from today's cameras: less of everything, and the noise of sensors and of film.

    A third of the noise is as in `Unknown`, a third coarse (half of it grey), and a third a camera's.

    Args:
        grain: Range of the ``grain`` of coarse noise, pixels; uniform.
        white_balance: Range of ``red`` and ``blue`` of a camera's noise; uniform.
    """

    blurred: float = 0.25
    compressed: float = 0.6
    blur_sigma: Range = (0.4, 1.5)
    disc_radius: Range = (0.7, 2.0)
    motion_length: tuple[int, int] = (2, 5)
    noise_sigma: Range = (2.0, 25.0)
    jpeg_quality: tuple[int, int] = (30, 95)
    grain: Range = (0.4, 1.2)
    white_balance: Range = (1.0, 2.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, 1e-3, 100, "grain")
        check_ranges(self, 1, 100, "white_balance")

    def draw_noise(self, rng: np.random.Generator) -> Degradation:
        kind, sigma = int(rng.integers(3)), float(rng.uniform(*self.noise_sigma))
        if kind == 0:
            return super().draw_noise(rng)
        if kind == 1:
            return CoarseNoise(sigma, float(rng.uniform(*self.grain)), grey=bool(rng.integers(2)))
        red, blue = (float(gain) for gain in rng.uniform(*self.white_balance, size=2))
        return CameraNoise(sigma, float(rng.uniform()), red, blue, DEMOSAICINGS[rng.integers(len(DEMOSAICINGS))])


@dataclass(frozen=True)
class Pictured(Degradation):
    """A degradation of other content than the photograph: of a drawing, say, or of the photograph made smaller.

    Args:
        kind: Kind of content: a key of `hirl_env.data.contents.CONTENTS`.
        degradation: Degradation of that content, settled.
        shrink: Factor by which the content is made smaller first, at least 1.
    """

    kind: str
    degradation: Degradation
    shrink: float = 1.0

    def content(self, pixels: Pixels, smallest: int, rng: np.random.Generator) -> Pixels:
        picture = CONTENTS[self.kind](self.degradation.content(pixels, smallest, rng), smallest, rng)
        return shrunk(picture, max(1.0, min(self.shrink, min(picture.shape[:2]) / smallest)))

    @property
    def steps(self) -> tuple[Degradation, ...]:
        return self.degradation.steps

    def _apply(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return self.degradation(image, rng)


@dataclass(frozen=True)
class OtherPictures(Random):
    """A degradation of other contents than the photographs as they are.

    Args:
        degradation: Degradation that is applied.
        contents: Contents of pictures, each equally likely: keys of `hirl_env.data.contents.CONTENTS`.
        shrunk: Share of pictures that are first made smaller, with a Lanczos filter, which makes them sharp.
        shrink: Range of the factor by which these are made smaller; uniform.

    Raises:
        ValueError: If the share is not a probability, the range does not rise within 1 to 100, or a content is unknown.
    """

    degradation: Degradation
    contents: tuple[str, ...] = ("photograph",)
    shrunk: float = 0.5
    shrink: Range = (1.2, 3.0)

    def __post_init__(self) -> None:
        check_shares(self, "shrunk")
        check_ranges(self, 1, 100, "shrink")
        check_known(self, "contents", tuple(CONTENTS))

    def draw(self, rng: np.random.Generator) -> Degradation:
        content = self.contents[int(rng.integers(len(self.contents)))]
        shrink = float(rng.uniform(*self.shrink)) if rng.random() < self.shrunk else 1.0
        return Pictured(content, self.degradation.draw(rng), shrink)


@dataclass(frozen=True)
class Light(Random):
    """Light or no degradation, of photographs and of other contents, each content equally likely.

    Args:
        kinds: Kinds of degradation, each equally likely: ``clean``, none; ``jpeg``, ``noise`` and ``blur``, a little of
            it; ``shrunk``, made smaller with a Lanczos filter (the small picture is the reference, and needs nothing).
        jpeg_quality: Range of the quality of JPEGs; uniform.
        noise_sigma: Range of the standard deviation of noise, of 255; uniform.
        blur_sigma: Range of the standard deviation of blurs, pixels; uniform.
        shrink: Range of the factor by which pictures are made smaller; uniform.
        contents: Contents of pictures: keys of `hirl_env.data.contents.CONTENTS`.

    Raises:
        ValueError: If a range does not rise within its bounds, or a kind or content is unknown.
    """

    kinds: tuple[str, ...] = LIGHT_KINDS
    jpeg_quality: tuple[int, int] = (75, 98)
    noise_sigma: Range = (0.0, 6.0)
    blur_sigma: Range = (0.1, 0.6)
    shrink: Range = (1.2, 3.0)
    contents: tuple[str, ...] = ("photograph", "colours", "drawing", "near-grey")

    def __post_init__(self) -> None:
        check_whole_ranges(self, 1, 100, "jpeg_quality")
        check_ranges(self, 1, 100, "shrink")
        check_ranges(self, 0, 255, "noise_sigma")
        check_ranges(self, 1e-3, 100, "blur_sigma")
        check_known(self, "kinds", LIGHT_KINDS)
        check_known(self, "contents", tuple(CONTENTS))

    def draw(self, rng: np.random.Generator) -> Degradation:
        content = self.contents[int(rng.integers(len(self.contents)))]
        kind = self.kinds[int(rng.integers(len(self.kinds)))]
        lowest, highest = self.jpeg_quality
        steps: tuple[Degradation, ...] = ()
        if kind == "jpeg":
            steps = (JpegCompression(int(rng.integers(lowest, highest + 1))),)
        elif kind == "noise":
            steps = (GaussianNoise(float(rng.uniform(*self.noise_sigma))),)
        elif kind == "blur":
            steps = (GaussianBlur.of_sigma(float(rng.uniform(*self.blur_sigma))),)
        return Pictured(content, InOrder(steps), float(rng.uniform(*self.shrink)) if kind == "shrunk" else 1.0)


@dataclass(frozen=True)
class Enlarged(Random):
    """Small pictures scaled up, as found on the web, some of them saved as JPEGs afterwards.

    Args:
        factor: Range of the factor; uniform.
        compressed: Probability of a JPEG.
        jpeg_quality: Range of the quality of JPEGs; uniform.

    Raises:
        ValueError: If the probability is not one, or a range does not rise within its bounds.
    """

    factor: Range = (1.5, 4.0)
    compressed: float = 0.5
    jpeg_quality: tuple[int, int] = (50, 95)

    def __post_init__(self) -> None:
        check_shares(self, "compressed")
        check_whole_ranges(self, 1, 100, "jpeg_quality")
        check_ranges(self, 1, 100, "factor")

    def draw(self, rng: np.random.Generator) -> Degradation:
        factor, bilinear = float(rng.uniform(*self.factor)), rng.random() < 0.5
        enlargement = Enlargement(factor, "bilinear" if bilinear else "bicubic")
        if rng.random() >= self.compressed:
            return enlargement
        lowest, highest = self.jpeg_quality
        return InOrder((enlargement, JpegCompression(int(rng.integers(lowest, highest + 1)))))


@dataclass(frozen=True)
class RLRestoreRecipe(Random):
    """The degradations of RL-Restore (Yu et al., CVPR 2018): blur, noise and JPEG, each from one of ten bands.

    With band numbers k, m, n in 1..10 the strength is k + m + n - 2. Blur (sigma 0 to 5, 21 taps) and noise (sigma 0
    to 50) are split evenly, JPEG at the qualities below; within a band the value is uniform.

    Args:
        lowest: Smallest strength drawn.
        highest: Largest strength drawn.

    Raises:
        ValueError: If the strengths do not rise within 1 to 28.
    """

    lowest: int
    highest: int

    QUALITIES: ClassVar[tuple[int, ...]] = (100, 80, 60, 50, 40, 35, 30, 25, 20, 15, 10)

    def __post_init__(self) -> None:
        if not 1 <= self.lowest <= self.highest <= 28:
            raise ValueError(f"RLRestoreRecipe: strengths lie in 1 to 28, got {self.lowest} to {self.highest}")

    @staticmethod
    def blur(sigma: float) -> GaussianBlur:
        """The recipe's blur of a strength, which may be 0."""
        return GaussianBlur(21, max(sigma, 1e-3))

    def draw(self, rng: np.random.Generator) -> Degradation:
        while True:
            blur, noise, jpeg = (int(band) for band in rng.integers(1, 11, size=3))
            if self.lowest <= blur + noise + jpeg - 2 <= self.highest:
                break
        sigma = float(rng.uniform(blur - 1, blur)) * 0.5
        quality = int(rng.integers(self.QUALITIES[jpeg], self.QUALITIES[jpeg - 1] + 1))
        return InOrder(
            (
                self.blur(sigma),
                GaussianNoise(float(rng.uniform(noise - 1, noise)) * 5),
                JpegCompression(quality),
            )
        )
