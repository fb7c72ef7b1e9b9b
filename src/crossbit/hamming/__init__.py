"""Exact Hamming search: nearest k, all within a radius, and the histogram that metrics read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import ConfigError, DataError
from crossbit.hamming import numpy_kernel as kernel
from crossbit.hamming.labels import label_sets

__all__ = ["histogram", "topk", "within"]

T = TypeVar("T")


def topk(
    queries: Codes | np.ndarray,
    database: Codes | np.ndarray,
    k: int,
    *,
    threads: int = 1,
    allowed: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest database codes of every query, nearest first.

    Parameters
    ----------
    queries, database : Codes or (n, bytes) uint8
        Packed codes of one length.
    k : int
        At least 1. If fewer items are there (or allowed), all of them are returned.
    threads : int
        Threads that share the queries; the result does not depend on it.
    allowed : (n,) bool or (m,) int, optional
        A mask or the positions of the database items to search.

    Returns
    -------
    distances : (q, k') int32
    positions : (q, k') int64
        Rows of the database; equal distances in the order of positions. k' = min(k, items).

    Raises
    ------
    DataError
        If the codes differ in length or `allowed` does not fit the database.
    ConfigError
        If k or threads is not a whole number from 1 up.

    Notes
    -----
    O(q n bits / 64) time; memory beyond the result is one bounded block, whatever q and n are.
    """
    _at_least("k", k, 1)
    q, d = _words(queries, database)
    if allowed is None:
        rows = None
    else:
        rows = _positions(allowed, len(d))
        d = d[rows]
    parts = _share(q, threads, lambda part: kernel.topk(part, d, k))
    distances = np.concatenate([part[0] for part in parts])
    positions = np.concatenate([part[1] for part in parts])
    return distances, positions if rows is None else rows[positions]


def within(
    queries: Codes | np.ndarray,
    database: Codes | np.ndarray,
    radius: int,
    *,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all database codes at a distance of at most `radius` from every query.

    Returns
    -------
    offsets : (q + 1,) int64
        The hits of query i are ``offsets[i]:offsets[i + 1]``.
    positions : (hits,) int64
        Nearest first, equal distances in the order of positions.
    distances : (hits,) int32

    Raises
    ------
    DataError
        If the codes differ in length.
    ConfigError
        If `radius` is negative or threads is not a whole number from 1 up.

    Notes
    -----
    O(q n bits / 64) time; memory grows with the number of hits only.
    """
    _at_least("radius", radius, 0)
    q, d = _words(queries, database)
    parts = _share(q, threads, lambda part: kernel.within(part, d, radius))
    counts = np.concatenate([part[0] for part in parts])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    positions = np.concatenate([part[1] for part in parts])
    return offsets, positions, np.concatenate([part[2] for part in parts])


def histogram(
    queries: Codes | np.ndarray,
    database: Codes | np.ndarray,
    query_labels: Any,
    database_labels: Any,
    *,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Count, per query and distance, the database items and the relevant ones among them.

    Parameters
    ----------
    queries, database : Codes or (n, bytes) uint8
        Packed codes of one length.
    query_labels, database_labels : (n, c) boolean CSR or array, or (n,) int class ids
        Two items are relevant to each other if they share a label. An empty row or a negative
        class id shares none.
    threads : int
        Threads that share the queries; the result does not depend on it.

    Returns
    -------
    relevant, total : (q, bits + 1) int64
        Column d counts the items at distance d: what `crossbit.metrics` computes from.

    Raises
    ------
    DataError
        If the codes differ in length, or the labels do not fit the codes or one another.
    ConfigError
        If threads is not a whole number from 1 up.

    Notes
    -----
    One pass, O(q n (bits + c) / 64) time; nothing of size q x n is ever held.
    """
    q, d = _words(queries, database)
    q_sets, d_sets = label_sets(query_labels, database_labels, len(q), len(d))
    bits = _packed(queries, "queries").shape[1] * 8

    def work(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return kernel.histogram(q[part], d, q_sets[part], d_sets, bits)

    parts = _share(np.arange(len(q)), threads, work)
    relevant = np.concatenate([part[0] for part in parts])
    return relevant, np.concatenate([part[1] for part in parts])


def _share(queries: np.ndarray, threads: int, work: Callable[[np.ndarray], T]) -> list[T]:
    """Cut the queries into one part per thread; NumPy frees the interpreter while it counts."""
    _at_least("threads", threads, 1)
    parts = np.array_split(queries, min(threads, max(len(queries), 1)))
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(work, parts))


def _words(
    queries: Codes | np.ndarray, database: Codes | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    q, d = _packed(queries, "queries"), _packed(database, "database")
    if q.shape[1] != d.shape[1]:
        raise DataError(
            f"query codes have {q.shape[1] * 8} bits and database codes {d.shape[1] * 8}; "
            "encode both with the same model"
        )
    return kernel.as_words(q), kernel.as_words(d)


def _packed(codes: Codes | np.ndarray, name: str) -> np.ndarray:
    packed = codes.packed if isinstance(codes, Codes) else np.asarray(codes)
    if packed.ndim != 2 or packed.dtype != np.uint8 or packed.shape[1] == 0:
        raise DataError(
            f"{name} must be Codes or packed (n, bits / 8) uint8, "
            f"got {packed.dtype} {packed.shape}; pack bits with Codes.pack"
        )
    return packed


def _positions(allowed: np.ndarray, n: int) -> np.ndarray:
    """Return sorted distinct row numbers: ties then still go to the smallest position."""
    allowed = np.asarray(allowed)
    if allowed.dtype == np.bool_:
        if allowed.shape != (n,):
            raise DataError(f"the mask of allowed items has shape {allowed.shape}, not ({n},)")
        return np.flatnonzero(allowed)
    if allowed.ndim != 1 or (allowed.size and allowed.dtype.kind not in "iu"):
        raise DataError("allowed must be a mask or whole-number positions in the database")
    rows = np.unique(allowed.astype(np.int64))
    if rows.size and (rows[0] < 0 or rows[-1] >= n):
        raise DataError(f"allowed positions must be from 0 to {n - 1}, got {rows[0]}..{rows[-1]}")
    return rows


def _at_least(name: str, value: int, least: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise ConfigError(f"{name} must be a whole number from {least} up, got {value!r}")
