import io
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hirl_env.data.degradations import (
    AnisotropicBlur,
    CameraNoise,
    ChromaNoise,
    CoarseNoise,
    DefocusBlur,
    Degradation,
    DoubleJpeg,
    Enlarged,
    Enlargement,
    FullColourJpeg,
    GaussianBlur,
    GaussianNoise,
    GreyNoise,
    InOrder,
    JpegCompression,
    Light,
    Mixture,
    MotionBlur,
    OtherPictures,
    RLRestoreRecipe,
    ShotNoise,
    Slight,
    Unknown,
    degradations,
    opencv_sigma,
)
from hirl_env.data.degradations.blur import correlate, correlate_along
from hirl_env.data.degradations.camera import _bayer, _filled
from hirl_env.data.images import LUMA, to_pixels, to_tensor
from tests.conftest import translation


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(0).random((3, 48, 40), dtype=np.float32))


@settings(max_examples=40)
@given(name=st.sampled_from(degradations.names()), seed=st.integers(0, 2**32 - 1), side=st.integers(3, 40))
def test_every_degradation_makes_a_picture_and_repeats_from_a_seed(name, seed, side):
    image = torch.from_numpy(np.random.default_rng(seed).random((3, side, side + 1), dtype=np.float32))
    before = image.clone()
    degradation = degradations.resolve(name)
    first = degradation(image, np.random.default_rng(seed))
    assert torch.equal(first, degradation(image, np.random.default_rng(seed)))
    assert first.shape == image.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, to_tensor(to_pixels(first)))
    assert torch.equal(image, before)


def test_one_that_writes_into_its_image_leaves_the_reference_alone(image):
    class Darker(Degradation):
        def _apply(self, image, rng):
            return image.mul_(0.5)

    before = image.clone()
    Darker()(image, np.random.default_rng(0))
    assert torch.equal(image, before)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda image: image[:, 1:], r"must return a tensor of shape \(3, \d+, \d+\); got \(3, "),
        (lambda image: image.numpy(), "got ndarray"),
        (lambda image: image * np.nan, "not finite"),
    ],
)
def test_one_of_ones_own_that_returns_something_else_is_named(image, wrong, words):
    class Odd(Degradation):
        def _apply(self, image, rng):
            return wrong(image)

    with pytest.raises(ValueError, match=f"degradation Odd .*{words}"):
        Odd()(image, np.random.default_rng(0))


def test_one_of_ones_own_may_compute_in_numpys_precision_and_is_written_with_its_strength(image):
    class Grain(Degradation):
        def __init__(self, sigma):
            self.sigma = sigma

        def _apply(self, image, rng):
            return image + torch.from_numpy(rng.normal(0, self.sigma, image.shape))

    assert Grain(0.1)(image, np.random.default_rng(0)).dtype == torch.float32
    assert repr(Grain(0.1)) == "Grain(sigma=0.1)"


def test_drawing_settles_everything_but_the_noise(image):
    drawn = degradations.resolve("mixture").draw(np.random.default_rng(3))
    assert drawn.draw(np.random.default_rng(0)) == drawn
    assert all(step.family for step in drawn.steps)


@pytest.mark.parametrize(
    ("name", "size", "sigma", "quality"), [("mild", 5, 15, 30), ("moderate", 10, 25, 20), ("severe", 15, 35, 10)]
)
def test_levels_are_the_papers(name, size, sigma, quality):
    assert degradations.resolve(name).steps == (GaussianBlur(size), GaussianNoise(sigma), JpegCompression(quality))


def test_sequence_is_its_parts_one_after_the_other(image):
    parts = (GaussianBlur(5), GaussianNoise(20), JpegCompression(40))
    rng, by_hand = np.random.default_rng(1), image
    for part in parts:
        by_hand = part(by_hand, rng)
    assert torch.equal(InOrder(parts)(image, np.random.default_rng(1)), by_hand)


def test_a_sequence_is_of_the_pictures_that_its_parts_are_of():
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    grey = OtherPictures(GaussianNoise(20), contents=("near-grey",), shrunk=1.0)
    drawn = InOrder((grey, JpegCompression(50))).draw(np.random.default_rng(1))
    picture = drawn.content(pixels, 64, np.random.default_rng(2))
    assert max(picture.shape) < 200
    assert np.ptp(picture.astype(int), axis=2).max() <= 2
    assert [type(step) for step in drawn.steps] == [GaussianNoise, JpegCompression]


def test_sigma_by_opencvs_rule():
    assert [opencv_sigma(size) for size in (5, 10, 15)] == pytest.approx([1.1, 1.85, 2.6])


def test_a_disc_within_a_pixel_changes_nothing(image):
    assert torch.allclose(DefocusBlur(0.01)(image, np.random.default_rng(0)), image, atol=0.51 / 255)


def test_blur_of_a_point_is_the_kernel():
    point = torch.zeros(3, 21, 21)
    point[:, 10, 10] = 1
    blurred = GaussianBlur(5, 1.1)(point, np.random.default_rng(0))
    weights = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 1.1**2))
    weights /= weights.sum()
    assert np.allclose(blurred[0, 8:13, 8:13], np.outer(weights, weights), atol=0.51 / 255)
    assert blurred[:, 0].max() == 0


@pytest.mark.parametrize("name", [*degradations.names()])
def test_no_degradation_moves_the_picture(name, photograph):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        steps = degradations.resolve(name).draw(rng).steps
        # Noise moves nothing, and hides what does.
        visible = InOrder(tuple(step for step in steps if step.family != "noise"))
        assert max(map(abs, translation(photograph, visible(photograph, rng)))) < 0.1, steps


@pytest.mark.parametrize(
    "blur",
    [
        GaussianBlur(10),
        GaussianBlur.of_sigma(0.7),
        AnisotropicBlur(3.0, 0.5, 30.0),
        DefocusBlur(1.6),
        DefocusBlur(3.7),
        MotionBlur(8, 20.0),
    ],
)
def test_blurs_are_centred_and_keep_the_brightness(blur):
    point = torch.zeros(3, 63, 63)
    point[:, 31, 31] = 1
    # Without rounding to 8 bits, which small weights do not survive.
    blurred = blur._apply(point, np.random.default_rng(0))[0].double()
    assert blurred.sum().item() == pytest.approx(1, abs=1e-5)
    places = torch.arange(63.0, dtype=torch.float64) - 31
    assert (blurred.sum(dim=0) @ places).item() == pytest.approx(0, abs=1e-4)
    assert (blurred.sum(dim=1) @ places).item() == pytest.approx(0, abs=1e-4)
    spread = ((blurred.sum(dim=0) + blurred.sum(dim=1)) @ places**2 / 2).sqrt().item()
    # Of a line, the strength is its spread along itself.
    expected = blur.strength / 2**0.5 if isinstance(blur, MotionBlur) else blur.strength
    assert spread == pytest.approx(expected, rel=0.15)


def test_a_wide_gaussian_lies_along_its_angle():
    point = torch.zeros(3, 63, 63)
    point[:, 31, 31] = 1
    level = AnisotropicBlur(4.0, 1.0, 0.0)._apply(point, np.random.default_rng(0))[0]
    places = torch.arange(63.0) - 31
    assert ((level.sum(dim=0) @ places**2).sqrt() / (level.sum(dim=1) @ places**2).sqrt()).item() == pytest.approx(
        4, rel=0.02
    )
    assert torch.allclose(
        AnisotropicBlur(4.0, 1.0, 90.0)._apply(point, np.random.default_rng(0))[0], level.T, atol=1e-6
    )


def test_grey_noise_is_the_same_in_all_channels_and_shot_noise_grows_with_brightness():
    rng = np.random.default_rng(0)
    grey = torch.full((3, 100, 100), 0.5)
    noisy = GreyNoise(20)(grey, rng)
    assert torch.equal(noisy[0], noisy[2])
    assert (noisy - grey).std().item() * 255 == pytest.approx(20, rel=0.05)
    hues = ChromaNoise(20)(grey, rng) - grey
    assert hues.std().item() * 255 == pytest.approx(20, rel=0.05)
    assert (torch.tensor(LUMA)[:, None, None] * hues).sum(dim=0).abs().max() * 255 <= 1, "as bright as before"
    assert (ShotNoise(20)(grey, rng) - grey).std().item() * 255 == pytest.approx(20, rel=0.05)
    dark = torch.full((3, 100, 100), 0.125)
    assert (ShotNoise(20)(dark, rng) - dark).std().item() * 255 == pytest.approx(10, rel=0.05)
    assert torch.equal(ShotNoise(20)(0 * grey, rng), 0 * grey)


@pytest.mark.parametrize("grain", [0.3, 0.7, 1.5])
def test_coarse_noise_has_its_standard_deviation_and_neighbours_that_are_alike(grain):
    grey = torch.full((3, 256, 256), 0.5)
    noise = CoarseNoise(20, grain)(grey, np.random.default_rng(0)) - grey
    assert (noise.std() * 255).item() == pytest.approx(20, rel=0.05)
    alike = torch.corrcoef(torch.stack([noise[..., 1:].flatten(), noise[..., :-1].flatten()]))[0, 1].item()
    # Of white noise after a Gaussian of its taps.
    kernel = torch.exp(-(torch.arange(-9, 10) ** 2) / (2 * grain**2))
    assert alike == pytest.approx(((kernel[1:] * kernel[:-1]).sum() / kernel.square().sum()).item(), abs=0.03)


def test_jpeg_with_full_colour_keeps_colours_that_half_resolution_loses():
    stripes = torch.zeros(3, 64, 64)
    stripes[0, :, ::2], stripes[2, :, 1::2] = 1, 1
    errors = [
        (jpeg(stripes, np.random.default_rng(0)) - stripes).abs().mean()
        for jpeg in (FullColourJpeg(90), JpegCompression(90))
    ]
    assert errors[0] < errors[1] / 2


def test_double_jpeg_is_two_jpegs_whose_blocks_differ(image):
    rng = np.random.default_rng(0)
    twice = DoubleJpeg(20, 80, 0, 0)(image, rng)
    assert torch.equal(twice, JpegCompression(80)(JpegCompression(20)(image, rng), rng))
    moved = DoubleJpeg(20, 80, 3, 5)(image, rng)
    assert moved.shape == image.shape
    assert not torch.equal(moved, twice)


def test_unknown_has_each_distortion_half_of_the_time_and_some_of_every_kind():
    rng = np.random.default_rng(0)
    drawn = [degradations.resolve("unknown").draw(rng) for _ in range(2000)]
    families = [[step.family for step in one.steps] for one in drawn]
    assert all(each == [family for family in ("blur", "noise", "jpeg") if family in each] for each in families)
    for family in ("blur", "noise", "jpeg"):
        assert np.mean([family in each for each in families]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([not each for each in families]) == pytest.approx(1 / 8, abs=0.03)
    steps = [step for one in drawn for step in one.steps]
    kinds = {type(step) for step in steps}
    assert kinds == {
        *(GaussianBlur, AnisotropicBlur, DefocusBlur, MotionBlur),
        *(GaussianNoise, GreyNoise, ShotNoise),
        *(JpegCompression, FullColourJpeg, DoubleJpeg),
    }
    for step in steps:
        if type(step) is GaussianBlur:
            assert 0.3 <= step.sigma <= 4
        if step.family == "noise":
            assert 1 <= step.sigma <= 60


@pytest.mark.parametrize("demosaicing", ["bilinear", "gradient"])
def test_a_mosaic_of_one_grey_is_filled_in_with_it(demosaicing):
    for top, left in itertools.product(range(2), repeat=2):
        seen = _bayer(12, 14, top, left)
        assert torch.equal(seen.sum(dim=0), torch.ones(12, 14))
        assert seen.mean(dim=(1, 2)).tolist() == pytest.approx([0.25, 0.5, 0.25])
        assert seen[0, top, left] == 1
        filled = _filled(torch.full((12, 14), 0.4), seen, demosaicing)
        assert torch.allclose(filled, torch.full((3, 12, 14), 0.4), atol=1e-6)


def test_colours_of_a_slope_are_filled_in_between_their_neighbours():
    seen = _bayer(16, 16, 0, 0)
    slopes = torch.stack(
        [torch.arange(16.0).expand(16, 16), torch.arange(16.0)[:, None].expand(16, 16), torch.ones(16, 16)]
    )
    filled = _filled((slopes * seen).sum(dim=0), seen, "bilinear")
    assert torch.allclose(filled[:, 2:-2, 2:-2], slopes[:, 2:-2, 2:-2], atol=1e-5)


def test_a_cameras_noise_follows_the_light_and_its_channels_are_alike():
    def noise(level, **arguments):
        grey = torch.full((3, 256, 256), level)
        camera = CameraNoise(12, demosaicing="gradient", **arguments)
        return 255 * (camera(grey, np.random.default_rng(0)) - grey)

    plain = noise(0.5, red=1.0, blue=1.0)
    # Half of green was seen, and half filled in.
    seen, filled = sorted(plain[1, ::2, left::2].std().item() for left in range(2))[::-1]
    assert seen == pytest.approx(12, rel=0.03)
    assert filled < 0.9 * seen
    assert abs(plain.mean().item()) < 1
    assert torch.corrcoef(plain.flatten(1))[0, 1] > 0.3
    assert noise(0.5, red=3.0)[0].std() > 1.5 * plain[0].std()
    # What photons make differs little in what is stored; what reading out makes shows in the dark.
    dark, bright = (noise(level, read=1.0)[1].std() for level in (0.2, 0.8))
    assert dark > 2 * bright
    dark, bright = (noise(level, read=0.0)[1].std() for level in (0.2, 0.8))
    assert bright < dark < 1.6 * bright


def test_slight_faults_stay_slight_and_their_noise_is_of_three_kinds():
    rng = np.random.default_rng(0)
    steps = [step for _ in range(1000) for step in Slight().draw(rng).steps]
    noises = [step for step in steps if step.family == "noise"]
    assert all(2 <= step.sigma <= 25 for step in noises)
    for kind in (CoarseNoise, CameraNoise):
        assert np.mean([type(step) is kind for step in noises]) == pytest.approx(1 / 3, abs=0.06)
    assert all(0.4 <= step.grain <= 1.2 for step in noises if type(step) is CoarseNoise)
    assert all(1 <= step.red <= 2.5 and 0 <= step.read <= 1 for step in noises if type(step) is CameraNoise)
    assert all(step.strength <= 70 for step in steps if step.family == "jpeg")
    assert all(step.strength <= 2 for step in steps if step.family == "blur")


def test_other_pictures_are_of_the_contents_named_and_in_part_made_smaller():
    rng = np.random.default_rng(0)
    drawn = [
        OtherPictures(JpegCompression(50), contents=("drawing", "pattern"), shrunk=0.25).draw(rng) for _ in range(400)
    ]
    assert all(one.steps == (JpegCompression(50),) for one in drawn)
    assert np.mean([one.kind == "pattern" for one in drawn]) == pytest.approx(0.5, abs=0.08)
    assert np.mean([one.shrink > 1 for one in drawn]) == pytest.approx(0.25, abs=0.06)
    assert all(one.shrink == 1 or 1.2 <= one.shrink <= 3 for one in drawn)


def test_other_pictures_of_a_degradation_with_content_of_its_own_have_that():
    pixels = np.random.default_rng(0).integers(0, 256, size=(40, 60, 3), dtype=np.uint8)
    shrinking = OtherPictures(Light(kinds=("shrunk",), contents=("photograph",), shrink=(2, 2)), shrunk=0.0)
    drawn = shrinking.draw(np.random.default_rng(0))
    assert drawn.content(pixels, 16, np.random.default_rng(0)).shape == (20, 30, 3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_an_enlarged_picture_keeps_its_place_its_brightness_and_what_its_small_one_shows(interpolation, photograph):
    rng = np.random.default_rng(0)
    height, width = photograph.shape[-2:]
    for factor in (1.7, 2.0, 4.0):
        enlarged = Enlargement(factor, interpolation)(photograph, rng)
        assert max(map(abs, translation(photograph, enlarged))) < 0.05
        assert enlarged.mean().item() == pytest.approx(photograph.mean().item(), abs=0.002)
    slope = torch.linspace(0.2, 0.8, width).expand(3, height, width)
    inner = (..., slice(8, -8))
    assert torch.allclose(Enlargement(2.0, interpolation)(slope, rng)[inner], slope[inner], atol=1.01 / 255)


def test_small_pictures_made_large_are_in_part_saved_again():
    rng = np.random.default_rng(0)
    drawn = [Enlarged(compressed=0.25).draw(rng).steps for _ in range(400)]
    assert np.mean([len(steps) == 2 for steps in drawn]) == pytest.approx(0.25, abs=0.06)
    assert all(1.5 <= steps[0].factor <= 4 for steps in drawn)
    assert {steps[0].interpolation for steps in drawn} == {"bilinear", "bicubic"}


def test_ranges_are_fields_that_a_user_varies():
    rng = np.random.default_rng(0)
    recipe = Unknown(
        blurred=1.0,
        noisy=1.0,
        compressed=0.0,
        blur_sigma=(1.0, 1.0),
        other_blur=0.0,
        noise_sigma=(9.0, 9.0),
        other_noise=0.0,
    )
    blur, noise = recipe.draw(rng).steps
    assert (blur.sigma, noise.sigma) == (1.0, 9.0)
    only_drawings = Light(contents=("drawing",))
    assert {only_drawings.draw(rng).kind for _ in range(10)} == {"drawing"}


def test_blur_keeps_a_flat_picture_to_its_border():
    flat = torch.full((3, 30, 30), 51 / 255)
    for blur in (GaussianBlur(15), MotionBlur(9, 30.0)):
        assert torch.equal(blur(flat, np.random.default_rng(0)), flat)


def test_motion_blur_lies_along_its_angle():
    point = torch.zeros(3, 31, 31)
    point[:, 15, 15] = 1
    level = MotionBlur(9, 0.0)(point, np.random.default_rng(0))[0]
    assert level[15].count_nonzero() == 9
    assert level.count_nonzero() == 9
    upright = MotionBlur(9, 90.0)(point, np.random.default_rng(0))[0]
    assert torch.allclose(upright, level.T, atol=1.01 / 255)


def test_noise_has_its_standard_deviation():
    grey = torch.full((3, 200, 200), 0.5)
    noisy = GaussianNoise(25)(grey, np.random.default_rng(0))
    assert (noisy - grey).std().item() * 255 == pytest.approx(25, rel=0.01)


def test_jpeg_is_pillows(image):
    file = io.BytesIO()
    Image.fromarray(to_pixels(image)).save(file, "JPEG", quality=20)
    assert (to_pixels(JpegCompression(20)(image, np.random.default_rng(0))) == np.asarray(Image.open(file))).all()


@settings(max_examples=60)
@given(lowest=st.integers(1, 20), span=st.integers(0, 8), seed=st.integers(0, 2**32 - 1))
def test_rl_restores_strength_is_the_sum_of_its_bands(lowest, span, seed):
    blur, noise, jpeg = RLRestoreRecipe(lowest, lowest + span).draw(np.random.default_rng(seed)).steps
    edges = RLRestoreRecipe.QUALITIES
    bands = [
        {int(np.ceil(blur.sigma / 0.5 - 1e-9)) or 1} if blur.sigma > 1e-3 else {1},
        {int(np.ceil(noise.sigma / 5 - 1e-9)) or 1},
        # A quality on the edge belongs to both of its bands.
        {band for band in range(1, 11) if edges[band] <= jpeg.quality <= edges[band - 1]},
    ]
    strengths = {k + m + n - 2 for k in bands[0] for m in bands[1] for n in bands[2]}
    assert any(lowest <= strength <= lowest + span for strength in strengths)


def test_mixture_draws_every_choice():
    choices = (GaussianNoise(5), JpegCompression(50), GaussianBlur(3))
    rng = np.random.default_rng(0)
    assert {Mixture(choices).draw(rng) for _ in range(50)} == set(choices)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianBlur(0), "size must be at least 1, got 0"),
        (lambda: GaussianBlur(5, -1.0), "sigma must be positive, got -1"),
        (lambda: MotionBlur(0), "length must be at least 1, got 0"),
        (lambda: GaussianNoise(-3), "must not be negative, got -3"),
        (lambda: JpegCompression(0), "from 1 to 100, got 0"),
        (lambda: Mixture(()), "at least one"),
        (lambda: Mixture(("mild", "severe")), "Mixture: choices must be degradations, got 'mild'"),
        (lambda: InOrder((5,)), "InOrder: parts must be degradations, got 5"),
        (lambda: RLRestoreRecipe(20, 9), "got 20 to 9"),
        (lambda: DefocusBlur(0), "radius must be positive, got 0"),
        (lambda: AnisotropicBlur(2, -1, 0), "short must be positive, got -1"),
        (lambda: Enlargement(0.5), "factor must be at least 1, got 0.5"),
        (lambda: Enlargement(2.0, "nearest"), "must be bilinear or bicubic, got 'nearest'"),
        (lambda: Enlarged(factor=(0.5, 4.0)), "factor must rise within 1 to 100, got 0.5 to 4"),
        (lambda: ShotNoise(float("nan")), "must not be negative, got nan"),
        (lambda: DoubleJpeg(20, 101, 0, 0), "second must be from 1 to 100, got 101"),
        (lambda: DoubleJpeg(20, 90, 8, 0), "from 0 to 7, got 8 and 0"),
        (lambda: Unknown(noisy=1.5), "noisy must lie in 0 to 1, got 1.5"),
        (lambda: Unknown(jpeg_quality=(10.5, 95)), "an end of jpeg_quality must be a whole number, got 10.5"),
        (lambda: Unknown(jpeg_quality=(95, 10)), "jpeg_quality must rise within 1 to 100, got 95 to 10"),
        (lambda: Light(contents=("cats",)), "some of photograph, colours, .*, texture; got cats"),
        (lambda: Light(kinds=()), "Light: kinds are some of clean, jpeg, noise, blur, shrunk; got none"),
        (lambda: OtherPictures(Unknown(), contents=("cats",)), "OtherPictures: contents are some of .*; got cats"),
        (lambda: OtherPictures(Unknown(), shrunk=2), "shrunk must lie in 0 to 1, got 2"),
        (lambda: Slight(grain=(0.0, 1.0)), "grain must rise within 0.001 to 100, got 0 to 1"),
        (lambda: CameraNoise(20, read=1.5), "CameraNoise: read must lie in 0 to 1, got 1.5"),
        (lambda: CameraNoise(20, demosaicing="ahd"), "unknown demosaicing 'ahd'; known are: bilinear, gradient"),
        (lambda: CoarseNoise(20, 0), "CoarseNoise: grain must be positive, got 0"),
    ],
)
def test_impossible_strengths_are_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_sizes_and_qualities_may_be_whole_numbers_of_any_kind(image):
    rng = np.random.default_rng(0)
    for made, same in (
        (JpegCompression(np.int64(30)), JpegCompression(30)),
        (GaussianBlur(np.uint8(5)), GaussianBlur(5)),
    ):
        assert repr(made) == repr(same)
        assert (made(image, rng) == same(image, rng)).all()
    for make in (JpegCompression, GaussianBlur, MotionBlur):
        with pytest.raises(ValueError, match=r"must be a whole number, got 5\.5"):
            make(5.5)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("taps", [1, 5, 31])
def test_taps_along_one_dimension_are_a_kernel_of_one_row_or_column(taps, dim):
    image, line = torch.rand(3, 20, 24), torch.rand(taps)
    kernel = line[:, None] if dim == 1 else line[None, :]
    torch.testing.assert_close(correlate_along(image, line, dim), correlate(image, kernel))
