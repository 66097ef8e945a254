import pytest
import torch
from torch import nn

from hirl_env.quality import hirl_biqa as module
from hirl_env.quality import measures
from hirl_env.quality.hirl_biqa import MIRRORS, WEIGHTS, BlindQuality, load_blind_quality
from hirl_env.weights import save_weights


@pytest.fixture
def network() -> BlindQuality:
    torch.manual_seed(0)
    return BlindQuality(8).eval()


def test_a_score_is_the_mean_of_the_local_scores(network):
    images = torch.rand(3, 3, 64, 64)
    local = network.local_scores(images)
    assert local.shape == (3, 2, 2)
    assert torch.allclose(network(images), local.mean(dim=(1, 2)), atol=1e-4)


def test_large_pictures_are_looked_at_in_crops(network):
    images = torch.rand(2, 3, 64, 100)
    # Two crops of 64 cover 100 pixels from 0 and from 36 on.
    expected = (network(images[..., :64]) + network(images[..., 36:])) / 2
    assert torch.allclose(network(images), expected, atol=1e-4)
    assert network.local_scores(images).shape == (2, 2, 4)


def test_the_map_says_where_a_picture_is_bad(network):
    images = torch.rand(2, 3, 128, 128)
    maps = network.quality_map(images)
    assert maps.shape == (2, 20, 20)
    mirrored = [images.flip(sides) for sides in MIRRORS]
    assert maps.mean().item() == pytest.approx(torch.stack([network(one) for one in mirrored]).mean().item(), abs=0.1)
    places = [network.local_scores(one).flip(sides) for one, sides in zip(mirrored, MIRRORS, strict=True)]
    local = torch.stack(places).mean(0)
    assert torch.allclose(maps[:, 0, 0], local[:, 0, 0], atol=1e-4)
    assert torch.allclose(maps[:, -1, -1], local[:, -1, -1], atol=1e-4)


def test_the_map_of_a_mirror_image_is_the_mirrored_map(network):
    images = torch.rand(2, 3, 96, 150)
    maps = network.quality_map(images)
    for sides in MIRRORS:
        assert torch.allclose(network.quality_map(images.flip(sides)), maps.flip(sides), atol=1e-3)


@pytest.fixture
def brightness(network) -> BlindQuality:
    """Scores 50, and 25 times how bright each place of 32x32 pixels is."""
    network.trunk = nn.AvgPool2d(32, ceil_mode=True)
    network.head = nn.Identity()  # of three channels, the first is taken
    return network


@pytest.mark.parametrize("size", [(64, 70), (96, 130), (50, 33), (200, 64)])
def test_a_picture_that_grows_brighter_has_a_map_that_does(brightness, size):
    for axis, length in enumerate(size):
        ramp = torch.linspace(0, 1, length).view((-1, 1) if axis == 0 else (1, -1)).expand(size)
        scores = brightness.quality_map(ramp.expand(1, 3, *size))[0].mean(dim=1 - axis)
        assert (scores.diff() > -1e-4).all()
        assert scores[-1] - scores[0] > 10


def test_where_crops_overlap_the_map_has_the_mean_of_theirs(brightness):
    images = torch.zeros(1, 3, 64, 70)
    images[..., 38:] = 1
    # Crops from 0 and from 6 on: their places end at 32 and 64, and at 38 and 70.
    pixels = torch.tensor([0.0] * 32 + [26 / 64] * 6 + [(26 / 32 + 1) / 2] * 26 + [1.0] * 6)
    expected = 50 + 25 * nn.functional.adaptive_avg_pool1d(pixels[None], 20)[0]
    assert torch.allclose(brightness.quality_map(images)[0], expected.expand(20, 20), atol=1e-3)
    assert torch.allclose(brightness.quality_map(images.mT)[0].mT, expected.expand(20, 20), atol=1e-3)


def test_it_is_a_blind_measure_of_at_least_64_pixels():
    measure = measures.resolve("hirl-biqa")
    assert not measure.needs_reference
    assert measures.resolve("hirl-biqa") is measure
    with pytest.raises(ValueError, match="hirl-biqa needs at least 64x64 pixels, got 70x63"):
        measure.score(torch.rand(1, 3, 63, 70))


def test_weights_of_another_network_are_refused(tmp_path, network):
    save_weights(network, tmp_path / "small.safetensors")
    with pytest.raises(ValueError, match="made for another network than BlindQuality"):
        module.load_blind_quality(tmp_path / "small.safetensors")


def test_the_shipped_network_is_small():
    assert WEIGHTS.stat().st_size < 6_000_000


def test_it_tells_worse_from_better_and_needs_no_reference():
    """On the embedded photographs, which nothing was trained on: noise, blur and JPEG lower the score."""
    import numpy as np

    from hirl_env.data import degradations
    from hirl_env.data.images import to_tensor
    from hirl_env.data.photographs import image_sources

    measure = measures.resolve("hirl-biqa")
    ordered = []
    for photograph in image_sources.resolve("photos"):
        clean = to_tensor(photograph.reference)[:, 100:228, 100:228]
        if clean.shape[-2:] != (128, 128):
            continue
        rng = np.random.default_rng(0)
        versions = [clean, *(degradations.resolve(level)(clean, rng) for level in ("mild", "severe"))]
        scores = measure.score(torch.stack(versions))
        ordered.append(bool(scores[0] > scores[1] > scores[2]))
    assert len(ordered) > 3
    assert np.mean(ordered) > 0.8


def test_opening_it_moves_no_draw_of_the_users():
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    load_blind_quality()
    assert torch.rand(1) == wanted
