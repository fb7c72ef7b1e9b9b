"""Augmentation: each picture against the same changes made by loops over its pixels."""

from __future__ import annotations

import pytest
import torch

from crossbit.methods.adversarial.dshgan.generator import CUT, LIGHT, augment
from crossbit.networks.convolution import Shape, jitter


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("shape", [Shape(16, 3), Shape(28, 1)])
def test_pictures_are_moved_then_lit_then_cut(shape: Shape) -> None:
    size, colours = shape
    rows = torch.rand(5, size * size * colours, generator=rng()) * 2 - 1
    source = rng()
    moved = jitter(rows, shape, mirror=False, shift=size // 8, rng=source)
    light = torch.rand(5, 1, generator=source)
    middle = torch.rand(5, 2, generator=source) * size
    expected = moved.view(5, size, size, colours).clone()
    for k in range(5):
        for y in range(size):
            for x in range(size):
                down, across = (y + 0.5 - middle[k, 0]).abs(), (x + 0.5 - middle[k, 1]).abs()
                inside = max(down, across) < int(CUT * size) / 2
                lit = expected[k, y, x] + LIGHT * (2 * light[k] - 1)
                expected[k, y, x] = 0 if inside else lit
    found = augment(rows, shape, rng=rng())
    torch.testing.assert_close(found, expected.view_as(rows))
    assert not torch.equal(found[0] - found[0].mean(), found[1] - found[1].mean())


def test_a_cut_is_a_square_of_three_eighths_wherever_it_lies_inside() -> None:
    shape = Shape(32, 1)
    shown = augment(torch.full((400, 1024), 0.9), shape, rng=rng())
    cut = (shown == 0).sum(1)
    assert cut.max() == 12 * 12
    assert cut.min() >= 6 * 6 - 12  # its middle is in the picture
    assert (cut == 144).float().mean() > 0.25
    lit = shown.max(1).values
    assert lit.min() >= 0.9 - LIGHT
    assert lit.max() <= 0.9 + LIGHT
    assert lit.std() > 0.1


def test_gradients_reach_what_is_not_cut() -> None:
    shape = Shape(16, 1)
    rows = torch.zeros(3, 256, requires_grad=True)
    augment(rows, shape, rng=rng()).sum().backward()
    assert rows.grad is not None
    assert (rows.grad.sum(1) > 100).all()  # of 256, a cut of 36 at most taken away
