import copy
import pickle
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from hirl_env.quality import Measure, measures, psnr, ssim, weighted


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(4, 3, 24, 20, generator=generator)
    return (reference + 0.1 * torch.randn(reference.shape, generator=generator)).clamp(0, 1), reference


def test_psnr_is_the_known_formula(pair):
    expected = [peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1) for a, b in zip(*pair, strict=True)]
    assert np.allclose(psnr(*pair), expected, atol=1e-4)
    assert psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1)).item() == pytest.approx(20)


def test_equal_images_score_the_caps(pair):
    assert psnr(pair[1], pair[1]).tolist() == [100.0] * 4
    assert ssim(pair[1], pair[1]).tolist() == pytest.approx([1.0] * 4)


def test_noise_costs_similarity(pair):
    assert (ssim(*pair) < 0.95).all()


def test_ssim_says_how_large_pictures_must_be():
    with pytest.raises(ValueError, match="at least 11x11 pixels, got 20x10"):
        ssim(torch.rand(1, 3, 10, 20), torch.rand(1, 3, 10, 20))


@pytest.mark.parametrize("which", [0, 1])
def test_a_measure_that_writes_into_its_images_is_named(which, pair):
    def through_numpy(*images):
        images[which].numpy()[...] *= 0.5
        return images[which].mean((1, 2, 3))

    for function in (lambda *images: images[which].mul_(0.5).mean((1, 2, 3)), through_numpy):
        with pytest.raises(ValueError, match="'careless' writes into the images"):
            Measure("careless", function).score(*pair)


@pytest.mark.parametrize("name", ["psnr + 2*ssim", "vif", "fsim", "vsi", "mdsi", "haarpsi", "gmsd", "psnr + 10*gmsd"])
def test_measures_can_be_pickled(name):
    measure, images, references = measures.resolve(name), torch.rand(1, 3, 48, 48), torch.rand(1, 3, 48, 48)
    again = pickle.loads(pickle.dumps(measure))
    assert torch.equal(again.score(images, references), measure.score(images, references))


def test_copies_of_a_blind_measure_share_its_network():
    measure = measures.resolve("hirl-biqa")
    assert copy.deepcopy(measure).function is measure.function


def test_references_are_asked_for():
    with pytest.raises(ValueError, match="'psnr' compares with a reference"):
        measures.resolve("psnr").score(torch.rand(1, 3, 4, 4))


def test_functions_are_measures_and_their_scores_are_checked():
    def brightness(images, references):
        return images.mean(dim=(1, 2, 3))

    measure = measures.resolve(brightness)
    assert measure.name == "brightness"
    assert measure.score(torch.ones(2, 3, 4, 4)).tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"one score per image, a tensor \(2,\); got \(\)"):
        Measure("wrong", lambda images, references: images.mean()).score(torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
    with pytest.raises(ValueError, match="not finite"):
        measures.resolve(lambda images, references: brightness(images, None) / 0).score(torch.ones(1, 3, 4, 4))


def test_functions_of_this_package_need_the_reference_that_they_compare_with():
    for name in ("psnr", "ssim", "fsim"):
        measure = measures.resolve(name)
        assert measures.resolve(measure.function).name == name
        assert measures.resolve(measure.function).needs_reference


def test_a_network_is_a_measure_and_numbers_are_not():
    class Blind(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(48, 1)

        def forward(self, images, references):
            assert references is None
            return self.layer(images.flatten(1))[:, 0]

    network, images = Blind(), torch.rand(2, 3, 4, 4)
    measure = measures.resolve(network)
    assert measure.name == "Blind"
    assert measure.function is network
    assert not measure.needs_reference
    assert not measure.score(images).requires_grad
    assert torch.equal(measure.score(images), network(images, None))
    with pytest.raises(ValueError, match="got float"):
        measures.resolve(lambda images, references: 1.0).score(torch.rand(2, 3, 4, 4))
    with pytest.raises(ValueError, match="a measure must be a name or a Measure, got 5"):
        measures.resolve(5)


def test_an_unknown_measure():
    with pytest.raises(ValueError, match="unknown measure 'pnsr'; known are: psnr, psnr-50, ssim"):
        measures.resolve("pnsr")


def test_a_package_that_is_missing_is_named_before_anything_is_scored(monkeypatch):
    monkeypatch.setitem(sys.modules, "piq", None)
    for name in ("ssim", "0.5*psnr + vif"):
        with pytest.raises(ImportError, match=r"piq .*pip install 'hirl-restore\[measures\]'"):
            measures.resolve(name)
    assert measures.resolve("psnr").name == "psnr"


def test_images_and_references_of_two_shapes():
    with pytest.raises(ValueError, match=r"'psnr': images \(1, 3, 4, 4\) and references \(1, 3, 4, 5\) differ"):
        measures.resolve("psnr").score(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))


def test_a_module_of_images_and_references_follows_the_images():
    class Distance(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1, device="meta"))
            self.moved_to = []

        def to(self, device):
            self.moved_to.append(torch.device(device).type)
            return self.to_empty(device=device)

        def forward(self, images, references):
            return -(images - references).abs().mean((1, 2, 3))

    module = Distance()
    measure = Measure("distance", module)
    for _ in range(2):
        assert measure.score(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)).tolist() == [-1, -1]
    assert module.moved_to == ["cpu"]


class TestWeightedSums:
    def test_a_sum_is_the_sum_of_its_parts(self, pair):
        expected = 0.5 * psnr(*pair) + 10 * ssim(*pair)
        for measure in (
            weighted({"psnr": 0.5, "ssim": 10}),
            weighted({measures.resolve("psnr"): 0.5, "ssim": 10}),
            measures.resolve("0.5*psnr + 10*ssim"),
            measures.resolve(" .5 * psnr+1e+1*ssim"),
        ):
            assert measure.name == "0.5*psnr + 10*ssim"
            assert measure.needs_reference
            assert measure.smallest == 11
            assert torch.allclose(measure.score(*pair), expected)
        assert torch.allclose(measures.resolve("psnr + -2*ssim").score(*pair), psnr(*pair) - 2 * ssim(*pair))
        assert measures.resolve("vif+ms-ssim").name == "1*vif + 1*ms-ssim"

    def test_it_needs_a_reference_where_a_part_does(self):
        def brightness(images, references):
            return images.mean(dim=(1, 2, 3))

        blind = measures.resolve(brightness)
        assert weighted({blind: 2}).score(torch.ones(2, 3, 4, 4)).tolist() == [2, 2]
        mixed = weighted({blind: 2, "psnr": 1})
        with pytest.raises(ValueError, match=r"'2\*brightness \+ 1\*psnr' compares with a reference"):
            mixed.score(torch.ones(2, 3, 4, 4))
        assert mixed.score(torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4)).tolist() == [102]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("0.5*pnsr + ssim", "unknown measure 'pnsr'; known are: psnr, psnr-50, ssim"),
            ("psnr +", r"'psnr \+' is no sum of measures; write it like '0.5\*psnr \+ 10\*ssim'"),
            ("psnr*0.5", "is no sum of measures"),
            ("+psnr", "is no sum of measures"),
            ("2**psnr", "is no sum of measures"),
            ("psnr - 2*ssim", "is no sum of measures"),
            ("psnr + 2*psnr", "names 'psnr' twice"),
            ("1e999*psnr", "weight of measure 'psnr' must be a finite number, got inf"),
            ("0.5 psnr", "unknown measure '0.5 psnr'"),
        ],
    )
    def test_mistakes(self, text, message):
        with pytest.raises(ValueError, match=message):
            measures.resolve(text)

    def test_an_environment_takes_one_by_its_text(self, folder):
        made = {"images": str(folder), "reward": "0.5*psnr + 10*ssim", "crop_size": 16, "degradation": "moderate"}
        env = gym.make("HIRL-Restore-v0", **made)
        assert gym.envs.registration.EnvSpec.from_json(env.spec.to_json()).kwargs["reward"] == made["reward"]
        _, info = env.reset(seed=0)
        first, total = info["score"], 0.0
        for _ in range(3):
            _, reward, _, _, info = env.step(env.action_space.sample())
            total += reward
        assert total == pytest.approx(info["score"] - first)
        assert info["score"] > 0.5 * info["psnr"]

    def test_nothing_to_add_up(self):
        with pytest.raises(ValueError, match="at least one measure"):
            weighted({})
