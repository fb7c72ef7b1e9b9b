"""Exact Hamming search: nearest k, all within a radius, and the histogram that metrics read.

The work is done by a small C extension, in the fastest form that the CPU runs: "avx512" (with
VPOPCNTDQ, VBMI and VBMI2: Intel from Ice Lake on, AMD from Zen 4 on), "avx2" or "portable". Where
the extension was not built, "numpy" gives the same results many times slower, and one warning says
so. `kernel_name` tells which one works; CROSSBIT_KERNEL in the environment chooses another.

Time grows with queries x database x bits / 64; threads divide it. A single query is bound by
memory: the database is read once. For more, blocks of the database that fit the cache pass all
queries. Codes are read where they lie, also from a read-only memory map, and never copied as a
whole unless their rows do not follow one another in memory. Any length from 8 to 1024 bits will do;
64, 128 and 256 are fastest for their size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crossbit.codes import MAX_BITS, Codes
from crossbit.errors import ConfigError, DataError
from crossbit.hamming.asymmetric import rerank
from crossbit.hamming.dispatch import kernel_names, the_kernel
from crossbit.hamming.labels import label_matrices
from crossbit.hamming.threading import query_parts, run_parts, topk_shared

__all__ = ["histogram", "kernel_name", "kernel_names", "rerank", "topk", "within"]

FEW = 16  # if less than 1 in so many items is allowed, these are copied out before the search


def kernel_name() -> str:
    """Return the kernel that works here: "avx512", "avx2", "portable" or "numpy".

    Raises
    ------
    ConfigError
        If CROSSBIT_KERNEL names one that is unknown, not built or beyond this CPU.
    """
    return the_kernel().name


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
        Threads that share the queries, or the database if the queries are few; the result does
        not depend on it.
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
    O(q n bits / 64) time, nearly whatever k is; memory beyond the result is one bounded block,
    a buffer of at most 2 k + 1024 candidates for each of the queries that are worked on together,
    and with `allowed` a mask, or a copy of the codes if less than 1 in 16 is allowed.
    """
    _at_least("k", k, 1)
    _at_least("threads", threads, 1)
    q, d = _pair(queries, database)
    mask, rows = (None, None) if allowed is None else _allowed(allowed, len(d))
    if rows is not None:
        d = d[rows]
    items = len(d) if mask is None else int(np.count_nonzero(mask))
    found = topk_shared(the_kernel(), q, d, min(k, items), mask, threads)
    return found if rows is None else (found[0], rows[found[1]])


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
    _at_least("threads", threads, 1)
    q, d = _pair(queries, database)
    kernel = the_kernel()
    slices = query_parts(len(q), len(d), threads)
    parts = run_parts(slices, threads, lambda some: kernel.within(q[some], d, radius))
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
    One pass, O(q n bits / 64) time plus a sixty-fourth of n for each label of each query; beside
    the result, memory holds a bit per item and label, and nothing of size q x n.
    """
    _at_least("threads", threads, 1)
    q, d = _pair(queries, database)
    bits = queries.bits if isinstance(queries, Codes) else q.shape[1] * 8
    kernel = the_kernel()
    labels = label_matrices(query_labels, database_labels, len(q), len(d))
    query_side, database_side = kernel.relevance(*labels)

    def work(some: slice) -> tuple[np.ndarray, np.ndarray]:
        return kernel.histogram(q[some], d, query_side[some], database_side)

    parts = run_parts(query_parts(len(q), len(d), threads), threads, work)
    # What pads the last byte differs nowhere: no item stands at a distance beyond `bits`.
    relevant, total = (np.concatenate(side)[:, : bits + 1] for side in zip(*parts, strict=True))
    return relevant, total


def _pair(
    queries: Codes | np.ndarray, database: Codes | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    q, d = _packed(queries, "queries"), _packed(database, "database")
    lengths = [
        side.bits if isinstance(side, Codes) else packed.shape[1] * 8
        for side, packed in ((queries, q), (database, d))
    ]
    if q.shape[1] != d.shape[1] or (
        isinstance(queries, Codes) and isinstance(database, Codes) and lengths[0] != lengths[1]
    ):
        raise DataError(
            f"query codes have {lengths[0]} bits and database codes {lengths[1]}; "
            "encode both with the same model"
        )
    return np.ascontiguousarray(q), np.ascontiguousarray(d)


def _packed(codes: Codes | np.ndarray, name: str) -> np.ndarray:
    packed = codes.packed if isinstance(codes, Codes) else np.asarray(codes)
    if packed.ndim != 2 or packed.dtype != np.uint8 or not 8 <= packed.shape[1] * 8 <= MAX_BITS:
        raise DataError(
            f"{name} must be Codes or packed (n, bits / 8) uint8 of 8 to {MAX_BITS} bits, "
            f"got {packed.dtype} {packed.shape}; pack bits with Codes.pack"
        )
    return packed


def _allowed(allowed: np.ndarray, n: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return a mask, or sorted distinct positions if they are few; the other one is None."""
    allowed = np.asarray(allowed)
    if allowed.dtype == np.bool_:
        if allowed.shape != (n,):
            raise DataError(f"the mask of allowed items has shape {allowed.shape}, not ({n},)")
        few = int(np.count_nonzero(allowed)) * FEW < n
        return (None, np.flatnonzero(allowed)) if few else (allowed, None)
    if allowed.ndim != 1 or (allowed.size and allowed.dtype.kind not in "iu"):
        raise DataError("allowed must be a mask or whole-number positions in the database")
    if allowed.size and (allowed.min() < 0 or allowed.max() >= n):
        raise DataError(
            f"allowed positions must be from 0 to {n - 1}, got {allowed.min()}..{allowed.max()}"
        )
    rows = allowed.astype(np.int64)
    if len(rows) * FEW < n:
        return None, np.unique(rows)
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask, None


def _at_least(name: str, value: int, least: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise ConfigError(f"{name} must be a whole number from {least} up, got {value!r}")
