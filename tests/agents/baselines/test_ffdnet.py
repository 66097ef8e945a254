"""FFDNet as its authors released it."""

import pytest
import torch

from hirl_agents.baselines.ffdnet import load_ffdnet
from hirl_env.tools.ffdnet import FFDNet


def test_it_is_the_network_of_the_file_without_our_skip(ffdnet_file):
    network = FFDNet()
    images, sigma = torch.rand(2, 3, 21, 34), torch.tensor([5.0, 50.0])
    with torch.no_grad():
        expected = network(images.mT, sigma).mT - images
        torch.testing.assert_close(load_ffdnet(ffdnet_file(network))(images, sigma), expected)


def test_loading_it_moves_no_draw_of_the_user(ffdnet_file):
    file = ffdnet_file(FFDNet())
    torch.manual_seed(0)
    load_ffdnet(file)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.rand(1) == after


def test_another_file_is_refused_in_one_line(ffdnet_file, tmp_path):
    (tmp_path / "text.mat").write_text("not HDF5")
    for file in (tmp_path / "missing.mat", tmp_path / "text.mat", ffdnet_file(FFDNet(width=8))):
        with pytest.raises(ValueError, match=rf"{file.name}: not FFDNet's weights \(.*\); give") as caught:
            load_ffdnet(file)
        assert "\n" not in str(caught.value)
