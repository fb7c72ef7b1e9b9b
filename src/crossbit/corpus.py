"""Corpus: aligned items seen through named views, with ids and labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from crossbit.arrays import (
    Features,
    as_features,
    check_ids,
    check_labels,
    fill_missing,
    present_rows,
)
from crossbit.errors import DataError, suggest
from crossbit.files import sha256

__all__ = ["Corpus", "Encoder"]


class Encoder(Protocol):
    """Turns raw items of one view into feature rows; saved with the model as JSON."""

    kind: str

    def __call__(self, items: Sequence[Any]) -> Features:
        """Return one float32 row per raw item."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return what `crossbit.features.from_json` needs to build this encoder again."""
        ...


@dataclass(frozen=True, eq=False)
class Corpus:
    """n aligned items: row k of every view, of the labels and of the ids is the same item.

    Parameters
    ----------
    views : mapping of name to (n, d) features
        float32 array, memory map or CSR matrix; other numeric types are converted.
    ids : (n,) int64 or str, optional
        Unique; row numbers if not given.
    labels : (n, c) boolean CSR or array, optional
        An item may have several labels. Rows outside `labelled` are ignored.
    labelled : (n,) bool, optional
        Which rows carry labels; by default those with at least one.
    name : str
        Shown in reports.
    label_names : sequence of str
        Names of the c labels.
    encoders : mapping of view name to Encoder
        How a raw item becomes a row of that view; kept with a fitted model.
    raw : mapping of view name to sequence
        The items themselves (texts, images as arrays), for search results and pictures.
    present : mapping of view name to (n,) bool
        Which items have the view, for views that some lack; their features do not count. A dense
        row of nothing but NaN says the same.

    Raises
    ------
    DataError
        For empty or misaligned views, NaN or infinity, duplicate ids, an item without any view;
        the message names the row.

    Notes
    -----
    `take` shares the arrays and keeps only row numbers: a subset costs O(rows), not O(rows d). So
    `views`, `ids`, `labels`, `labelled`, `raw` and `present` hold all items of a subset's corpus;
    its own are ``corpus[view]``, `item_ids`, `label_matrix`, `is_labelled`, `raw_item` and `has`.
    """

    views: Mapping[str, Features]
    ids: np.ndarray | None = None
    labels: Any = None
    labelled: np.ndarray | None = None
    name: str = "corpus"
    label_names: Sequence[str] = ()
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    raw: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    present: Mapping[str, np.ndarray] = field(default_factory=dict)
    rows: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.rows is not None:  # made by `take`: everything was checked before
            return
        if not self.views:
            raise DataError("a corpus needs at least one view, for example image=features")
        for name in self.views:
            if not re.fullmatch(r"\w[\w-]*", name):  # names of arrays and files are made of it
                raise DataError(
                    f"a view cannot be called {name!r}; use letters, digits, '_' and '-' only"
                )
        filled = {name: fill_missing(value) for name, value in self.views.items()}
        views = {name: as_features(value, name) for name, (value, _) in filled.items()}
        sizes = {name: value.shape[0] for name, value in views.items()}
        n = next(iter(sizes.values()))
        if len(set(sizes.values())) > 1:
            listing = ", ".join(f"{name} has {size}" for name, size in sizes.items())
            raise DataError(f"views must have one row per item, but {listing} rows")
        if n == 0:
            raise DataError("the corpus is empty; it needs at least one item")
        ids = np.arange(n) if self.ids is None else np.asarray(self.ids)
        check_ids(ids, n)
        labels, labelled = check_labels(self.labels, self.labelled, n)
        for name, items in self.raw.items():
            if len(items) != n:
                raise DataError(f"raw {name} has {len(items)} items, the views have {n} rows")
        for name in self.encoders:
            if name not in views:
                raise DataError(f"there is an encoder for {name!r} but no such view")
        _set(self, views=views, ids=ids, labels=labels, labelled=labelled, rows=np.arange(n))
        present = present_rows(self.present, {name: mask for name, (_, mask) in filled.items()}, n)
        _set(self, label_names=tuple(self.label_names), present=present)

    # -- reading ---------------------------------------------------------------------------

    def __len__(self) -> int:
        assert self.rows is not None
        return len(self.rows)

    def __getitem__(self, view: str) -> Features:
        """Return the features of one view, (n, d); no copy if the rows are all or a run."""
        return self._base(view)[_run(self.rows)]

    def batch(self, view: str, positions: np.ndarray | slice) -> np.ndarray:
        """Return dense float32 features of some rows, (b, d): what a training step reads."""
        assert self.rows is not None
        part = self._base(view)[self.rows[positions]]
        if isinstance(part, sparse.csr_matrix):
            return part.toarray()
        return np.asarray(part, dtype=np.float32)

    def take(self, positions: np.ndarray | slice | Sequence[int]) -> Corpus:
        """Return the items at `positions` (or a boolean mask) as a corpus that shares the data."""
        assert self.rows is not None
        subset = object.__new__(Corpus)
        _set(subset, **{name: getattr(self, name) for name in self.__dataclass_fields__})
        chosen = positions if isinstance(positions, slice) else np.asarray(positions)
        _set(subset, rows=self.rows[chosen])
        return subset

    def union(self, other: Corpus) -> Corpus:
        """Return these rows and those of another subset of one corpus, each with its labels."""
        assert self.rows is not None and other.rows is not None and self.labelled is not None
        if self.views is not other.views:
            raise DataError("only two subsets of one corpus can be joined")
        visible = np.zeros_like(self.labelled)
        visible[self.rows] |= self.is_labelled
        visible[other.rows] |= other.is_labelled
        joined = self.take(slice(None))
        _set(joined, rows=np.union1d(self.rows, other.rows), labelled=visible)
        return joined

    def without_labels(self, keep: np.ndarray) -> Corpus:
        """Return this corpus with the labels of all rows but those in the mask `keep` hidden."""
        assert self.rows is not None and self.labelled is not None
        hidden = np.zeros_like(self.labelled)
        hidden[self.rows[keep]] = self.labelled[self.rows[keep]]
        subset = self.take(slice(None))
        _set(subset, labelled=hidden)
        return subset

    def has(self, view: str) -> np.ndarray:
        """Return which of these rows have a view, (n,) bool."""
        self._base(view)
        if view not in self.present:
            return np.ones(len(self), dtype=bool)
        mask: np.ndarray = self.present[view][self.rows]
        return mask

    def having(self, *views: str) -> Corpus:
        """Return the items that have all of some views: this corpus itself if none lacks one."""
        if not any(view in self.present for view in views):
            return self
        return self.take(np.all([self.has(view) for view in views], axis=0))

    @property
    def dims(self) -> dict[str, int]:
        """Width of each view."""
        return {name: int(value.shape[1]) for name, value in self.views.items()}

    @property
    def item_ids(self) -> np.ndarray:
        """Ids of these rows, (n,)."""
        assert self.ids is not None
        return self.ids[self.rows]

    @property
    def label_matrix(self) -> sparse.csr_matrix:
        """Labels of these rows, (n, c) boolean CSR; rows without labels are empty."""
        if self.labels is None:
            raise DataError(f"{self.name} has no labels")
        rows = self.labels[self.rows]
        shown = rows.multiply(self.is_labelled[:, None]).tocsr().astype(bool)
        shown.eliminate_zeros()  # else hidden labels would still stand in indices and nnz
        return shown

    @property
    def is_labelled(self) -> np.ndarray:
        """Which of these rows carry labels, (n,) bool."""
        assert self.labelled is not None
        return self.labelled[self.rows]

    def raw_item(self, view: str, position: int) -> Any:
        """Return the raw item behind a row, or None where none was kept or the view is missing."""
        assert self.rows is not None
        row = int(self.rows[position])
        if view not in self.raw or (view in self.present and not self.present[view][row]):
            return None
        return self.raw[view][row]

    def fingerprint(self) -> str:
        """Return a SHA-256 of ids, labels and features: what a split is made for. O(n d)."""
        parts: list[bytes | np.ndarray | str] = [_text(self.item_ids)]
        for name in sorted(self.views):
            value = self[name]
            parts.append(name)
            if sparse.issparse(value):
                parts += [value.indptr.astype(np.int64), value.indices.astype(np.int64), value.data]
            else:
                parts.append(np.asarray(value))
        for name in sorted(self.present):  # a corpus that lacks nothing keeps its print
            parts += [f"present {name}", self.has(name)]
        if self.labels is not None:
            labels = self.label_matrix
            parts += [labels.indptr.astype(np.int64), labels.indices.astype(np.int64)]
        return sha256(*parts)

    def _base(self, view: str) -> Any:
        if view not in self.views:
            raise DataError(f"{self.name} has no view {view!r}{suggest(view, self.views)}")
        return self.views[view]


def _run(rows: np.ndarray | None) -> np.ndarray | slice:
    """Return a slice where the rows are a run, so that NumPy makes a view and no copy."""
    assert rows is not None
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _text(ids: np.ndarray) -> str:
    return "\n".join(map(str, ids.tolist()))


def _set(corpus: Corpus, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(corpus, name, value)
