import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hirl_agents.rl_restore.network import RecurrentQ, SameConv2d, views


def test_parameter_count_is_the_published_one_and_a_second_bias():
    assert sum(value.numel() for value in RecurrentQ().parameters()) == 87_863 + 200


@pytest.mark.parametrize(("length", "padding"), [(63, (4, 4)), (64, (3, 4)), (5, (4, 4)), (1, (4, 4))])
def test_padding_is_tensorflows_same(length, padding):
    layer = SameConv2d(1, 1, 9, 2)
    image = torch.rand(1, 1, length, length)
    expected = F.conv2d(F.pad(image, (*padding, *padding)), layer.weight, layer.bias, stride=2)
    assert expected.shape[-1] == -(-length // 2)
    assert torch.equal(layer(image), expected)


def test_an_lstm_step_by_hand():
    """One unit, one feature, two tools: gates and values on paper."""
    q = RecurrentQ(n_tools=2, side=1, features=1, units=1)
    with torch.no_grad():
        q.lstm.weight_ih_l0.copy_(torch.tensor([[1, 0, 0.5], [0, 0, 0], [2, 0, -1], [0, 0, 0]]))
        q.lstm.weight_hh_l0.copy_(torch.tensor([[0.0], [1], [0], [0]]))
        q.lstm.bias_ih_l0.copy_(torch.tensor([0.0, 1, 0, 0]))
        q.q.weight.copy_(torch.tensor([[1.0], [-1], [0]]))
        q.q.bias.copy_(torch.tensor([0, 0, 0.25]))
        values, _ = q.remembered(torch.tensor([[[0.5], [1.0]]]), torch.tensor([[-1, 1]]))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    c = sigmoid(0.5) * np.tanh(1.0)
    h = sigmoid(0) * np.tanh(c)
    first = [h, -h, 0.25]
    c = sigmoid(1 + h) * c + sigmoid(1.0 + 0.5) * np.tanh(2.0 - 1.0)
    h = sigmoid(0) * np.tanh(c)
    assert np.allclose(values[0], [first, [h, -h, 0.25]], atol=1e-6)


def test_step_by_step_is_what_whole_episodes_are():
    torch.manual_seed(0)
    q = RecurrentQ(n_tools=4, side=16, units=8)
    torch.nn.init.normal_(q.q.weight)
    torch.nn.init.normal_(q.features.weight)
    images, last = torch.rand(3, 2, 3, 16, 16), torch.tensor([[-1, 2], [-1, 0], [-1, 3]])
    with torch.no_grad():
        whole, _ = q.remembered(q.seen(images.flatten(0, 1)).unflatten(0, (3, 2)), last)
        first, state = q(images[:, 0], last[:, 0])
        second, _ = q(images[:, 1], last[:, 1], state)
        forgetful, _ = q(images[:, 1], last[:, 1])
    assert torch.allclose(torch.stack([first, second], dim=1), whole, atol=1e-6)
    assert not torch.allclose(second, forgetful, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "places"),
    [
        ((8, 8), [(0, 0)]),
        ((9, 11), [(0, 1)]),
        ((8, 16), [(0, 0), (0, 8)]),
        ((13, 8), [(0, 0), (5, 0)]),
        ((3, 8), None),
    ],
)
def test_views_of_other_sizes(size, places):
    image = torch.arange(size[0] * size[1]).float().view(1, 1, *size).expand(1, 3, *size)
    crops = views(image, 8)
    if places is None:
        assert crops.shape == (1, 1, 3, 8, 8)
        assert crops[0, 0, 0, :, 0].tolist() == [0, 8, 16, 16, 8, 0, 0, 8]
        return
    expected = [image[0, :, top : top + 8, left : left + 8] for top, left in places]
    assert torch.equal(crops[0], torch.stack(expected))


def test_views_are_bounded_and_vote():
    assert views(torch.zeros(1, 3, 40 * 8, 8), 8).shape[1] == 16
    q = RecurrentQ(n_tools=2, side=8, units=4)
    torch.nn.init.normal_(q.q.weight)
    torch.nn.init.normal_(q.features.weight)
    images = torch.rand(2, 3, 8, 16)
    with torch.no_grad():
        both, state = q(images, torch.tensor([-1, -1]))
        each = [q(images[..., left : left + 8], torch.tensor([-1, -1]))[0] for left in (0, 8)]
    assert torch.allclose(both, (each[0] + each[1]) / 2, atol=1e-6)
    assert state[0].shape == (2, 2, 4), "every view has a memory of its own"


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        RecurrentQ(n_tools=0)
