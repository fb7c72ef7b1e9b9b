"""Exact and approximate nearest neighbours out of a Milvus collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossbit.codes import Codes
from crossbit.errors import DataError
from crossbit.index.base import Hits
from crossbit.index.checks import id_kind, usable_ids
from crossbit.index.milvus.filter import id_expressions, where_expression
from crossbit.index.milvus.server import Address, talking

__all__ = ["MOST", "CollectionSearch", "filters"]

# What Milvus gives to one query at most.
MOST = 16_384
FIRST = 256  # answers that a range search requests at first
# Answers in one message, and queries in one.
ANSWERS_AT_ONCE = 200_000
PAYLOADS_AT_ONCE = 20_000
QUERIES_AT_ONCE = 1_000
SEARCH = 60.0  # seconds for one message
# All cells of BIN_IVF_FLAT, however many there are: exact. BIN_FLAT takes no notice of it.
ALL_CELLS = 65_536


def filters(allowed: Sequence[Any] | np.ndarray | None, where: Any, kind: str | None) -> list[str]:
    """Return expressions of limited length; the items that any of them holds for may be found."""
    condition = where_expression(where)
    if allowed is None:
        return [condition]
    ids = np.unique(usable_ids(allowed))
    if not len(ids) or id_kind(ids) != kind:
        return []
    tail = f" and {condition}" if condition else ""
    return [expression + tail for _, expression in id_expressions(ids)]


@dataclass(frozen=True)
class CollectionSearch:
    """Searches of one collection."""

    client: Any
    address: Address
    consistency: str
    kind: str | None

    def nearest(
        self,
        queries: Codes,
        k: int,
        expressions: list[str],
        payload: bool,
        nprobe: int = ALL_CELLS,
    ) -> list[Hits]:
        """Return the k nearest of every query; DataError if k is more than Milvus can give."""
        limit = min(k, MOST)
        results = self._search_all(queries, limit, expressions, payload, {"nprobe": nprobe})
        if k > MOST and len(expressions) == 1 and any(len(hits) >= MOST for hits in results):
            raise DataError(
                f"Milvus gives at most {MOST} answers to a query, not {k}; take a "
                "smaller k, or use an embedded index"
            )
        return [_cut(hits, k) for hits in results]

    def within(
        self, queries: Codes, radius: int, expressions: list[str], payload: bool, cells: bool
    ) -> list[Hits]:
        """Return all items of a ball; DataError if it holds more than Milvus can give.

        The server works for as many answers as it may give, found or not (for 16,384 ten times
        as long as for 1,000 in a trial), so that number grows for the queries that fill it.

        Over the `cells` of BIN_IVF_FLAT the range search of Milvus stops at the first empty ones
        (it lost up to 95% of the items in a trial), so there the ball is cut out of a search.
        """
        # A radius is exclusive in Milvus.
        params = {"nprobe": ALL_CELLS} if cells else {"radius": radius + 1, "range_filter": 0}
        balls: list[Hits] = [self._hits([], [], [])] * len(queries)
        rows, limit = np.arange(len(queries)), FIRST
        while len(rows):
            some = self._search_all(queries[rows], limit, expressions, payload, params)
            full = []
            for row, hits in zip(rows.tolist(), some, strict=True):
                balls[row] = _cut(hits, int(np.searchsorted(hits.distances, radius, "right")))
                # Fewer than the limit in all are fewer from every expression.
                if len(balls[row]) >= limit:
                    full.append(row)
            # Expressions by id have fewer ids than that: they are never cut off.
            if full and limit == MOST and len(expressions) == 1:
                raise DataError(
                    f"{MOST} items or more lie within radius {radius} of a query, and Milvus gives "
                    "no more; use a smaller radius, a filter, or an embedded index"
                )
            rows = np.array(full if limit < MOST else [], dtype=np.int64)
            limit = min(limit * 8, MOST)
        return balls

    def _search_all(
        self,
        queries: Codes,
        limit: int,
        expressions: list[str],
        payload: bool,
        params: dict[str, int],
    ) -> list[Hits]:
        """Return the answers to all expressions together, nearest first."""
        parts = [
            self._search(queries, limit, expression, payload, params) for expression in expressions
        ]
        if len(parts) == 1:
            return parts[0]
        return [self._merge([part[row] for part in parts]) for row in range(len(queries))]

    def _search(
        self, queries: Codes, limit: int, expression: str, payload: bool, params: dict[str, int]
    ) -> list[Hits]:
        most = PAYLOADS_AT_ONCE if payload else ANSWERS_AT_ONCE
        step = min(max(1, most // limit), QUERIES_AT_ONCE)
        hits = []
        for start in range(0, len(queries), step):
            with talking(self.address, "search"):
                answers = self.client.search(
                    self.address.collection,
                    data=[code.tobytes() for code in queries.packed[start : start + step]],
                    filter=expression,
                    limit=limit,
                    anns_field="code",
                    output_fields=["payload"] if payload else [],
                    search_params={"metric_type": "HAMMING", "params": params},
                    consistency_level=self.consistency,
                    timeout=SEARCH,
                )
            for answer in answers:
                items = [hit["entity"]["payload"] for hit in answer] if payload else []
                hits.append(self._hits(answer.ids, answer.distances, items))
        return hits

    def _merge(self, parts: list[Hits]) -> Hits:
        ids = [key for part in parts for key in part.ids.tolist()]
        distances = np.array([d for part in parts for d in part.distances.tolist()], dtype=np.int32)
        items = [item for part in parts for item in part.payload]
        order = np.argsort(distances, kind="stable")
        return self._hits(
            [ids[k] for k in order], distances[order], [items[k] for k in order] if items else []
        )

    def _hits(self, ids: Any, distances: Any, payload: list[dict[str, Any]]) -> Hits:
        keys = np.array(list(ids), dtype=str if self.kind == "str" else np.int64)
        return Hits(keys, np.array(list(distances), dtype=np.float64).astype(np.int32), payload)


def _cut(hits: Hits, count: int) -> Hits:
    if len(hits) <= count:
        return hits
    return Hits(hits.ids[:count], hits.distances[:count], hits.payload[:count])
