"""The Hamming kernel in NumPy, on codes as rows of 64-bit words, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

__all__ = ["NumpyKernel"]

BLOCK = 1 << 17  # pairs at a time: the temporaries of a block (about 3 MB) stay in the cache
SHIFT = 1 << 48  # distance * SHIFT + position sorts by distance, then position, in one int64


class NumpyKernel:
    """The same operations with the same results as the C kernels, where these are missing."""

    name = "numpy"

    def topk(
        self, queries: np.ndarray, database: np.ndarray, k: int, mask: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return distances int32 and positions int64, (q, k); k is at most the items allowed."""
        rows = None if mask is None else np.flatnonzero(mask)
        q, d = _words(queries), _words(database if rows is None else database[rows])
        best = np.empty((len(q), k), dtype=np.int64)
        for some, parts in _blocks(len(q), len(d), wide=k):
            kept = np.empty((some.stop - some.start, 0), dtype=np.int64)
            for columns in parts:
                key = _distances(q[some], d[columns]).astype(np.int64)
                key *= SHIFT
                key += np.arange(columns.start, columns.stop)
                kept = np.concatenate([kept, key], axis=1) if kept.size else key
                if kept.shape[1] > k:
                    kept = np.partition(kept, k - 1, axis=1)[:, :k]
            best[some] = np.sort(kept, axis=1)
        positions = best % SHIFT
        return (best // SHIFT).astype(np.int32), positions if rows is None else rows[positions]

    def within(
        self, queries: np.ndarray, database: np.ndarray, radius: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return hits per query (q,), then positions int64 and distances int32 of all hits."""
        q, d = _words(queries), _words(database)
        found_rows, found_positions, found_distances = [], [], []
        for some, parts in _blocks(len(q), len(d)):
            for columns in parts:
                distances = _distances(q[some], d[columns])
                row, column = np.nonzero(distances <= radius)
                found_rows.append(row + some.start)
                found_positions.append(column + columns.start)
                found_distances.append(distances[row, column])
        row = _joined(found_rows, np.int64)
        position, distance = _joined(found_positions, np.int64), _joined(found_distances, np.int32)
        order = np.lexsort((distance, row))  # stable: equal ones stay in the order of positions
        return np.bincount(row, minlength=len(q)), position[order], distance[order]

    def relevance(
        self, query_labels: sparse.csr_matrix, database_labels: sparse.csr_matrix
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return both sides' label sets as bits: "do they share one" is an AND per 64 labels."""
        return _sets(query_labels), _sets(database_labels)

    def histogram(
        self,
        queries: np.ndarray,
        database: np.ndarray,
        query_side: np.ndarray,
        database_side: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return relevant and total counts by distance, both (q, bits + 1) int64."""
        buckets = queries.shape[1] * 8 + 1
        q, d = _words(queries), _words(database)
        counts = np.zeros((len(q), 2, buckets), dtype=np.int64)
        for some, parts in _blocks(len(q), len(d)):
            first = np.arange(some.stop - some.start)[:, None] * (2 * buckets)
            for columns in parts:
                key = _distances(q[some], d[columns])
                related = _intersect(query_side[some], database_side[columns])
                key += related.view(np.uint8) * np.uint16(buckets)
                flat = np.add(key, first, dtype=np.intp).ravel()
                found = np.bincount(flat, minlength=counts[some].size)
                counts[some] += found.reshape(-1, 2, buckets)
        return counts[:, 1].copy(), counts.sum(axis=1)


def _words(packed: np.ndarray) -> np.ndarray:
    """Return (n, bytes) uint8 codes as (n, words) uint64, padded with zero bytes."""
    n, width = packed.shape
    if width % 8:
        padded = np.zeros((n, -(-width // 8) * 8), dtype=np.uint8)
        padded[:, :width] = packed
        packed = padded
    return np.ascontiguousarray(packed).view(np.uint64)


def _sets(labels: sparse.csr_matrix) -> np.ndarray:
    """Return (n, words) uint64 with bit c % 64 of word c // 64 set for label c."""
    n, c = labels.shape
    words = np.zeros((n, max(-(-c // 64), 1)), dtype=np.uint64)
    entries = labels.tocoo()
    bit = np.left_shift(np.uint64(1), (entries.col % 64).astype(np.uint64))
    np.bitwise_or.at(words, (entries.row, entries.col // 64), bit)
    return words


def _distances(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """Return the Hamming distances of all pairs of a block, (q, d) uint16."""
    total = np.zeros((len(queries), len(database)), dtype=np.uint16)
    for word in range(queries.shape[1]):
        total += np.bitwise_count(queries[:, None, word] ^ database[None, :, word])
    return total


def _intersect(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """Return which pairs of label sets share a member, (q, d) bool."""
    shared = queries[:, None, 0] & database[None, :, 0]
    for word in range(1, queries.shape[1]):
        shared |= queries[:, None, word] & database[None, :, word]
    return shared != 0


def _blocks(q: int, n: int, wide: int = 1) -> Iterator[tuple[slice, list[slice]]]:
    """Yield slices of the queries, each with the slices of the database to go through.

    A slice of the database is at least `wide` items (as top-k keeps k per query anyway).
    """
    columns = min(max(n, 1), max(BLOCK // 16, wide, 1))
    rows = max(BLOCK // columns, 1)
    parts = [slice(start, min(start + columns, n)) for start in range(0, n, columns)]
    for start in range(0, q, rows):
        yield slice(start, min(start + rows, q)), parts


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype=dtype)
