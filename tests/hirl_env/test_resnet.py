import pytest
import torch

from hirl_env.resnet import ResNet18


def test_width_64_with_batch_norm_is_the_published_resnet18():
    assert sum(value.numel() for value in ResNet18(64, "batch").parameters()) == 11_176_512
    assert ResNet18(16)(torch.rand(2, 3, 40, 56)).shape == (2, 128)


def test_it_is_torchvisions_network():
    """The same weights give the same features as torchvision's own ResNet-18 without its classifier."""
    from torchvision.models import resnet18

    theirs = resnet18()
    theirs.fc = torch.nn.Identity()
    ours = ResNet18(64, "batch")
    for mine, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        mine.copy_(other)
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(ours.eval()(images), theirs.eval()(4 * (images - 0.5)))


@pytest.mark.parametrize(
    ("arguments", "word"), [((12, "group"), "width"), ((0, "group"), "width"), ((8, "l2"), "norm")]
)
def test_bad_widths_and_norms_are_named(arguments, word):
    with pytest.raises(ValueError, match=word):
        ResNet18(*arguments)
