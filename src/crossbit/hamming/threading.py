"""Work cut into parts: one share per thread, and short calls, so that Ctrl-C is heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np

from crossbit.hamming.dispatch import Kernel

__all__ = ["query_parts", "run_parts", "topk_shared"]

PAIRS = 1 << 32  # comparisons in a call: about a second
KEPT = 1 << 23  # candidates that top-k may buffer in a call: 64 MB
ALONE = 8  # queries per thread from which threads share the queries instead of the database
ROWS = 64  # the database is cut at whole words of a bitmap

P = TypeVar("P")
T = TypeVar("T")


def query_parts(q: int, n: int, threads: int, kept: int = 0) -> list[slice]:
    """Cut q queries into short calls of equal size, a multiple of the threads if there are more."""
    longest = max(min(PAIRS // max(n, 1), KEPT // max(kept, 1)), 1)
    count = max(-(-q // longest), 1)
    if threads > 1:
        count = min(-(-count // threads) * threads, max(q, 1))
    edges = [q * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def run_parts(parts: Sequence[P], threads: int, work: Callable[[P], T]) -> list[T]:
    """Return work(part) of all parts, in order; kernels free the interpreter as they count."""
    if threads == 1 or len(parts) == 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        return list(pool.map(work, parts))


def topk_shared(
    kernel: Kernel,
    queries: np.ndarray,
    database: np.ndarray,
    k: int,
    mask: np.ndarray | None,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Run top-k on several threads: they share the queries, or the database if these are few."""
    n, q = len(database), len(queries)
    ranges = 1 if q >= ALONE * threads else min(threads, max(n // ROWS, 1))
    edges = [n * i // ranges // ROWS * ROWS for i in range(ranges)] + [n]
    rows = [slice(a, b) for a, b in pairwise(edges)]
    slices = query_parts(q, n, threads if ranges == 1 else 1, kept=2 * k + 1024)
    parts = [(some, part) for some in slices for part in rows]

    def work(part: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        some, here = part
        allowed = None if mask is None else mask[here]
        items = here.stop - here.start if allowed is None else np.count_nonzero(allowed)
        best = kernel.topk(queries[some], database[here], min(k, int(items)), allowed)
        return best[0], best[1] + here.start if here.start else best[1]

    found = run_parts(parts, threads, work)
    merged = [_merge(found[i : i + ranges], k) for i in range(0, len(found), ranges)]
    return np.concatenate([d for d, _ in merged]), np.concatenate([p for _, p in merged])


def _merge(found: list[tuple[np.ndarray, np.ndarray]], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest of each query over ranges of the database, given in their order."""
    if len(found) == 1:
        return found[0]
    distances = np.concatenate([d for d, _ in found], axis=1)
    positions = np.concatenate([p for _, p in found], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(positions, order, 1)
