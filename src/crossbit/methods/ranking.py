"""Rankers: how the queries of one view put a coded database in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse

from crossbit import hamming

if TYPE_CHECKING:
    from crossbit.corpus import Corpus

__all__ = ["HammingRanker", "Ranker", "ScoreRanker"]

Counts = tuple[np.ndarray, np.ndarray]
CELLS = 1 << 22  # distances held at a time: 32 MB


class Ranker(ABC):
    """Codes queries and a database, and counts what is relevant at each distance.

    Attributes
    ----------
    name : str
        What the distance is called beside a figure.
    """

    name: ClassVar[str]

    def __init__(self, hasher: Any) -> None:  # a `methods.base.Hasher`, which names its ranker
        self.hasher = hasher

    @abstractmethod
    def queries(self, items: Any, view: str) -> Any:
        """Return the queries as `counts` wants them, from their features in one view."""

    @abstractmethod
    def database(self, corpus: Corpus, view: str, coding: str) -> Any:
        """Return the database as `counts` wants it, to be searched through one view."""

    @abstractmethod
    def counts(
        self,
        queries: Any,
        database: Any,
        query_labels: sparse.csr_matrix,
        database_labels: sparse.csr_matrix,
        threads: int,
    ) -> Iterator[Counts]:
        """Yield (relevant, total) of all queries in order, some at a time.

        Both are (q, m) int64: how many items, and how many of them relevant ones, stand at each
        of m distances, the nearest first. Items at one distance are tied.
        """


class HammingRanker(Ranker):
    """Hamming distance of packed codes: what every binary code is made for."""

    name = "Hamming distance"

    def queries(self, items: Any, view: str) -> Any:
        return self.hasher.encode(items, view)

    def database(self, corpus: Corpus, view: str, coding: str) -> Any:
        return self.hasher.encode_database(corpus, view, coding)

    def counts(
        self,
        queries: Any,
        database: Any,
        query_labels: sparse.csr_matrix,
        database_labels: sparse.csr_matrix,
        threads: int,
    ) -> Iterator[Counts]:
        yield hamming.histogram(queries, database, query_labels, database_labels, threads=threads)


class ScoreRanker(Ranker):
    """Any real-valued distance; items at exactly one distance are tied.

    O(q n log n) time; memory O(n) beside 4 million distances at a time.
    """

    @abstractmethod
    def distances(self, queries: Any, database: Any) -> np.ndarray:
        """Return distances of some queries, (q, n) float; items with equal codes get equal ones."""

    def counts(
        self,
        queries: Any,
        database: Any,
        query_labels: sparse.csr_matrix,
        database_labels: sparse.csr_matrix,
        threads: int,
    ) -> Iterator[Counts]:
        step = max(CELLS // max(database_labels.shape[0], 1), 1)
        answers = database_labels.T.astype(np.int32).tocsc()
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            shared = query_labels[part].astype(np.int32) @ answers
            yield _tied(self.distances(queries[part], database), shared.toarray() > 0)


def _tied(distances: np.ndarray, related: np.ndarray) -> Counts:
    """Count the items of each distinct distance of a row: the first column is the nearest."""
    q, n = distances.shape
    order = np.argsort(distances, axis=1, kind="stable")
    ordered = np.take_along_axis(distances, order, axis=1)
    farther = np.diff(ordered, axis=1, prepend=ordered[:, :1]) != 0
    places = np.cumsum(farther, axis=1) + n * np.arange(q)[:, None]
    hits = np.take_along_axis(related, order, axis=1)
    total = np.bincount(places.ravel(), minlength=q * n)
    relevant = np.bincount(places[hits], minlength=q * n)
    width = int((places[:, -1] % n).max()) + 1 if n else 0  # no more distances than that
    return relevant.reshape(q, n)[:, :width], total.reshape(q, n)[:, :width]
