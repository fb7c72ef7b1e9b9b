"""Items to put into an index: those of a corpus, encoded batch by batch, or ready-made codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from crossbit.codes import Codes
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher

__all__ = ["CodedItems", "CorpusItems", "IndexItems"]


class IndexItems(Protocol):
    """n items with ids, codes and payload; positions are (m,) int arrays."""

    batch: int  # items to write at a time
    bits: int
    fingerprint: str | None  # of the model that made the codes
    ids: np.ndarray
    n_without_view: int  # items that lack the view, beside the n

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def codes(self, positions: np.ndarray) -> Codes:
        """Return the codes at some positions, with their ids."""
        ...

    def payload(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Return what is stored with the items at some positions, for readers of search results."""
        ...


class CorpusItems:
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
        for views, owner in (hasher.dims, "the model"), (corpus.views, corpus.name):
            if view not in views:
                raise DataError(f"{owner} has no view {view!r}{suggest(view, views)}")
        items = corpus.with_views(view)  # what has no picture cannot be found through it
        if not len(items):
            raise DataError(
                f"none of the {len(corpus):,} items of {corpus.name} has the view {view!r}; choose "
                "another --view"
            )
        self.n_without_view = len(corpus) - len(items)
        corpus = items
        self._hasher, self._corpus, self._view = hasher, corpus, view
        encoder = hasher.encoders.get(view)
        of_data = corpus.encoders.get(view)  # features of the model's own preprocessing serve it
        same = (
            encoder is not None and of_data is not None and encoder.to_json() == of_data.to_json()
        )
        self._raw = raw and encoder is not None and view in corpus.raw and not same
        self.bits = hasher.bits
        self.fingerprint: str | None = hasher.fingerprint
        self.ids = corpus.ids

    def __len__(self) -> int:
        return len(self._corpus)

    def codes(self, positions: np.ndarray) -> Codes:
        """Encode the items at some positions."""
        part = self._corpus.take(positions)
        if self._raw:
            items = [part.raw_item(self._view, k) for k in range(len(part))]
            return self._hasher.encode_raw(items, self._view, part.ids)
        return self._hasher.encode(part[self._view], self._view, part.ids)

    def payload(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Return caption, picture path and label names, as far as there are any."""
        corpus = self._corpus.take(positions)
        payload: list[dict[str, Any]] = [{} for _ in range(len(corpus))]
        for view, items in corpus.raw.items():
            source = getattr(items, "source", None)  # a picture is named by its file, not decoded
            mask = corpus.has(view) if view in corpus.views else np.ones(len(corpus), dtype=bool)
            for k in np.flatnonzero(mask).tolist():
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


class CodedItems:
    """Ready-made codes, without payload.

    Raises
    ------
    DataError
        If an id is given twice, or is neither a whole number nor a string.
    """

    batch = 1 << 17

    def __init__(self, codes: Codes, fingerprint: str | None) -> None:
        from crossbit.index.checks import check_unique, usable_ids

        self._codes, self.fingerprint = codes, fingerprint
        self.bits, self.n_without_view = codes.bits, 0
        self.ids = usable_ids(codes.ids)
        check_unique(self.ids)

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, positions: np.ndarray) -> Codes:
        """Return the codes at some positions."""
        return self._codes[positions]

    def payload(self, positions: np.ndarray) -> list[dict[str, Any]]:
        """Return nothing for each."""
        return [{} for _ in positions]
