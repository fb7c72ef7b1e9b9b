"""Presence: which items lack which view, as the caller says or as rows of nothing but NaN say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from crossbit.errors import DataError, suggest

__all__ = ["fill_missing", "present_rows"]

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
