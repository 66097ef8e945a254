import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from hirl_env.tools.fast_arcnn import FastARCNN
from hirl_env.tools.ffdnet import FFDNet
from hirl_env.tools.rl_restore import LargeTool, SmallTool
from hirl_env.tools.sharpen import RADIUS, Sharpen
from hirl_env.tools.srcnn import SRCNN
from hirl_env.tools.srn import SRN
from hirl_env.tools.unet import UNet


def parameters(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def test_parameter_counts_are_the_published_ones():
    assert parameters(FFDNet()) == 852_108
    assert parameters(SRCNN()) == 69_251
    assert sum(value.numel() for name, value in FastARCNN().named_parameters() if value.ndim == 4) == 85_376
    assert parameters(SmallTool()) == 21_827
    assert parameters(LargeTool()) == 50_851
    assert parameters(SRN()) == 647_411


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16), (17, 30)])
@pytest.mark.parametrize("network", [FFDNet, FastARCNN, SRCNN, SRN, Sharpen, SmallTool, LargeTool])
def test_any_size_comes_back_as_it_went_in(network, size):
    images = torch.rand(2, 3, *size)
    arguments = (torch.tensor([15.0, 35.0]),) if network is FFDNet else ()
    with torch.no_grad():
        assert network()(images, *arguments).shape == images.shape


def test_ffdnet_takes_a_noise_level_per_image():
    torch.manual_seed(0)
    network, images = FFDNet().eval(), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        together = network(images, torch.tensor([15.0, 35.0]))
        alone = [network(images[i : i + 1], torch.tensor([sigma]))[0] for i, sigma in enumerate((15.0, 35.0))]
        other = network(images[:1], torch.tensor([35.0]))[0]
    assert torch.allclose(together, torch.stack(alone), atol=1e-6)
    assert not torch.allclose(together[0], other, atol=1e-6)


def test_srn_runs_coarse_to_fine():
    sizes = [result.shape[-2:] for result in SRN(4).pyramid(torch.rand(1, 3, 32, 48))]
    assert sizes == [(8, 12), (16, 24), (32, 48)]


def test_sharpen_is_the_published_formula():
    image = np.random.default_rng(0).random((40, 40))
    blurs = [gaussian_filter(image, sigma, mode="nearest", radius=RADIUS) for sigma in (1, 2, 4)]
    detail1, detail2, detail3 = image - blurs[0], blurs[0] - blurs[1], blurs[1] - blurs[2]
    expected = image + (1 - 0.5 * np.sign(detail1)) * detail1 + 0.5 * detail2 + 0.25 * detail3
    images = torch.from_numpy(image).float().expand(1, 3, 40, 40)
    assert np.allclose(Sharpen()(images)[0, 1], expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (8, 8), (13, 21), (1, 1), (40, 7)])
def test_a_unet_keeps_every_size(height, width):
    images, strengths = torch.rand(2, 3, height, width), torch.tensor([0.5, 2.0])
    assert UNet(width=8)(images, strengths).shape == images.shape


def test_a_unet_sees_the_strength_in_its_unit():
    torch.manual_seed(0)
    images, network = torch.rand(1, 3, 16, 16), UNet(width=8, unit=2.0)
    torch.nn.init.normal_(network.tail.weight)
    weak, strong = (network(images, torch.tensor([strength])) for strength in (1.0, 2.0))
    assert not torch.allclose(weak, strong)
    network.unit = 4.0
    assert torch.allclose(network(images, torch.tensor([4.0])), strong, atol=1e-5)
