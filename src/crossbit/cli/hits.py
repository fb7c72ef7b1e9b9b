"""Search results on the command line: items as JSON values, and as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossbit.indexing.searcher import SearchResult

__all__ = ["hit_items", "print_hits"]

FIRST_COLUMNS = (
    "rank",
    "distance",
    "asymmetric",
    "id",
    "character",
    "caption",
    "path",
    "labels",
)


def hit_items(result: SearchResult) -> list[dict[str, Any]]:
    """Return rank, distance, id and payload of each item, best first.

    After re-ranking an item has its asymmetric distance, too, as ``asymmetric``.
    """
    hits, scores = result.hits, result.scores
    items = []
    rows = zip(hits.ids.tolist(), hits.distances.tolist(), hits.payload, strict=True)
    for row, (key, distance, payload) in enumerate(rows):
        item: dict[str, Any] = {"rank": row + 1, "distance": distance}
        if scores is not None:
            item["asymmetric"] = round(float(scores[row]), 6)
        item["id"] = key
        if re.fullmatch(r"U\+[0-9A-F]{4,6}", str(key)):
            item["character"] = chr(int(key[2:], 16))
        items.append(item | {name: value for name, value in payload.items() if name not in item})
    return items


def print_hits(items: Sequence[Mapping[str, Any]]) -> None:
    """Print items of `hit_items` as a table."""
    import typer

    from crossbit.cli.tables import print_table

    if not items:
        typer.echo("nothing found")
        return
    names = list(dict.fromkeys([*FIRST_COLUMNS, *(name for item in items for name in item)]))
    columns = [
        name
        for name in names
        if any(item.get(name) not in (None, "", []) for item in items) or name == "distance"
    ]
    rows = [[_cell(item.get(name, "")) for name in columns] for item in items]
    numbers = [k for k, name in enumerate(columns) if name in ("rank", "distance", "asymmetric")]
    print_table(columns, rows, numbers=numbers)


def _cell(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    if isinstance(value, (list, dict, bool)):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:.3f}" if isinstance(value, float) else str(value)
