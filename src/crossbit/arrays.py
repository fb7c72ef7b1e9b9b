"""Arrays as callers give them: features, ids and labels, checked and brought to one type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from crossbit.errors import DataError, suggest

__all__ = [
    "Features",
    "as_features",
    "check_ids",
    "check_labels",
    "fill_missing",
    "index_of",
    "plain",
    "present_rows",
]

Features = np.ndarray | sparse.csr_matrix


def plain(value: Any, name: str) -> Any:
    """Return a NumPy array or a sparse matrix of what holds numbers: lists, tensors, frames.

    Raises
    ------
    DataError
        If it is none of these, or rows of unequal length.
    """
    if isinstance(value, np.ndarray) or sparse.issparse(value):
        return value
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor, with a gradient or without
        value = value.detach().cpu()
        return (value.float() if "bfloat16" in str(value.dtype) else value).numpy()
    if hasattr(value, "to_numpy"):  # a frame or series of pandas
        return value.to_numpy()
    try:
        return np.asarray(value)
    except ValueError:
        raise DataError(f"{name} must be an array of numbers; its rows differ in length") from None


def index_of(value: Any) -> np.ndarray | None:
    """Return the index of a pandas frame or series, (n,): ids of its rows. None of all else."""
    index = getattr(value, "index", None)
    if index is None or not hasattr(value, "to_numpy"):
        return None
    ids = index.to_numpy()
    return ids if ids.dtype.kind in "iu" else ids.astype(np.str_)


def as_features(value: Any, name: str, rows: str = "row") -> Features:
    """Return `value` as float32 (n, d), array or CSR, or raise a DataError that names the row.

    Anything that holds numbers is taken: arrays of any numeric type and byte order, lists, torch
    tensors, pandas frames, sparse matrices of any format.
    """
    value = plain(value, name)
    if not isinstance(value, np.ndarray):
        if value.ndim != 2 or value.dtype.kind not in "fiub":
            raise DataError(
                f"{name} features must be an (n, d) array of numbers, got {value.dtype} "
                f"{value.shape}"
            )
        if value.shape[1] == 0:
            raise DataError(f"{name} features have no columns")
        matrix = sparse.csr_matrix(value, dtype=np.float32)
        bad = ~np.isfinite(matrix.data)
        if bad.any():
            at = int(np.searchsorted(matrix.indptr, np.flatnonzero(bad)[0], side="right") - 1)
            raise DataError(_not_finite(name, rows, at, int(bad.sum())))
        return matrix
    array = value
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
    labels: Any, labelled: Any, n: int
) -> tuple[sparse.csr_matrix | None, np.ndarray, tuple[str, ...]]:
    """Return labels as sorted boolean CSR, which rows have any, and names of the labels.

    Parameters
    ----------
    labels : (n, c) of booleans or zeros and ones, (n,) class numbers or names, n lists of names
        NaN, None and "" are no label. A pandas frame names the labels by its columns.
    labelled : (n,) bool, optional
        Which rows carry labels; by default those with at least one.

    Returns
    -------
    matrix : (n, c) boolean CSR, or None without labels
    labelled : (n,) bool
    names : tuple of str
        Where the labels tell; else empty.

    Raises
    ------
    DataError
        For anything else; the message names the row.
    """
    if labels is None:
        if labelled is not None and np.any(plain(labelled, "labelled")):
            raise DataError("some rows are marked as labelled but there are no labels")
        return None, np.zeros(n, dtype=bool), ()
    names: tuple[str, ...] = ()
    if hasattr(labels, "columns") and hasattr(labels, "to_numpy"):
        names = tuple(map(str, labels.columns))
    if sparse.issparse(labels):
        matrix: Any = sparse.csr_matrix(labels)  # type: ignore[call-overload]
        _check_binary(matrix.data, np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)))
    elif isinstance(labels, list | tuple) and any(_is_list(row) for row in labels):
        matrix, names = _lists(labels)
    else:
        array = plain(labels, "labels")
        if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1 and _is_many(array)):
            matrix, names = _classes(array.reshape(-1))
        elif array.ndim == 2 and array.dtype.kind in "biuf":
            _check_binary(array.reshape(-1), np.repeat(np.arange(len(array)), array.shape[1]))
            matrix = sparse.csr_matrix(array)
        else:
            raise DataError(
                f"labels must be an (n, c) matrix of zeros and ones, (n,) class numbers or names, "
                f"or n lists of names, got {array.dtype} {array.shape}"
            )
    matrix = matrix.astype(bool)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    if matrix.shape[0] != n:
        raise DataError(f"labels have {matrix.shape[0]} rows, the views have {n}")
    if labelled is None:
        return matrix, np.diff(matrix.indptr) > 0, names
    mask = np.asarray(plain(labelled, "labelled"))
    if mask.shape != (n,) or not (mask.dtype == bool or np.isin(mask, (0, 1)).all()):
        raise DataError(
            f"labelled must hold one true or false per item, (n,) = ({n},), got {mask.dtype} "
            f"{mask.shape}"
        )
    mask = mask.astype(bool)
    return matrix, mask, names


def _is_list(row: Any) -> bool:
    return isinstance(row, list | tuple | set | frozenset)


def _lists(labels: Sequence[Any]) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    """Return the labels of rows that are lists: of names, or of zeros and ones, all as long."""
    rows = [row if _is_list(row) else [] if _is_missing(row) else [row] for row in labels]
    if not any(isinstance(part, int | float | np.number) for row in rows for part in row):
        return _named(rows)
    lengths = {len(row) for row in rows}
    parts = {part for row in rows for part in row}
    if len(lengths) == 1 and parts <= {0, 1}:
        return sparse.csr_matrix(np.array([list(row) for row in rows], dtype=bool)), ()
    row = next(k for k, row in enumerate(rows) if any(not isinstance(p, str) for p in row))
    raise DataError(
        f"labels in lists are names, or zeros and ones in rows of one length, but row {row} holds "
        f"{list(rows[row])}; write class numbers as text, such as '7'"
    )


def _is_many(column: np.ndarray) -> bool:
    """Return whether a column holds more than zeros and ones: class numbers or names."""
    return column.dtype.kind not in "biuf" or bool((~np.isin(column, (0, 1))).any())


def _check_binary(values: np.ndarray, rows: np.ndarray) -> None:
    if values.dtype == bool:
        return
    bad = np.flatnonzero(~np.isin(values, (0, 1)))
    if len(bad):
        raise DataError(
            f"a matrix of labels holds zeros and ones, but row {rows[bad[0]]} holds "
            f"{values[bad[0]]}; give class numbers as (n,), or compare with a threshold first"
        )


def _classes(values: np.ndarray) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    """Return one label a row of class numbers or names, (n,); NaN, None and "" are none."""
    if values.dtype.kind in "OUS":
        return _named([[] if _is_missing(value) else [value] for value in values.tolist()])
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    given = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
    numbers = values[given]
    bad = np.flatnonzero(given)[(numbers < 0) | (numbers != np.floor(numbers))]
    if len(bad):
        raise DataError(
            f"class numbers are whole and from 0 up, but row {bad[0]} holds {values[bad[0]]}; use "
            "NaN or None for a row without a label"
        )
    columns = numbers.astype(np.int64)
    names: tuple[str, ...] = ()
    if len(columns) and columns.max() > 10_000:  # numbers of another kind, such as years
        found, columns = np.unique(columns, return_inverse=True)
        names = tuple(map(str, found.tolist()))
    width = int(columns.max()) + 1 if len(columns) else 0
    rows = np.flatnonzero(given)
    shape = (len(values), width)
    return sparse.csr_matrix((np.ones(len(rows), dtype=bool), (rows, columns)), shape), names


def _named(rows: list[Any]) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    """Return the labels of rows of names, and the names in order."""
    texts = [[str(part) for part in row if not _is_missing(part)] for row in rows]
    names = sorted({text for row in texts for text in row})
    column = {name: k for k, name in enumerate(names)}
    indices = [column[text] for row in texts for text in dict.fromkeys(row)]
    lengths = [len(dict.fromkeys(row)) for row in texts]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    data = np.ones(len(indices), dtype=bool)
    return sparse.csr_matrix((data, indices, indptr), (len(rows), len(names))), tuple(names)


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value))


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
