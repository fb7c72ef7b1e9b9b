"""Corpus: aligned items seen through named views, with ids and labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Protocol, overload

import numpy as np
from scipy import sparse

from crossbit.arrays import (
    Features,
    as_features,
    check_ids,
    check_labels,
    fill_missing,
    index_of,
    plain,
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


class Corpus:
    """n aligned items: row k of every view, of the labels and of the ids is the same item.

    Parameters
    ----------
    views : mapping of name to (n, d) features
        float32 array, memory map or CSR matrix; lists, torch tensors, pandas frames, other sparse
        formats and numeric types are converted.
    ids : (n,) int64 or str, optional
        Unique; the index of a pandas frame, or row numbers, if not given.
    labels : (n, c) of booleans or zeros and ones, (n,) class numbers or names, n lists of names
        An item may have several labels. NaN, None and "" are no label. Rows outside `labelled` are
        ignored.
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
    ``corpus["image"]`` gives the features of a view, ``corpus[:10]`` the first ten items.

    A subset (`take`) shares the arrays and keeps only row numbers, which costs O(rows), not
    O(rows d). Everything it shows is of its own rows alone.
    """

    name: str
    label_names: tuple[str, ...]
    encoders: Mapping[str, Encoder]
    # Of all items, whichever rows a subset has; they are shared, never changed.
    _views: dict[str, Features]
    _ids: np.ndarray
    _labels: sparse.csr_matrix | None
    _raw: dict[str, Sequence[Any]]
    _present: dict[str, np.ndarray]
    _labelled: np.ndarray  # whose labels may be seen
    _rows: np.ndarray

    def __init__(
        self,
        views: Mapping[str, Any],
        ids: Any = None,
        labels: Any = None,
        labelled: Any = None,
        *,
        name: str = "corpus",
        label_names: Sequence[str] = (),
        encoders: Mapping[str, Encoder] | None = None,
        raw: Mapping[str, Sequence[Any]] | None = None,
        present: Mapping[str, Any] | None = None,
    ) -> None:
        if not views:
            raise DataError("a corpus needs at least one view, for example image=features")
        for view in views:
            if not re.fullmatch(r"\w[\w-]*", view):  # names of arrays and files are made of it
                raise DataError(
                    f"a view cannot be called {view!r}; use letters, digits, '_' and '-' only"
                )
        filled = {view: fill_missing(plain(value, view)) for view, value in views.items()}
        self._views = {view: as_features(value, view) for view, (value, _) in filled.items()}
        sizes = {view: value.shape[0] for view, value in self._views.items()}
        n = next(iter(sizes.values()))
        if len(set(sizes.values())) > 1:
            listing = ", ".join(f"{view} has {size}" for view, size in sizes.items())
            raise DataError(f"views must have one row per item, but {listing} rows")
        if n == 0:
            raise DataError("the corpus is empty; it needs at least one item")
        parts = (*views.values(), labels, labelled)
        indexes = [index for index in map(index_of, parts) if index is not None]
        for index in indexes[1:]:
            if not np.array_equal(index, indexes[0]):
                raise DataError(
                    "the frames have different indexes, so their rows are not the same items; "
                    "bring them into one order (frame.loc[ids]), or give .to_numpy()"
                )
        if ids is None:
            ids = indexes[0] if indexes else np.arange(n)
        self._ids = np.asarray(plain(ids, "ids"))
        check_ids(self._ids, n)
        self._labels, self._labelled, names = check_labels(labels, labelled, n)
        self._raw = dict(raw or {})
        for view, items in self._raw.items():
            if len(items) != n:
                raise DataError(f"raw {view} has {len(items)} items, the views have {n} rows")
        self.encoders = dict(encoders or {})
        for view in self.encoders:
            if view not in self._views:
                raise DataError(f"there is an encoder for {view!r} but no such view")
        masks = {view: mask for view, (_, mask) in filled.items()}
        self._present = present_rows(present or {}, masks, n)
        self._rows = np.arange(n)
        self.name, self.label_names = name, tuple(label_names) or names
        if self._labels is not None and len(self.label_names) not in (0, self._labels.shape[1]):
            raise DataError(
                f"{len(self.label_names)} label_names for {self._labels.shape[1]} labels; give one "
                "for each"
            )

    # -- these rows ------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        views = ", ".join(f"{view}: {width:,}" for view, width in self.dims.items())
        labels = "no labels"
        if self._labels is not None:
            labels = f"{self._labels.shape[1]} labels on {int(self.labelled.sum()):,}"
        return f"Corpus({self.name!r}, {len(self):,} items, {{{views}}}, {labels})"

    def _repr_html_(self) -> str:
        """Return the views and how many items have each, as a table for notebooks."""
        rows = "".join(
            f"<tr><td>{escape(view)}</td><td>{width:,}</td><td>{int(self.has(view).sum()):,}</td>"
            "</tr>"
            for view, width in self.dims.items()
        )
        return (
            f"<table><caption>{escape(repr(self))}</caption><thead><tr><th>view</th><th>dimensions"
            f"</th><th>items</th></tr></thead><tbody>{rows}</tbody></table>"
        )

    @overload
    def __getitem__(self, key: str) -> Features: ...
    @overload
    def __getitem__(self, key: slice | np.ndarray | Sequence[int]) -> Corpus: ...
    def __getitem__(self, key: Any) -> Features | Corpus:
        """Return the features of one view, (n, d), or the items at some positions as a corpus.

        Features are no copy if the rows are all or a run.
        """
        if isinstance(key, str):
            return self._base(key)[_run(self._rows)]
        if isinstance(key, int | np.integer):
            raise DataError(f"corpus[{key}] is one item; take corpus[[{key}]], or a slice")
        return self.take(key)

    @property
    def views(self) -> Mapping[str, Features]:
        """Features of these rows by view; a view is sliced when it is asked for."""
        return _Views(self)

    @property
    def dims(self) -> dict[str, int]:
        """Width of each view."""
        return {view: int(value.shape[1]) for view, value in self._views.items()}

    @property
    def ids(self) -> np.ndarray:
        """Ids of these rows, (n,)."""
        return self._ids[self._rows]

    @property
    def labelled(self) -> np.ndarray:
        """Which of these rows carry labels that may be seen, (n,) bool."""
        return self._labelled[self._rows]

    @property
    def labels(self) -> sparse.csr_matrix | None:
        """Labels of these rows, (n, c) boolean CSR, None if the corpus has none.

        Rows whose labels are hidden are empty.
        """
        if self._labels is None:
            return None
        rows = self._labels[self._rows]
        shown = rows.multiply(self.labelled[:, None]).tocsr().astype(bool)
        shown.eliminate_zeros()  # else hidden labels would still stand in indices and nnz
        return shown

    def require_labels(self) -> sparse.csr_matrix:
        """Return `labels`, or raise a DataError if the corpus has none."""
        labels = self.labels
        if labels is None:
            raise DataError(f"{self.name} has no labels")
        return labels

    @property
    def raw(self) -> Mapping[str, Sequence[Any]]:
        """Raw items of these rows by view, for the views that keep them."""
        if isinstance(_run(self._rows), slice) and len(self) == len(self._ids):
            return dict(self._raw)
        return {
            view: (_FileRows if hasattr(items, "source") else _RawRows)(items, self._rows)
            for view, items in self._raw.items()
        }

    def raw_item(self, view: str, position: int) -> Any:
        """Return the raw item behind a row, or None where none was kept or the view is missing."""
        row = int(self._rows[position])
        if view not in self._raw or (view in self._present and not self._present[view][row]):
            return None
        return self._raw[view][row]

    @property
    def present(self) -> dict[str, np.ndarray]:
        """Which of these rows have a view, (n,) bool, for the views that some item lacks."""
        return {view: mask[self._rows] for view, mask in self._present.items()}

    def has(self, view: str) -> np.ndarray:
        """Return which of these rows have a view, (n,) bool."""
        self._base(view)
        if view not in self._present:
            return np.ones(len(self), dtype=bool)
        mask: np.ndarray = self._present[view][self._rows]
        return mask

    def batch(self, view: str, positions: np.ndarray | slice) -> np.ndarray:
        """Return dense float32 features of some rows, (b, d): what a training step reads."""
        part = self._base(view)[self._rows[positions]]
        if isinstance(part, sparse.csr_matrix):
            return part.toarray()
        return np.asarray(part, dtype=np.float32)

    # -- subsets ---------------------------------------------------------------------------

    def take(self, positions: np.ndarray | slice | Sequence[int]) -> Corpus:
        """Return the items at `positions` (or a boolean mask) as a corpus that shares the data."""
        chosen = positions if isinstance(positions, slice) else np.asarray(positions)
        return self._subset(self._rows[chosen], self._labelled)

    def with_views(self, *views: str) -> Corpus:
        """Return the items that have all of some views: this corpus itself if none lacks one."""
        if not any(view in self._present for view in views):
            return self
        return self.take(np.all([self.has(view) for view in views], axis=0))

    def hide_labels(self, keep: np.ndarray) -> Corpus:
        """Return this corpus with the labels of all rows but those in the mask `keep` hidden."""
        visible = np.zeros_like(self._labelled)
        visible[self._rows[keep]] = self._labelled[self._rows[keep]]
        return self._subset(self._rows, visible)

    def union(self, other: Corpus) -> Corpus:
        """Return these rows and those of another subset of one corpus, each with its labels."""
        if self._views is not other._views:
            raise DataError("only two subsets of one corpus can be joined")
        visible = np.zeros_like(self._labelled)
        visible[self._rows] |= self.labelled
        visible[other._rows] |= other.labelled
        return self._subset(np.union1d(self._rows, other._rows), visible)

    def _subset(self, rows: np.ndarray, labelled: np.ndarray) -> Corpus:
        subset = object.__new__(Corpus)
        subset.__dict__.update(self.__dict__)
        subset._rows, subset._labelled = rows, labelled
        return subset

    def fingerprint(self) -> str:
        """Return a SHA-256 of ids, labels and features: what a split is made for. O(n d)."""
        parts: list[bytes | np.ndarray | str] = [_text(self.ids)]
        for name in sorted(self._views):
            value = self[name]
            parts.append(name)
            if sparse.issparse(value):
                parts += [value.indptr.astype(np.int64), value.indices.astype(np.int64), value.data]
            else:
                parts.append(np.asarray(value))
        for name in sorted(self._present):  # a corpus that lacks nothing keeps its hash
            parts += [f"present {name}", self.has(name)]
        labels = self.labels
        if labels is not None:
            parts += [labels.indptr.astype(np.int64), labels.indices.astype(np.int64)]
        return sha256(*parts)

    def _base(self, view: str) -> Any:
        """Return the features of all items in one view."""
        if view not in self._views:
            raise DataError(f"{self.name} has no view {view!r}{suggest(view, self._views)}")
        return self._views[view]


class _Views(Mapping[str, Features]):
    """The views of a corpus, each sliced to its rows when it is asked for."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __getitem__(self, view: str) -> Features:
        if view not in self._corpus._views:
            raise KeyError(view)
        return self._corpus[view]

    def __contains__(self, view: object) -> bool:  # the default would slice the features
        return view in self._corpus._views

    def __iter__(self) -> Iterator[str]:
        return iter(self._corpus._views)

    def __len__(self) -> int:
        return len(self._corpus._views)


class _RawRows(Sequence[Any]):
    """Some rows of a sequence of raw items."""

    def __init__(self, items: Any, rows: np.ndarray) -> None:
        self._items, self._rows = items, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self._items[row] for row in self._rows[position].tolist()]
        return self._items[int(self._rows[position])]


class _FileRows(_RawRows):
    """Some rows of a sequence whose items are files, decoded only when they are looked at."""

    def source(self, position: int) -> Any:
        """Return the path or the bytes behind an item, or None."""
        return self._items.source(int(self._rows[position]))


def _run(rows: np.ndarray) -> np.ndarray | slice:
    """Return a slice where the rows are a run, so that NumPy makes a view and no copy."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _text(ids: np.ndarray) -> str:
    return "\n".join(map(str, ids.tolist()))
