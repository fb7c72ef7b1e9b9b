"""Arrays as callers give them: features, ids and labels, checked and brought to one type."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from crossbit.errors import DataError

__all__ = ["Features", "as_features", "check_ids", "check_labels"]

Features = np.ndarray | sparse.csr_matrix


def as_features(value: Any, name: str, rows: str = "row") -> Features:
    """Return `value` as float32 (n, d), array or CSR, or raise a DataError that names the row."""
    if sparse.issparse(value):
        matrix = sparse.csr_matrix(value, dtype=np.float32)  # type: ignore[call-overload]
        bad = ~np.isfinite(matrix.data)
        if bad.any():
            at = int(np.searchsorted(matrix.indptr, np.flatnonzero(bad)[0], side="right") - 1)
            raise DataError(_not_finite(name, rows, at, int(bad.sum())))
        return matrix
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise DataError(
            f"{name} features must be an (n, d) array of numbers, got {array.dtype} {array.shape}"
        )
    if array.shape[1] == 0:
        raise DataError(f"{name} features have no columns")
    if array.dtype != np.float32:
        array = array.astype(np.float32)
    for start in range(0, len(array), 65_536):  # in blocks: a memory map may be larger than memory
        finite = np.isfinite(array[start : start + 65_536]).all(axis=1)
        if not finite.all():
            at = start + int(np.flatnonzero(~finite)[0])
            raise DataError(_not_finite(name, rows, at, int((~finite).sum())))
    return array


def check_ids(ids: np.ndarray, n: int) -> None:
    """Raise a DataError unless there are n ids, whole numbers or strings, all different."""
    if ids.shape != (n,):
        raise DataError(f"{n} items need {n} ids, got {len(ids)}")
    if ids.dtype.kind not in "iuU":
        raise DataError(f"ids must be whole numbers or strings, got {ids.dtype}")
    _, first, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        again = ids[first[counts > 1][0]]
        where = np.flatnonzero(ids == again)[:2]
        raise DataError(f"id {again!s} is used twice, in rows {where[0]} and {where[1]}")


def check_labels(
    labels: Any, labelled: np.ndarray | None, n: int
) -> tuple[sparse.csr_matrix | None, np.ndarray]:
    """Return labels as sorted boolean CSR, and which rows have any, or are said to."""
    if labels is None:
        if labelled is not None and np.any(labelled):
            raise DataError("some rows are marked as labelled but there are no labels")
        return None, np.zeros(n, dtype=bool)
    matrix = sparse.csr_matrix(labels).astype(bool)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    if matrix.shape[0] != n:
        raise DataError(f"labels have {matrix.shape[0]} rows, the views have {n}")
    if labelled is None:
        return matrix, np.diff(matrix.indptr) > 0
    mask = np.asarray(labelled, dtype=bool)
    if mask.shape != (n,):
        raise DataError(f"the mask of labelled rows has shape {mask.shape}, expected ({n},)")
    return matrix, mask


def _not_finite(name: str, rows: str, at: int, count: int) -> str:
    return (
        f"{name} features hold NaN or infinity ({count} found, first in {rows} {at}); "
        "replace or remove such rows"
    )
