"""The Hamming kernels in NumPy, on codes as rows of 64-bit words, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["as_words", "histogram", "topk", "within"]

BLOCK = 1 << 17  # pairs at a time: the temporaries of a block (about 3 MB) stay in the cache
SHIFT = 1 << 48  # distance * SHIFT + position sorts by distance, then position, in one int64


def as_words(packed: np.ndarray) -> np.ndarray:
    """Return (n, bytes) uint8 codes as (n, words) uint64, padded with zero bytes."""
    n, width = packed.shape
    if width % 8:
        padded = np.zeros((n, -(-width // 8) * 8), dtype=np.uint8)
        padded[:, :width] = packed
        packed = padded
    return np.ascontiguousarray(packed).view(np.uint64)


def topk(queries: np.ndarray, database: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distances int32 and positions int64, both (q, min(k, n)), nearest first."""
    k = min(k, len(database))
    best = np.empty((len(queries), k), dtype=np.int64)
    for rows, parts in _blocks(len(queries), len(database), wide=k):
        kept = np.empty((rows.stop - rows.start, 0), dtype=np.int64)
        for columns in parts:
            key = _distances(queries[rows], database[columns]).astype(np.int64)
            key *= SHIFT
            key += np.arange(columns.start, columns.stop)
            kept = np.concatenate([kept, key], axis=1) if kept.size else key
            if kept.shape[1] > k:
                kept = np.partition(kept, k - 1, axis=1)[:, :k]
        best[rows] = np.sort(kept, axis=1)
    return (best // SHIFT).astype(np.int32), best % SHIFT


def within(
    queries: np.ndarray, database: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hits per query (q,), then positions int64 and distances int32 of all hits."""
    found_rows, found_positions, found_distances = [], [], []
    for rows, parts in _blocks(len(queries), len(database)):
        for columns in parts:
            distances = _distances(queries[rows], database[columns])
            row, column = np.nonzero(distances <= radius)
            found_rows.append(row + rows.start)
            found_positions.append(column + columns.start)
            found_distances.append(distances[row, column])
    row = _joined(found_rows, np.int64)
    position, distance = _joined(found_positions, np.int64), _joined(found_distances, np.int32)
    order = np.lexsort((distance, row))  # stable: equal ones stay in the order of positions
    counts = np.bincount(row, minlength=len(queries))
    return counts, position[order], distance[order]


def histogram(
    queries: np.ndarray,
    database: np.ndarray,
    query_sets: np.ndarray,
    database_sets: np.ndarray,
    bits: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return relevant and total counts by distance, both (q, bits + 1) int64."""
    buckets = bits + 1
    counts = np.zeros((len(queries), 2, buckets), dtype=np.int64)
    for rows, parts in _blocks(len(queries), len(database)):
        first = np.arange(rows.stop - rows.start)[:, None] * (2 * buckets)
        for columns in parts:
            key = _distances(queries[rows], database[columns])
            related = _intersect(query_sets[rows], database_sets[columns])
            key += related.view(np.uint8) * np.uint16(buckets)
            flat = np.add(key, first, dtype=np.intp).ravel()
            found = np.bincount(flat, minlength=counts[rows].size)
            counts[rows] += found.reshape(-1, 2, buckets)
    return counts[:, 1].copy(), counts.sum(axis=1)


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
    columns = min(max(n, 1), max(BLOCK // 16, wide))
    rows = max(BLOCK // columns, 1)
    parts = [slice(start, min(start + columns, n)) for start in range(0, n, columns)]
    for start in range(0, q, rows):
        yield slice(start, min(start + rows, q)), parts


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype=dtype)
