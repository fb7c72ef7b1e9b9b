"""The labels of both sides, checked, as matrices over the same columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from crossbit.errors import DataError

__all__ = ["label_matrices"]


def label_matrices(
    query_labels: Any, database_labels: Any, queries: int, database: int
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Return both sides as CSR (n, c) whose stored entries are the labels.

    Raises
    ------
    DataError
        If one side has class ids and the other a label matrix, or a shape does not fit.
    """
    q, d = _read(query_labels, "query", queries), _read(database_labels, "database", database)
    if q.ndim != d.ndim:
        raise DataError("give both label sides as class ids, or both as (n, c) matrices")
    if isinstance(q, np.ndarray):
        return _class_columns(q, d)
    if q.shape[1] != d.shape[1]:
        raise DataError(f"query labels have {q.shape[1]} columns, database labels {d.shape[1]}")
    return _without_zeros(q), _without_zeros(d)


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


def _class_columns(q: np.ndarray, d: np.ndarray) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Number the classes that both sides know: those are the columns."""
    shared = np.intersect1d(q[q >= 0], d[d >= 0])

    def matrix(ids: np.ndarray) -> sparse.csr_matrix:
        column = np.searchsorted(shared, ids)
        known = np.isin(ids, shared)
        rows = np.flatnonzero(known)
        ones = np.ones(len(rows), dtype=bool)
        return sparse.csr_matrix((ones, (rows, column[known])), shape=(len(ids), len(shared)))

    return matrix(q), matrix(d)


def _without_zeros(labels: sparse.csr_matrix) -> sparse.csr_matrix:
    """Leave out what is stored but is no label."""
    if labels.data.all():
        return labels
    labels = labels.copy()
    labels.eliminate_zeros()
    return labels
