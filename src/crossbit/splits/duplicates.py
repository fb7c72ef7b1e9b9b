"""One 64-bit print per row: equal rows are found by sorting, never by comparing all pairs."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from crossbit.corpus import Corpus

__all__ = ["row_hashes"]

BLOCK = 1 << 22  # numbers hashed at a time: bounds memory to some 100 MB
MISSING = np.uint64(0x9E3779B97F4A7C15)  # stands for a view that is not there

_known: WeakKeyDictionary[Corpus, np.ndarray] = WeakKeyDictionary()


def row_hashes(corpus: Corpus) -> np.ndarray:
    """Return one uint64 per row, (n,), equal for rows that are equal in all views they have.

    Rows that lack different views are different.
    Two different rows get the same print with probability 2**-64 or so. Time O(n d), once per
    corpus object; memory O(n).
    """
    if corpus not in _known:
        total = np.zeros(len(corpus), dtype=np.uint64)
        for name in sorted(corpus.views):
            prints = np.where(corpus.has(name), _matrix_hashes(corpus[name]), MISSING)
            total = _mix(total) + prints
        _known[corpus] = total
    return _known[corpus]


def _matrix_hashes(matrix: Any) -> np.ndarray:
    """Sum over columns of key(column) * mix(value), modulo 2**64; zeros count for nothing."""
    n, d = matrix.shape
    keys = np.random.default_rng(d).integers(0, 2**64, size=d, dtype=np.uint64) | np.uint64(1)
    if not isinstance(matrix, np.ndarray):
        matrix = matrix.copy()
        matrix.sum_duplicates()
        terms = keys[matrix.indices] * _mix(_bits(matrix.data))
        sums = np.zeros(len(terms) + 1, dtype=np.uint64)
        np.cumsum(terms, out=sums[1:])
        return sums[matrix.indptr[1:]] - sums[matrix.indptr[:-1]]
    prints = np.empty(n, dtype=np.uint64)
    step = max(1, BLOCK // d)
    for start in range(0, n, step):
        block = _mix(_bits(matrix[start : start + step]))
        prints[start : start + step] = (block * keys).sum(axis=1, dtype=np.uint64)
    return prints


def _bits(values: np.ndarray) -> np.ndarray:
    """Return the bit patterns of float32 numbers as uint64; adding 0 makes one zero of -0 and 0."""
    whole = np.ascontiguousarray(np.asarray(values, dtype=np.float32) + np.float32(0))
    return whole.view(np.uint32).astype(np.uint64)


def _mix(words: np.ndarray) -> np.ndarray:
    """Spread every input bit over the word (the first half of splitmix64); 0 stays 0."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return words ^ (words >> np.uint64(27))
