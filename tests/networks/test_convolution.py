"""Convolution: any size of picture, one code whatever the batch; moved and mirrored pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from crossbit.networks.convolution import ROWS, Convolution, Parts, Shape, jitter


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(shape: Shape, n: int) -> Tensor:
    return torch.randn(n, shape.size**2 * shape.colours, generator=rng(1))


@pytest.mark.parametrize("size", [1, 2, 5, 12, 33, 64])
@pytest.mark.parametrize("colours", [1, 3])
def test_pictures_of_any_size_come_out_as_bits(size: int, colours: int) -> None:
    shape = Shape(size, colours)
    net = Convolution(shape, 4, 16, rng=rng())
    assert net(pictures(shape, 3)).shape == (3, 16)
    assert net(pictures(shape, 0)).shape == (0, 16)


def test_a_code_does_not_depend_on_its_batch() -> None:
    shape = Shape(10, 3)
    net, x = Convolution(shape, 4, 8, rng=rng()), pictures(shape, ROWS + 5)
    whole = net(x)
    assert whole.shape == (ROWS + 5, 8)
    for row in (0, 1, ROWS - 1, ROWS, ROWS + 4):
        torch.testing.assert_close(net(x[row : row + 1])[0], whole[row], atol=1e-5, rtol=1e-4)


def test_one_seed_gives_one_network_whatever_the_global_generator_does() -> None:
    states = []
    for outer, seed in ((5, 3), (99, 3), (99, 4)):
        torch.manual_seed(outer)
        states.append(Convolution(Shape(8, 3), 4, 8, rng=rng(seed)).state_dict())
    a, b, c = states
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["first.0.weight"], c["first.0.weight"])
    assert not torch.equal(a["second.weight"], c["second.weight"])


def test_rows_are_read_as_pixels_writes_them() -> None:
    shape = Shape(4, 3)
    values = np.random.default_rng(0).random((2, 4, 4, 3)).astype(np.float32)  # row, column, colour
    images = shape.images(torch.from_numpy(values.reshape(2, -1)))
    for channel in range(3):
        np.testing.assert_array_equal(images[:, channel], values[..., channel])
    np.testing.assert_array_equal(shape.rows(images), values.reshape(2, -1))


def moved(image: np.ndarray, turn: bool, down: int, right: int) -> np.ndarray:
    """By loops: every pixel from its place in the picture, or the nearest on the border."""
    size = len(image)
    out = np.empty_like(image)
    for y in range(size):
        for x in range(size):
            column = min(max(x + right, 0), size - 1)
            out[y, x] = image[min(max(y + down, 0), size - 1), -1 - column if turn else column]
    return out


@pytest.mark.parametrize(("mirror", "shift"), [(True, 2), (True, 0), (False, 1), (False, 0)])
def test_each_picture_is_mirrored_and_moved_by_itself(mirror: bool, shift: int) -> None:
    shape = Shape(5, 3)
    x = pictures(shape, 120)
    found = jitter(x, shape, mirror=mirror, shift=shift, rng=rng())
    steps = range(-shift, shift + 1)
    ways = [(t, d, r) for t in {False, mirror} for d in steps for r in steps]
    seen = set()
    for before, after in zip(x.numpy(), found.numpy(), strict=True):
        image, result = before.reshape(5, 5, 3), after.reshape(5, 5, 3)
        (way,) = [w for w in ways if np.array_equal(moved(image, *w), result)]
        seen.add(way)
    assert len(seen) > 0.7 * len(ways)


@pytest.mark.parametrize("sides", [(4, 8), (8, 8), (5, 8), (3, 12), (1, 1)])
def test_parts_are_the_means_of_equal_parts(sides: tuple[int, int]) -> None:
    maps = torch.randn(3, 2, *sides, generator=rng())
    expected = torch.nn.functional.adaptive_avg_pool2d(maps, 4)
    torch.testing.assert_close(Parts()(maps), expected)
    if not sides[0] % 4 and not sides[1] % 4:
        parts = maps.numpy().reshape(3, 2, 4, sides[0] // 4, 4, sides[1] // 4)
        np.testing.assert_allclose(Parts()(maps), parts.mean((3, 5)), rtol=1e-5, atol=1e-6)
