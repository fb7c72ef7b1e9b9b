"""Distances of rows: as sums over products, with their rounding error, and measured directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError, DataError, suggest
from crossbit.graph.blocks import Blocks

__all__ = ["METRICS", "Geometry"]

METRICS = ("euclidean", "cosine")
UNIT = 2.0**-24  # largest relative rounding error of float32
# An inner product of d float32 numbers is off by more than this many sqrt(d) UNIT |a||b| with
# probability 2 exp(-8) per sum at most (Higham and Mary, SIAM J. Sci. Comput. 2019); matrix
# products, which sum in many short runs, stay a hundred times below.
DEVIATIONS = 4.0
NEAR = 1e-6  # of the squared lengths: below, float64 products are off by more than float32 shows
LARGEST = 1e37  # squared length; four times as much is still a float32
FEW = 0.05  # of a row's numbers: products by the stored ones alone are faster
LONGER = 4.0  # times as long, squared, as a row less the mean
PAIRS = 1 << 18  # numbers in a block of measured pairs: they stay in the cache


@dataclass(frozen=True, eq=False)
class Geometry:
    """How far rows are from each other; "far" is |a - b|^2, or 1 - a.b / (|a||b|) for "cosine".

    far(i, j) = size_i + size_j - factor a_i.a_j for the rows of `prepared`: the rows less their
    mean, whose distances are the same and whose products round less; for "cosine" rows of length
    1, where a row of zeros stays zero and is at distance 1 from every other.

    Attributes
    ----------
    sizes : (n,) float64
    slack : (n,) float64
        Products in float32 give far(i, j) up to slack_i + slack_j.
    """

    metric: str
    rows: Blocks
    centre: np.ndarray
    sizes: np.ndarray
    slack: np.ndarray

    @classmethod
    def of(cls, rows: Blocks, metric: str) -> Self:
        """Read the rows twice (once for "cosine") to find the mean and the lengths."""
        if metric not in METRICS:
            raise ConfigError(f"there is no metric {metric!r}{suggest(metric, METRICS)}")
        blocks, width = rows.blocks(), rows.width()
        share = UNIT * (DEVIATIONS * width**0.5 + 16)
        total = np.zeros(width)
        for block in blocks:
            total += rows.checked(block).sum(axis=0, dtype=np.float64)
        centre = (total / rows.n).astype(np.float32)
        if metric == "cosine":
            half = np.full(rows.n, 0.5)
            return cls(metric, rows, centre, half, half * share)
        sizes = np.empty(rows.n)
        for block in blocks:
            off = np.subtract(rows.read(block), centre, dtype=np.float64)
            sizes[block] = np.einsum("ij,ij->i", off, off)
        if sizes.max() > LARGEST:
            raise DataError(
                f"row {sizes.argmax()} is {sizes.max() ** 0.5:.1e} from the mean row, beyond "
                "float32's squares; scale the features down"
            )
        return cls(metric, rows, centre, sizes, sizes * share)

    @property
    def factor(self) -> float:
        """What products count."""
        return 1.0 if self.metric == "cosine" else 2.0

    def prepared(self, at: slice | np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
        """Return the rows whose products count, (b, d)."""
        found = self.rows.read(at)
        if self.metric == "cosine":
            return _directions(found).astype(dtype, copy=False)
        return np.subtract(found, self.centre, dtype=dtype)

    def lower(self) -> np.ndarray:
        """Return sizes less slack, (n,) float32: with them products give lower bounds of far."""
        return (self.sizes - self.slack).astype(np.float32)

    def measured(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return far of pairs of positions, (p,) float32, from differences in float64.

        Exactly 0 for equal rows, whatever their length. `one` is best sorted.
        """
        step = max(PAIRS // len(self.centre), 1)
        out = np.empty(len(one), dtype=np.float32)
        for start in range(0, len(one), step):
            part = slice(start, start + step)
            again, which = np.unique(one[part], return_inverse=True)
            out[part] = self._difference(
                self.rows.read(again)[which], self.rows.read(other[part].astype(np.int64))
            )
        return out

    def _difference(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if self.metric == "euclidean":
            gap = np.subtract(a, b, dtype=np.float64)
            return np.einsum("ij,ij->i", gap, gap)
        u, v = _directions(a), _directions(b)
        gap = u - v
        half = np.einsum("ij,ij->i", gap, gap) / 2
        half[~(a.any(axis=1) & b.any(axis=1))] = 1.0
        return np.round(half, 12)  # parallel rows of different lengths are at 1e-32, not at 0

    def asking(self, at: np.ndarray) -> np.ndarray | sparse.csr_matrix:
        """Return the rows at some positions as `scanned` takes them, float64 (r, d).

        CSR, and not less the mean, if few of their numbers are not zero: then products cost
        O(stored values) for each other row, not O(d).
        """
        found = self.rows.read(at)
        rows = _directions(found) if self.metric == "cosine" else found.astype(np.float64)
        if np.count_nonzero(rows) <= FEW * rows.size:
            stored = sparse.csr_matrix(rows)
            lengths = np.asarray(stored.multiply(stored).sum(axis=1)).ravel()
            # Longer rows would cancel out against the mean, and lose digits by it.
            if (lengths <= LONGER * self.sizes[at]).all():
                return stored
        return rows if self.metric == "cosine" else rows - self.centre

    def scanned(
        self, a: np.ndarray | sparse.csr_matrix, at: np.ndarray, block: slice, marks: np.ndarray
    ) -> np.ndarray:
        """Return far from rows `a` (of `asking`), at positions `at`, to a block.

        (r, c) float32 from float64 products: equal for rows that are equally far, as what is off
        by rounding lies below float32's last digit. Nearer rows are measured; of those that are
        the same, by their `marks` (n,), there may be too many for it.
        """
        b = self.prepared(block, np.float64)
        far: np.ndarray = a @ b.T
        if sparse.issparse(a) and self.metric != "cosine":
            far -= b @ self.centre  # (a - m).b, m the mean
        far *= -self.factor
        scale = self.sizes[at, None] + self.sizes[None, block]
        far += scale
        scale *= NEAR
        line, column = np.nonzero(far <= scale)
        found = far.astype(np.float32)
        same = marks[at[line]] == marks[block.start + column]
        found[line[same], column[same]] = 0.0
        line, column = line[~same], column[~same]
        found[line, column] = self.measured(at[line], block.start + column)
        return found


def _directions(rows: np.ndarray) -> np.ndarray:
    """Return rows of length 1, float64; zeros stay zero."""
    wide = rows.astype(np.float64)
    # The largest number first: squares of very small ones would vanish.
    wide /= np.maximum(np.abs(wide).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    length = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    return np.asarray(wide / np.maximum(length, np.finfo(np.float64).tiny))
