"""The degradations that have a name."""

from __future__ import annotations

from dataclasses import replace

from hirl_env.data.degradations.blur import GaussianBlur
from hirl_env.data.degradations.degradation import Degradation, InOrder, Mixture
from hirl_env.data.degradations.jpeg import JpegCompression
from hirl_env.data.degradations.noise import GaussianNoise
from hirl_env.data.degradations.recipes import Enlarged, Light, OtherPictures, RLRestoreRecipe, Slight, Unknown
from hirl_env.registry import Registry

BLUR_SIZES = (5, 10, 15)
NOISE_SIGMAS = (15, 25, 35)
JPEG_QUALITIES = (30, 20, 10)
LEVELS = ("mild", "moderate", "severe")
SINGLES = "singles"

degradations: Registry[Degradation] = Registry("degradation", Degradation)  # type: ignore[type-abstract]


def _register(name: str, degradation: Degradation) -> None:
    degradations.register(name, lambda: degradation)


_levels = tuple(
    InOrder((GaussianBlur(size), GaussianNoise(sigma), JpegCompression(quality)))
    for size, sigma, quality in zip(BLUR_SIZES, NOISE_SIGMAS, JPEG_QUALITIES, strict=True)
)
_singles = {
    **{f"blur-{size}": GaussianBlur(size) for size in BLUR_SIZES},
    **{f"noise-{sigma}": GaussianNoise(sigma) for sigma in NOISE_SIGMAS},
    **{f"jpeg-{quality}": JpegCompression(quality) for quality in JPEG_QUALITIES},
}
for _name, _level in zip(LEVELS, _levels, strict=True):
    _register(_name, _level)
_any_level, _any_single = Mixture(_levels), Mixture(tuple(_singles.values()))
_register("levels", _any_level)
for _name, _single in _singles.items():
    _register(_name, _single)
_register(SINGLES, _any_single)
_register("mixture", Mixture((_any_level, _any_single)))
_register("unknown", Unknown())
_register("light", Light())
_register("clean", InOrder(()))
_register("enlarged", Enlarged())
# What agents train on: everything that a picture may suffer from, and nothing at all. Blur alone, and other shapes of
# blur, have shares of their own: in `unknown` they are so rare that they are hardly learned. So have slight distortions
# of sharp photographs; clean patterns and textures, which are easily taken for noise; JPEGs, which leave less to gain
# than anything else; noise alone; and pictures in grey.
_blurred = Unknown(blurred=0.8, noisy=0.25, compressed=0.25)
_shaped = replace(_blurred, other_blur=0.75)
_light = Light(contents=("photograph", "colours", "drawing", "near-grey", "pattern", "texture"))
_slight = OtherPictures(Slight(), contents=("photograph", "photograph", "near-grey", "pattern", "texture"))
_camera = OtherPictures(Slight(blurred=0.1, noisy=1.0, compressed=0.4))
_compressed = Unknown(blurred=0.0, noisy=0.0, compressed=1.0)
_other_jpegs = OtherPictures(_compressed, contents=("photograph", "grey", "texture", "drawing"))
_good = Light(kinds=("clean", "shrunk"), contents=("photograph", "grey", "pattern", "texture"))
_register("slight", Slight())
_register("camera", _camera)
_register(
    "everything",
    Mixture(
        (
            Unknown(),
            Unknown(),
            _blurred,
            _shaped,
            Enlarged(),
            _light,
            _light,
            _slight,
            _slight,
            _camera,
            _any_level,
            RLRestoreRecipe(1, 28),
            _compressed,
            _other_jpegs,
            _other_jpegs,
            _good,
            Unknown(blurred=0.0, noisy=1.0, compressed=0.0),
            OtherPictures(Unknown(), contents=("grey",)),
        )
    ),
)
_register("rl-restore-mild", RLRestoreRecipe(9, 11))
_register("rl-restore-moderate", RLRestoreRecipe(12, 17))
_register("rl-restore-severe", RLRestoreRecipe(18, 20))
_register("rl-restore-any", RLRestoreRecipe(1, 28))
