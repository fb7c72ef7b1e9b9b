"""Label sets as bit words, so that "do they share a label" is one AND per 64 labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from crossbit.errors import DataError

__all__ = ["label_sets"]


def label_sets(
    query_labels: Any, database_labels: Any, queries: int, database: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides' labels as (n, words) uint64 sets over the same bits.

    Raises
    ------
    DataError
        If one side has class ids and the other a label matrix, or a shape does not fit.
    """
    q, d = _read(query_labels, "query", queries), _read(database_labels, "database", database)
    if q.ndim != d.ndim:
        raise DataError("give both label sides as class ids, or both as (n, c) matrices")
    if isinstance(q, np.ndarray):
        return _class_words(q, d)
    if q.shape[1] != d.shape[1]:
        raise DataError(f"query labels have {q.shape[1]} columns, database labels {d.shape[1]}")
    return _matrix_words(q), _matrix_words(d)


def _read(labels: Any, side: str, n: int) -> Any:
    """Return class ids as an (n,) array, everything else as CSR."""
    if not sparse.issparse(labels):
        labels = np.asarray(labels)
        if labels.ndim == 1 and labels.dtype.kind in "iu":
            if len(labels) != n:
                raise DataError(f"there are {n} {side} codes but {len(labels)} {side} labels")
            return labels
        if labels.ndim != 2 or labels.dtype.kind not in "biuf":
            raise DataError(
                f"{side} labels must be (n, c) boolean or (n,) whole-number class ids, "
                f"got {labels.dtype} {labels.shape}"
            )
    if labels.shape[0] != n:
        raise DataError(f"there are {n} {side} codes but {labels.shape[0]} rows of {side} labels")
    return sparse.csr_matrix(labels)


def _class_words(q: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the classes that both sides know and spread them over the bits of the words."""
    shared = np.intersect1d(q[q >= 0], d[d >= 0])

    def matrix(ids: np.ndarray) -> sparse.csr_matrix:
        column = np.searchsorted(shared, ids)
        known = np.isin(ids, shared)
        rows = np.flatnonzero(known)
        ones = np.ones(len(rows), dtype=bool)
        return sparse.csr_matrix((ones, (rows, column[known])), shape=(len(ids), len(shared)))

    return _matrix_words(matrix(q)), _matrix_words(matrix(d))


def _matrix_words(labels: sparse.csr_matrix) -> np.ndarray:
    n, c = labels.shape
    words = np.zeros((n, max(-(-c // 64), 1)), dtype=np.uint64)
    entries = labels.tocoo()
    row, column = entries.row[entries.data != 0], entries.col[entries.data != 0]
    bit = np.left_shift(np.uint64(1), (column % 64).astype(np.uint64))
    np.bitwise_or.at(words, (row, column // 64), bit)
    return words
