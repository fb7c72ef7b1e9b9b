"""Rows for an index: items of a corpus, coded as they are asked for, or codes from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from crossbit.codes import Codes
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher

__all__ = ["CodedRows", "CorpusRows", "Rows"]


class Rows(Protocol):
    """n items with ids, codes and payload; positions are (m,) int arrays."""

    batch: int  # rows to write at a time
    bits: int
    fingerprint: str | None  # of the model that made the codes
    ids: np.ndarray
    left_out: int  # items that lack the view, beside the n

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def codes(self, positions: np.ndarray) -> Codes:
        """Return the codes of some rows, with their ids."""
        ...

    def payload(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Return what a reader of a search result wants to see of some rows."""
        ...


class CorpusRows:
    """The items of a corpus that have one view, with caption, picture path and labels.

    Parameters
    ----------
    raw : bool
        Use the model's own preprocessing on the raw items where both exist: for another corpus
        than the model's, whose vocabulary may differ. Features that this preprocessing made
        before are taken as they are.

    Raises
    ------
    DataError
        For a view that the model, the corpus or all of its items lack.
    ConfigError
        If the model ranks by another distance than an index does.
    """

    batch = 4096

    def __init__(self, hasher: Hasher, corpus: Corpus, view: str, *, raw: bool) -> None:
        from crossbit.errors import ConfigError, DataError, suggest
        from crossbit.methods.ranking import HammingRanker

        if not issubclass(hasher.ranker, HammingRanker):
            raise ConfigError(
                f"{hasher.name} ranks by {hasher.ranker.name}, an index by Hamming distance, so "
                "its codes cannot be searched in one; `crossbit evaluate` ranks as the method does"
            )
        for known, owner in (hasher.dims, "the model"), (corpus.views, corpus.name):
            if view not in known:
                raise DataError(f"{owner} has no view {view!r}{suggest(view, known)}")
        held = corpus.with_views(view)  # what has no picture cannot be found through it
        if not len(held):
            raise DataError(
                f"none of the {len(corpus):,} items of {corpus.name} has the view {view!r}; choose "
                "another --view"
            )
        self.left_out = len(corpus) - len(held)
        corpus = held
        self._hasher, self._corpus, self._view = hasher, corpus, view
        own = hasher.encoders.get(view)
        made = corpus.encoders.get(view)  # rows that the model's own preprocessing made serve it
        same = own is not None and made is not None and own.to_json() == made.to_json()
        self._raw = raw and own is not None and view in corpus.raw and not same
        self.bits = hasher.bits
        self.fingerprint: str | None = hasher.fingerprint
        self.ids = corpus.ids

    def __len__(self) -> int:
        return len(self._corpus)

    def codes(self, positions: np.ndarray) -> Codes:
        """Code some rows."""
        part = self._corpus.take(positions)
        if self._raw:
            items = [part.raw_item(self._view, k) for k in range(len(part))]
            return self._hasher.encode_raw(items, self._view, part.ids)
        return self._hasher.encode(part[self._view], self._view, part.ids)

    def payload(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Return caption, picture path and label names of some rows, as far as there are any."""
        corpus = self._corpus.take(positions)
        payload: list[dict[str, Any]] = [{} for _ in range(len(corpus))]
        for view, items in corpus.raw.items():
            source = getattr(items, "source", None)  # a picture is named by its file, not decoded
            given = corpus.has(view) if view in corpus.views else np.ones(len(corpus), dtype=bool)
            for k in np.flatnonzero(given).tolist():
                entry, item = payload[k], source(k) if source else items[k]
                if isinstance(item, str):
                    entry.setdefault("caption", item)
                elif isinstance(item, Path):
                    entry.setdefault("path", str(item))
        if corpus.labels is not None and corpus.label_names:
            labels = corpus.require_labels()
            for k, entry in enumerate(payload):
                columns = labels.indices[labels.indptr[k] : labels.indptr[k + 1]]
                entry["labels"] = [corpus.label_names[column] for column in columns.tolist()]
        return payload


class CodedRows:
    """Codes that were made before; without payload.

    Raises
    ------
    DataError
        If an id is given twice, or is neither a whole number nor a string.
    """

    batch = 1 << 17

    def __init__(self, codes: Codes, fingerprint: str | None) -> None:
        from crossbit.index.checks import check_unique, usable_ids

        self._codes, self.fingerprint = codes, fingerprint
        self.bits, self.left_out = codes.bits, 0
        self.ids = usable_ids(codes.ids)
        check_unique(self.ids)

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, positions: np.ndarray) -> Codes:
        """Return the codes of some rows."""
        return self._codes[positions]

    def payload(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Return nothing for each."""
        return [{} for _ in positions]
