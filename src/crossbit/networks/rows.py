"""Rows: the features of training items, dense or sparse, as a network's first layer takes them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

__all__ = ["Rows", "SparseRows", "dense", "linear"]


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Some rows of a sparse (n, d) matrix, read and multiplied without their zeros.

    A bag of words holds a handful of its thousands of words: a product with a (d, k) weight
    costs O(stored values k) instead of O(n d k), and so does its gradient.

    Attributes
    ----------
    columns, values : (s,) int64, float32
        Of the stored values, row by row.
    starts, lengths : (n,) int64
        Where a row's values begin, and how many it has.
    width : int
        d.
    """

    columns: Tensor
    values: Tensor
    starts: Tensor
    lengths: Tensor
    width: int

    @classmethod
    def of(cls, matrix: sparse.csr_matrix) -> SparseRows:
        """Take over a CSR matrix."""
        starts = torch.from_numpy(matrix.indptr.astype(np.int64))
        return cls(
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            starts[:-1],
            starts.diff(),
            int(matrix.shape[1]),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """The shape, (n, d)."""
        return len(self.starts), self.width

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Tensor) -> SparseRows:
        """Return the rows at some positions, (b,) int64."""
        lengths = self.lengths[rows]
        ends = lengths.cumsum(0)
        starts = ends - lengths
        source = torch.repeat_interleave(self.starts[rows] - starts, lengths)
        at = source + torch.arange(len(source))
        return SparseRows(self.columns[at], self.values[at], starts, lengths, self.width)

    def split(self, size: int) -> list[SparseRows]:
        """Return the rows in runs of at most `size`."""
        edges = [*range(0, len(self), size), len(self)]
        return [self[torch.arange(a, b)] for a, b in pairwise(edges)]

    def __matmul__(self, weight: Tensor) -> Tensor:
        """Return the product with a (d, k) weight, (n, k)."""
        return F.embedding_bag(
            self.columns, weight, self.starts, mode="sum", per_sample_weights=self.values
        )

    def dense(self) -> Tensor:
        """Return all rows, (n, d), zeros included."""
        row = torch.repeat_interleave(torch.arange(len(self)), self.lengths)
        return torch.zeros(self.shape).index_put_((row, self.columns), self.values, accumulate=True)


Rows = Tensor | SparseRows


def linear(x: Rows, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x W^T + b of rows (n, d), weight (k, d) and bias (k,)."""
    if isinstance(x, SparseRows):
        return x @ weight.t().contiguous() + bias
    return F.linear(x, weight, bias)


def dense(x: Rows) -> Tensor:
    """Return rows, (n, d), zeros included."""
    return x.dense() if isinstance(x, SparseRows) else x
