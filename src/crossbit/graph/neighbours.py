"""Exact nearest neighbours of every row among all others, by blocked matrix products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError, DataError, suggest
from crossbit.graph.blocks import BlockReader

__all__ = ["METRICS", "Geometry", "RunningTopK", "nearest"]

SPARE = 16  # candidates kept beyond k: as many may be as near as the k-th but for rounding
STRIP = 512  # rows of a table of products that are looked through at a time
SCANNED = 2048  # rows that are compared with all others in float64 at a time
PRECISION = 1e-3  # of a distance: what rounding may make of it without it being measured anew


def nearest(
    rows: BlockReader | np.ndarray | sparse.csr_matrix,
    k: int,
    *,
    metric: str = "euclidean",
    progress: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest other rows of each of n rows, nearest first.

    Products in float32 choose k + 16 candidates for each row by lower bounds of the distances.
    Where rounding could have changed order or choice, distances are measured anew from
    differences in float64; and where more rows than the spare candidates are as near as the k-th
    (rows that occur many times, texts without a common word) that row is compared with all others
    in float64. So the neighbours are those of float64 arithmetic on the given float32 numbers;
    rows whose squared distances (for "cosine": distances) are the same in float32 go by position.

    Time O(n^2 d), each pair of blocks multiplied once; up to four times as much if every row has
    to be compared in float64. Memory O(n k + b^2 + b d) beside the rows' own, for blocks of b rows,
    b <= 4,096 and b d <= 2^24: below 1 GiB for 200,000 x 4,096 and k = 50.

    Parameters
    ----------
    rows : Blocks, or (n, d) array, memory map or CSR matrix
        CSR is made dense a block at a time.
    metric : str
        "euclidean" or "cosine" (1 - the cosine; a row of zeros is at distance 1 from all).
    progress : callable, optional
        Told the fraction done, 0..1, now and then.

    Returns
    -------
    positions : (n, k) int32
    distances : (n, k) float32

    Raises
    ------
    ConfigError
        For an unknown metric or k < 1.
    DataError
        If there are not more than k rows, or a row holds NaN or infinity.
    """
    rows = rows if isinstance(rows, BlockReader) else BlockReader.of(rows)
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if k >= rows.n:
        raise DataError(
            f"{k} nearest neighbours need more than {k} rows, there are {rows.n}; lower k"
        )
    geometry = Geometry.of(rows, metric)
    report = progress or (lambda done: None)
    kept = RunningTopK(rows.n, min(k + SPARE, rows.n - 1))
    _search(geometry, kept, report)
    positions = np.empty((rows.n, k), dtype=np.int32)
    far = np.empty((rows.n, k), dtype=np.float32)
    open_rows = []
    for block in rows.blocks():
        positions[block], far[block], resolved = _settle(geometry, kept, block, k)
        open_rows.append(block.start + np.flatnonzero(~resolved))
    left = np.concatenate(open_rows)
    del kept
    if len(left):
        marks = rows.marks()
        # Equal rows have equal neighbours, each but itself: one is compared for all.
        _, first, group = np.unique(marks[left], return_index=True, return_inverse=True)
        for start in range(0, len(first), SCANNED):
            part = slice(start, start + SCANNED)
            found, distances = _scan(geometry, left[first[part]], marks, k + 1)
            line = np.flatnonzero((group >= start) & (group < start + SCANNED))
            at, which = left[line], group[line] - start
            others = found[which] != at[:, None]
            others[others.all(axis=1), k] = False
            positions[at] = found[which][others].reshape(len(at), k)
            far[at] = distances[which][others].reshape(len(at), k)
            report(0.9 + 0.1 * start / len(first))
    report(1.0)
    return positions, np.sqrt(far) if metric == "euclidean" else far


def _search(geometry: Geometry, kept: RunningTopK, report: Callable[[float], None]) -> None:
    """Offer to every row the lower bounds of its distances to all others."""
    blocks, lower = geometry.rows.blocks(), geometry.lower()
    pairs, done = len(blocks) * (len(blocks) + 1) // 2, 0
    size = blocks[0].stop
    # Lines a power of two apart share few places of the cache: transposing takes thrice as long.
    products = np.empty((size, size + 16), dtype=np.float32)
    for i, one in enumerate(blocks):
        a = geometry.prepared(one) * np.float32(-geometry.factor)
        for other in blocks[i:]:
            b = geometry.prepared(other)
            table = products[: len(a), : len(b)]
            np.matmul(a, b.T, out=table)
            if other is one:
                np.fill_diagonal(table, np.inf)
            for start in range(0, len(a), STRIP):
                strip = table[start : start + STRIP]
                first = one.start + start
                here = slice(first, first + len(strip))
                strip += lower[here, None]
                strip += lower[None, other]
                kept.offer(strip, here, other.start)
                if other is not one:
                    kept.offer(np.ascontiguousarray(strip.T), other, first)
            done += 1
            report(0.9 * done / pairs)


def _settle(
    geometry: Geometry, kept: RunningTopK, block: slice, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the block's neighbours (b, k), how far they are, and which rows (b,) are certain."""
    order = np.argsort(kept.values[block], axis=1)
    lower = np.take_along_axis(kept.values[block], order, axis=1).astype(np.float64)
    at = np.take_along_axis(kept.positions[block], order, axis=1)
    error = geometry.slack[block, None] + geometry.slack[at]
    far, reach = lower + error, np.maximum.accumulate(lower + 2 * error, axis=1)
    # Candidates whose intervals overlap, directly or through others, have no certain order.
    linked = lower[:, 1:] <= reach[:, :-1]
    ends = ~linked[:, k - 1 :]
    width = at.shape[1]
    closed = ends.any(axis=1)
    end = np.where(closed, k + ends.argmax(axis=1), width) if width > k else np.full(len(at), k)
    unsure = error > PRECISION * far
    unsure[:, 1:] |= linked
    unsure[:, :-1] |= linked
    unsure &= np.arange(width) < end[:, None]
    row, column = np.nonzero(unsure)
    far = far.astype(np.float32)
    far[row, column] = geometry.measured(block.start + row, at[row, column])
    far = np.maximum(far, 0)
    far[np.arange(width) >= end[:, None]] = np.inf
    order = np.lexsort((at, far), axis=1)[:, :k]
    far = np.take_along_axis(far, order, axis=1)
    # Whatever was not kept is at least as far as the last candidate's lower bound.
    resolved = closed | (far[:, -1] < lower[:, -1]) | (width == geometry.rows.n - 1)
    return np.take_along_axis(at, order, axis=1), far, resolved


def _scan(
    geometry: Geometry, at: np.ndarray, marks: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest of all rows, (r, k), to a few, themselves among them, and how far.

    By float64 products with all rows.
    """
    a = geometry.asking(at)
    kept = RunningTopK(len(at), k, stable=True)
    for block in geometry.rows.blocks():  # in order, so that equally far rows go by position
        table = geometry.scanned(a, at, block, marks)
        kept.offer(table, slice(0, len(at)), block.start)
    found = kept.positions
    far = geometry.measured(np.repeat(at, k), found.ravel()).reshape(found.shape)
    order = np.lexsort((found, far), axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(far, order, axis=1)


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
    rows: BlockReader
    centre: np.ndarray
    sizes: np.ndarray
    slack: np.ndarray

    @classmethod
    def of(cls, rows: BlockReader, metric: str) -> Self:
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


class RunningTopK:
    """The `width` smallest values of each of n rows, with the positions that they came from.

    Parameters
    ----------
    stable : bool
        Keep values in order, and of equal ones those that were offered first; else any of them,
        in any order, which is several times as fast.

    Attributes
    ----------
    values : (n, width) float32, infinite where too few were offered
    positions : (n, width) int32, -1 there
    worst : (n,) float32
        The largest value of each row: nothing that is not below it can enter.
    """

    def __init__(self, n: int, width: int, *, stable: bool = False) -> None:
        self.values = np.full((n, width), np.inf, dtype=np.float32)
        self.positions = np.full((n, width), -1, dtype=np.int32)
        self.worst = np.full(n, np.inf, dtype=np.float32)
        self.stable = stable

    def offer(self, table: np.ndarray, rows: slice, first: int) -> None:
        """Take what is small enough of `table`, (r, c) float32: c new values of each row.

        Column j belongs to position `first` + j. One comparison per value, and
        O(width + newly taken) for each row that takes any.
        """
        mask = table < self.worst[rows, None]
        count = np.count_nonzero(mask, axis=1)
        touched = np.flatnonzero(count)
        if not len(touched):
            return
        width, count = self.values.shape[1], count[touched]
        changed = rows.start + touched
        # One line per row: what it had, then what is new, then nothing.
        shape = (len(touched), width + int(count.max()))
        values = np.full(shape, np.inf, dtype=np.float32)
        positions = np.full(shape, -1, dtype=np.int32)
        values[:, :width], positions[:, :width] = self.values[changed], self.positions[changed]
        if shape[1] == width + table.shape[1]:  # a row that was empty takes all
            values[:, width:] = table[touched]
            positions[:, width:] = np.arange(first, first + table.shape[1])
        else:
            hits = np.flatnonzero(mask)
            line = np.repeat(np.arange(len(touched)), count)
            place = np.arange(len(hits)) - np.repeat(np.cumsum(count) - count, count)
            column = hits - touched[line] * table.shape[1]
            values[line, width + place] = table[touched[line], column]
            positions[line, width + place] = first + column
        if self.stable:
            best = np.argsort(values, axis=1, kind="stable")[:, :width]
        else:
            best = np.argpartition(values, width - 1, axis=1)[:, :width]
        self.values[changed] = np.take_along_axis(values, best, axis=1)
        self.positions[changed] = np.take_along_axis(positions, best, axis=1)
        self.worst[changed] = self.values[changed].max(axis=1)
