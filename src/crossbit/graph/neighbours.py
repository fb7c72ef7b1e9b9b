"""Exact nearest neighbours of every row among all others, by blocked matrix products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError, DataError
from crossbit.graph.blocks import Blocks
from crossbit.graph.geometry import METRICS, Geometry
from crossbit.graph.kept import Kept

__all__ = ["METRICS", "nearest"]

SPARE = 16  # candidates kept beyond k: as many may be as near as the k-th but for rounding
STRIP = 512  # rows of a table of products that are looked through at a time
SCANNED = 2048  # rows that are compared with all others in float64 at a time
PRECISION = 1e-3  # of a distance: what rounding may make of it without it being measured anew


def nearest(
    rows: Blocks | np.ndarray | sparse.csr_matrix,
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
    rows = rows if isinstance(rows, Blocks) else Blocks.of(rows)
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if k >= rows.n:
        raise DataError(
            f"{k} nearest neighbours need more than {k} rows, there are {rows.n}; lower k"
        )
    geometry = Geometry.of(rows, metric)
    report = progress or (lambda done: None)
    kept = Kept(rows.n, min(k + SPARE, rows.n - 1))
    _search(geometry, kept, report)
    positions = np.empty((rows.n, k), dtype=np.int32)
    far = np.empty((rows.n, k), dtype=np.float32)
    open_rows = []
    for block in rows.blocks():
        positions[block], far[block], settled = _settle(geometry, kept, block, k)
        open_rows.append(block.start + np.flatnonzero(~settled))
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


def _search(geometry: Geometry, kept: Kept, report: Callable[[float], None]) -> None:
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
    geometry: Geometry, kept: Kept, block: slice, k: int
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
    settled = closed | (far[:, -1] < lower[:, -1]) | (width == geometry.rows.n - 1)
    return np.take_along_axis(at, order, axis=1), far, settled


def _scan(
    geometry: Geometry, at: np.ndarray, marks: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest of all rows, (r, k), to a few, themselves among them, and how far.

    By float64 products with all rows.
    """
    a = geometry.asking(at)
    kept = Kept(len(at), k, stable=True)
    for block in geometry.rows.blocks():  # in order, so that equally far rows go by position
        table = geometry.scanned(a, at, block, marks)
        kept.offer(table, slice(0, len(at)), block.start)
    found = kept.positions
    far = geometry.measured(np.repeat(at, k), found.ravel()).reshape(found.shape)
    order = np.lexsort((found, far), axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(far, order, axis=1)
