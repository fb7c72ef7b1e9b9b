"""Arrays as callers give them: features, ids and labels, checked and brought to one type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from crossbit.errors import DataError, suggest

__all__ = ["Features", "as_features", "check_ids", "check_labels", "fill_missing", "present_rows"]

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


BLOCK = 65_536  # rows looked at together: a memory map may be larger than memory


def fill_missing(value: Any) -> tuple[Any, np.ndarray | None]:
    """Return features with zeros for rows that are all NaN, and the mask of the other rows.

    Features without such rows are returned as they are, with None; a memory map that has some is
    read into memory.
    """
    if not sparse.issparse(value) and not isinstance(value, np.ndarray):
        value = np.asarray(value)
    if sparse.issparse(value) or value.ndim != 2 or value.dtype.kind != "f" or not value.shape[1]:
        return value, None
    gone = np.zeros(len(value), dtype=bool)
    for start in range(0, len(value), BLOCK):
        part = value[start : start + BLOCK]
        first = np.isnan(part[:, 0])  # cheap, and true of every row that is missing
        gone[start : start + BLOCK][first] = np.isnan(part[first]).all(axis=1)
    if not gone.any():
        return value, None
    return np.where(gone[:, None], np.float32(0), value).astype(np.float32), ~gone


def present_rows(
    given: Mapping[str, Any], found: Mapping[str, np.ndarray | None], n: int
) -> dict[str, np.ndarray]:
    """Return the (n,) masks of the views that some items lack.

    Parameters
    ----------
    given : mapping of view to (n,) bool
        By the caller; a view that is not in it is there for all.
    found : mapping of view to (n,) bool or None
        For every view, from `fill_missing`.

    Raises
    ------
    DataError
        For a mask of an unknown view or of another shape, a view that no item has, or an item
        without any view.
    """
    masks: dict[str, np.ndarray] = {}
    for view in given:
        if view not in found:
            raise DataError(f"present names an unknown view {view!r}{suggest(view, found)}")
    for view, mask in found.items():
        value = np.ones(n, dtype=bool) if mask is None else mask
        if view in given:
            told = np.asarray(given[view])
            if told.shape != (n,) or told.dtype != bool:
                raise DataError(
                    f"present[{view!r}] must hold one true or false per item, (n,) = ({n},), got "
                    f"{told.dtype} {told.shape}"
                )
            value = value & told
        if not value.any():
            raise DataError(
                f"no item has the view {view!r}: every row of it is NaN or said to be missing; "
                "leave the view out"
            )
        if not value.all():
            masks[view] = value
    if len(masks) == len(found) and found:
        empty = ~np.any(list(masks.values()), axis=0)
        if empty.any():
            raise DataError(
                f"{int(empty.sum())} items have no view at all (first in row "
                f"{int(np.flatnonzero(empty)[0])}); remove them"
            )
    return masks
