"""SparseRows: what dense rows give, without their zeros."""

from __future__ import annotations

import pytest
import torch
from scipy import sparse
from torch import Tensor

from crossbit.networks.rows import SparseRows, linear


@pytest.fixture
def dense() -> Tensor:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(9, 7, generator=rng) * (torch.rand(9, 7, generator=rng) < 0.3)
    x[4] = 0.0  # an item without words
    return x


@pytest.fixture
def rows(dense: Tensor) -> SparseRows:
    return SparseRows.of(sparse.csr_matrix(dense.numpy()))


PICKED = torch.tensor([3, 4, 4, 0, 8])


def test_it_holds_the_matrix(rows: SparseRows, dense: Tensor) -> None:
    assert rows.shape == dense.shape
    assert len(rows) == 9
    torch.testing.assert_close(rows.dense(), dense)


def test_picked_rows_may_repeat_and_be_empty(rows: SparseRows, dense: Tensor) -> None:
    torch.testing.assert_close(rows[PICKED].dense(), dense[PICKED])
    torch.testing.assert_close(rows[PICKED][torch.tensor([2, 0])].dense(), dense[PICKED[[2, 0]]])
    mask = torch.arange(9) % 2 == 0
    torch.testing.assert_close(rows[mask].dense(), dense[mask])
    assert rows[torch.arange(0)].dense().shape == (0, 7)


@pytest.mark.parametrize("size", [2, 3, 100])
def test_runs_cover_all_rows_in_order(rows: SparseRows, dense: Tensor, size: int) -> None:
    parts = rows.split(size)
    assert max(map(len, parts)) <= size
    torch.testing.assert_close(torch.cat([part.dense() for part in parts]), dense)


def test_products_and_their_gradients_are_the_dense_ones(rows: SparseRows, dense: Tensor) -> None:
    found, expected = [], []
    for x, out in (rows[PICKED], found), (dense[PICKED], expected):
        weight = torch.linspace(-1, 1, 35).view(5, 7).requires_grad_(True)
        bias = torch.ones(5, requires_grad=True)
        y = linear(x, weight, bias)
        y.square().sum().backward()
        out += [y, weight.grad, bias.grad, x @ weight.detach().T]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
