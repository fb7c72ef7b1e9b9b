"""Put one query to an index and show what it finds."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crossbit.errors import ConfigError

if TYPE_CHECKING:
    from crossbit.cli.query import Query
    from crossbit.index import Hits, Index

__all__ = ["ask", "show"]

FIRST = ("rank", "distance", "asymmetric", "id", "character", "caption", "path", "labels")


def ask(
    index: Index,
    query: Query,
    *,
    k: int | None = 10,
    radius: int | None = None,
    rerank: int | None = None,
    where: Mapping[str, Any] | None = None,
    approximate: bool = False,
    threads: int = 1,
) -> list[dict[str, Any]]:
    """Return what a query finds, nearest first: rank, distance, id and payload of each item.

    Parameters
    ----------
    k : int or None
        How many items; None, with a radius, for all.
    radius : int, optional
        Only items at this Hamming distance or nearer.
    rerank : int, optional
        Order that many of the nearest by their asymmetric distance, which then stands in each
        item as ``asymmetric``, before k are taken.

    Raises
    ------
    ConfigError
        If the query has no outputs to re-rank by, or the options do not go together.
    DataError
        If the query does not fit the index.
    """
    if rerank is not None and query.outputs is None:
        raise ConfigError("re-ranking needs a --text, --image or --vector: a code has no outputs")
    if rerank is not None and k is not None and rerank < k:
        raise ConfigError(f"re-ranking {rerank} items cannot show {k}; give --rerank {k} or more")
    if radius is not None and approximate:
        raise ConfigError("a search within a --radius is always exact; leave --approximate out")
    options: dict[str, Any] = {"fingerprint": query.fingerprint, "threads": threads}
    if where:
        options["where"] = where
    if radius is None:
        wanted = rerank or k
        if wanted is None:
            raise ConfigError("say how many items to find: -k 10")
        (hits,) = index.search(query.codes, wanted, approximate=approximate, **options)
    else:
        (hits,) = index.range_search(query.codes, radius, **options)
        hits = _first(hits, rerank or k)
    scores: Sequence[float] | None = None
    if rerank is not None:
        from crossbit.index.rerank import rerank_hits

        assert query.outputs is not None
        (hits,), (distances,) = rerank_hits(index, [hits], query.outputs)
        scores = distances.tolist()
    return _items(hits, scores)[:k]


def show(items: Sequence[Mapping[str, Any]]) -> None:
    """Print what was found as a table."""
    import typer

    from crossbit.cli.tables import print_table

    if not items:
        typer.echo("nothing found")
        return
    names = list(dict.fromkeys([*FIRST, *(name for item in items for name in item)]))
    columns = [
        name
        for name in names
        if any(item.get(name) not in (None, "", []) for item in items) or name == "distance"
    ]
    rows = [[_cell(item.get(name, "")) for name in columns] for item in items]
    numbers = [k for k, name in enumerate(columns) if name in ("rank", "distance", "asymmetric")]
    print_table(columns, rows, numbers=numbers)


def _first(hits: Hits, count: int | None) -> Hits:
    return dataclasses.replace(
        hits,
        ids=hits.ids[:count],
        distances=hits.distances[:count],
        payload=hits.payload[:count],
    )


def _items(hits: Hits, scores: Sequence[float] | None) -> list[dict[str, Any]]:
    items = []
    found = zip(hits.ids.tolist(), hits.distances.tolist(), hits.payload, strict=True)
    for at, (key, distance, payload) in enumerate(found):
        item: dict[str, Any] = {"rank": at + 1, "distance": distance}
        if scores is not None:
            item["asymmetric"] = round(scores[at], 6)
        item["id"] = key
        if re.fullmatch(r"U\+[0-9A-F]{4,6}", str(key)):
            item["character"] = chr(int(key[2:], 16))
        items.append(item | {name: value for name, value in payload.items() if name not in item})
    return items


def _cell(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    if isinstance(value, (list, dict, bool)):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:.3f}" if isinstance(value, float) else str(value)
