"""Streams and synthesiser: any size of picture, one trunk for all bits, classes that matter."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.methods.adversarial.dshgan.discriminator import MultiHeadDiscriminator
from crossbit.methods.adversarial.dshgan.generator import Doubling, ImageGenerator, ema_update
from crossbit.networks.convolution import ROWS, Shape

CLASSES = 3


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def streams(shape: Shape, bits: int = 8, seed: int = 0) -> MultiHeadDiscriminator:
    return MultiHeadDiscriminator(
        shape, 4, 10, bits, CLASSES, activation="relu", init_std=1.0, rng=rng(seed)
    )


def synthesiser(shape: Shape) -> ImageGenerator:
    return ImageGenerator(shape, CLASSES, 6, 4, rng=rng())


def pictures(shape: Shape, n: int) -> Tensor:
    return torch.rand(n, shape.size**2 * shape.colours, generator=rng(1)) * 2 - 1


@pytest.mark.parametrize("size", [2, 3, 5, 12, 28, 33, 64])
@pytest.mark.parametrize("colours", [1, 3])
def test_pictures_of_any_size_are_judged_and_drawn(size: int, colours: int) -> None:
    shape = Shape(size, colours)
    net, x = streams(shape), pictures(shape, 3)
    judged = net.judge(x)
    assert judged.bits.shape == (3, 8)
    assert judged.classes.shape == (3, CLASSES)
    torch.testing.assert_close(net(x), judged.bits)
    assert net(x[:0]).shape == (0, 8)
    drawn = synthesiser(shape).draw(torch.eye(CLASSES), rng())
    assert drawn.shape == (CLASSES, size * size * colours)
    assert drawn.abs().max() <= 1


def test_a_code_does_not_depend_on_its_batch() -> None:
    shape = Shape(10, 3)
    net, x = streams(shape), pictures(shape, ROWS + 5)
    whole = net(x)
    for row in (0, ROWS - 1, ROWS, ROWS + 4):
        torch.testing.assert_close(net(x[row : row + 1])[0], whole[row], atol=1e-5, rtol=1e-4)


def test_all_but_the_hash_stream_starts_equal_whatever_the_bits() -> None:
    short, long = (streams(Shape(8, 1), bits).state_dict() for bits in (8, 48))
    for name in short:
        assert name.startswith("second") or torch.equal(short[name], long[name])
    assert not torch.equal(short["first.0.weight"], streams(Shape(8, 1), 8, 1).first[0].weight)


def test_each_class_has_an_adversary_beside_the_common_one() -> None:
    net, x = streams(Shape(8, 1)), pictures(Shape(8, 1), 3)
    shared = net.judge(x).shared
    common = net.real(shared, None)
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    found = net.real(shared, labels)
    for row in range(3):
        own = sum(
            (net.projection.weight[:, k] @ shared[row]).item()
            for k in range(CLASSES)
            if labels[row, k]
        )
        assert found[row].item() == pytest.approx(common[row].item() + own, abs=1e-5)


def test_several_labels_have_the_mean_of_their_embeddings() -> None:
    net = synthesiser(Shape(8, 1)).eval()
    noise = torch.randn(1, net.noise, generator=rng())
    both = net(noise, torch.tensor([[1.0, 1.0, 0.0]]))
    with torch.no_grad():
        net.labels.weight[:, 2] = net.labels.weight[:, :2].mean(1)
    torch.testing.assert_close(net(noise, torch.tensor([[0.0, 0.0, 1.0]])), both)


def test_noise_and_labels_both_decide_the_picture() -> None:
    net = synthesiser(Shape(8, 1)).eval()
    same = torch.eye(CLASSES)[[0, 0, 1]]
    first, again = net.draw(same, rng()), net.draw(same, rng())
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    noise = torch.zeros(2, net.noise)
    drawn = net(noise, torch.eye(CLASSES)[[0, 1]])
    assert not torch.equal(drawn[0], drawn[1])


def test_the_average_follows_weights_and_running_figures_alike() -> None:
    net = synthesiser(Shape(8, 1))
    average = copy.deepcopy(net)
    net.draw(torch.eye(CLASSES), rng())  # moves the running means of the normalisation
    with torch.no_grad():
        net.start.bias += 1
    before = copy.deepcopy(average.state_dict())
    ema_update(average, net, 0.25)
    moved = 0
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            new = net.state_dict()[name]
            torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * new)
            moved += not torch.equal(value, before[name])
    assert moved >= 3


def test_doubling_is_a_convolution_over_equal_neighbours() -> None:
    layer, maps = Doubling(3, 5), torch.randn(2, 3, 7, 4, generator=rng())
    torch.nn.init.normal_(layer.weight, generator=rng(1))
    torch.nn.init.normal_(layer.bias, generator=rng(2))
    larger = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
    weight = layer.weight.transpose(0, 1).flip(2, 3)  # a deconvolution reads it backwards
    expected = F.conv2d(larger, weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(maps), expected, atol=1e-5, rtol=1e-4)


def test_doubling_draws_no_chequers_on_an_even_ground() -> None:
    layer = Doubling(3, 5)
    torch.nn.init.normal_(layer.weight, generator=rng(1))
    inner = layer(torch.ones(1, 3, 6, 6))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner, inner[:, :, :1, :1].expand_as(inner), atol=1e-5, rtol=1e-4)
