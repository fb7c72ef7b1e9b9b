"""Distances of rows: as sums over products, with their rounding error, and measured directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from crossbit.errors import ConfigError, DataError, suggest
from crossbit.networks.blocks import Blocks

__all__ = ["METRICS", "Geometry"]

METRICS = ("euclidean", "cosine")
UNIT = 2.0**-24  # largest relative rounding error of float32
# An inner product of d float32 numbers is off by more than this many sqrt(d) UNIT |a||b| with
# probability 2 exp(-8) per sum at most (Higham and Mary, SIAM J. Sci. Comput. 2019); matrix
# products, which sum in many short runs, stay a hundred times below.
DEVIATIONS = 4.0
NEAR = 1e-6  # of the squared lengths: below, float64 products are off by more than float32 shows
LARGEST = 1e37  # squared length; four times as much is still a float32
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

    def scanned(self, a: np.ndarray, at: np.ndarray, block: slice, marks: np.ndarray) -> np.ndarray:
        """Return far from rows `a` (prepared as float64), at positions `at`, to a block.

        (r, c) float32 from float64 products: equal for rows that are equally far, as what is off
        by rounding lies below float32's last digit. Nearer rows are measured; of those that are
        the same, by their `marks` (n,), there may be too many for it.
        """
        b = self.prepared(block, np.float64)
        scale = self.sizes[at, None] + self.sizes[None, block]
        far = scale - self.factor * (a @ b.T)
        near = far <= NEAR * scale
        same = marks[at, None] == marks[None, block]
        found = far.astype(np.float32)
        found[near & same] = 0.0
        line, column = np.nonzero(near & ~same)
        found[line, column] = self.measured(at[line], block.start + column)
        return found


def _directions(rows: np.ndarray) -> np.ndarray:
    """Return rows of length 1, float64; zeros stay zero."""
    wide = rows.astype(np.float64)
    # The largest number first: squares of very small ones would vanish.
    wide /= np.maximum(np.abs(wide).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    length = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    return np.asarray(wide / np.maximum(length, np.finfo(np.float64).tiny))
