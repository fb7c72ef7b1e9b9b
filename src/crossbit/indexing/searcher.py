"""Search for queries in one index: nearest codes, re-ranking by outputs, and the cut to k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import ConfigError, CrossbitError
from crossbit.index import Hits, Index
from crossbit.index.rerank import rerank_hits
from crossbit.indexing.query import Query

__all__ = ["SearchRequest", "SearchResult", "Searcher", "check_depth"]

Condition = str | int | float | bool


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """One query and what to return for it.

    Attributes
    ----------
    query : Query
    k : int or None
        Number of items; None, with a radius, for all within it.
    radius : int, optional
        Only items at this Hamming distance or nearer.
    rerank : int, optional
        Number of nearest items that are ordered by their asymmetric distance to the query's
        outputs before the first k are taken.
    where : tuple of (field, value)
        Values that the payload of an item must have; see `Index.search`.
    approximate : bool
        Search the structure that `Index.build_approximate` made.

    Raises
    ------
    ConfigError
        If the query has no outputs to re-rank by, or the options do not go together.
    """

    query: Query
    k: int | None = 10
    radius: int | None = None
    rerank: int | None = None
    where: tuple[tuple[str, Condition], ...] = ()
    approximate: bool = False

    def __post_init__(self) -> None:
        if self.rerank is not None and self.query.outputs is None:
            raise ConfigError(
                "re-ranking needs a text, an image or a vector as query: a code has no outputs"
            )
        check_depth(self.k, self.rerank)
        if self.radius is not None and self.approximate:
            raise ConfigError("a search within a radius is always exact; leave approximate out")
        if self.k is None and self.radius is None:
            raise ConfigError("say how many items to find, k, or within which radius")

    @property
    def depth(self) -> int | None:
        """Number of nearest items to fetch before the first k are taken; None for a whole ball."""
        return self.k if self.k is None else max(self.k, self.rerank or 0)


def check_depth(k: int | None, rerank: int | None) -> None:
    """Raise ConfigError if fewer items are re-ranked than returned."""
    if rerank is not None and k is not None and rerank < k:
        raise ConfigError(f"re-ranking {rerank} items cannot show {k}; raise rerank to {k} or more")


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The items of one query, best first.

    Attributes
    ----------
    hits : Hits
    scores : (h,) float64 or None
        Asymmetric distances to the query's outputs; None without re-ranking.
    """

    hits: Hits
    scores: np.ndarray | None = None

    def head(self, count: int | None) -> SearchResult:
        """Return the first `count` items, all for None."""
        hits = replace(
            self.hits,
            ids=self.hits.ids[:count],
            distances=self.hits.distances[:count],
            payload=self.hits.payload[:count],
        )
        return SearchResult(hits, None if self.scores is None else self.scores[:count])


@dataclass
class Searcher:
    """An index, searched for many requests by few calls of the kernel.

    Parameters
    ----------
    index : Index
    n_jobs : int or None
        Threads that an index on this machine may use; None for all cores.
    """

    index: Index
    n_jobs: int | None = None

    def search(self, request: SearchRequest) -> SearchResult:
        """Return the items of one request.

        Raises
        ------
        DataError
            If the query does not fit the index.
        """
        (result,) = self._search_group([request])
        return result

    def search_batch(self, requests: Sequence[SearchRequest]) -> list[SearchResult | Exception]:
        """Return the items of every request, or its own error; O(groups) calls of the kernel.

        Requests with the same options are one group. Depths within a power of two of each other
        share a call, which pays for the longest.
        """
        groups: dict[Any, list[int]] = {}
        for position, request in enumerate(requests):
            groups.setdefault(_group(request), []).append(position)
        results: list[SearchResult | Exception] = [CrossbitError("not searched")] * len(requests)
        for positions in groups.values():
            group = [requests[position] for position in positions]
            answers: Sequence[SearchResult | Exception]
            try:
                answers = self._search_group(group)
            except CrossbitError as error:
                answers = [error] * len(group)
            for position, answer in zip(positions, answers, strict=True):
                results[position] = answer
        return results

    def _search_group(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        first = requests[0]
        codes = Codes.concatenate([request.query.codes for request in requests])
        options: dict[str, Any] = {
            "fingerprint": first.query.fingerprint,
            "n_jobs": self.n_jobs,
            "where": dict(first.where) or None,
        }
        if first.k is None:
            assert first.radius is not None
            hits = self.index.range_search(codes, first.radius, **options)
        else:
            depth = max(request.depth or 0 for request in requests)
            hits = self.index.search(codes, depth, approximate=first.approximate, **options)
        return [self._order(*pair) for pair in zip(requests, hits, strict=True)]

    def _order(self, request: SearchRequest, hits: Hits) -> SearchResult:
        """Cut the nearest items to the radius, re-rank them and take the first k."""
        result = SearchResult(hits)
        if request.radius is not None:  # the nearest stand first: those within it are a head
            within = int(np.searchsorted(hits.distances, request.radius, side="right"))
            result = result.head(within)
        if request.rerank is not None:
            assert request.query.outputs is not None
            nearest = result.head(request.rerank).hits
            (hits,), (scores,) = rerank_hits(self.index, [nearest], request.query.outputs)
            result = SearchResult(hits, scores)
        return result.head(request.k)


def _group(request: SearchRequest) -> Any:
    """Return what requests that share a call have in common."""
    query, depth = request.query, request.depth
    size = ("radius", request.radius) if depth is None else ("depth", depth.bit_length())
    where = tuple((name, type(value), value) for name, value in request.where)  # True is not 1
    return size, where, request.approximate, query.codes.bits, query.fingerprint
