"""Which rows a table compares, which of them lead, and whether a lead is more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossbit.bench import published
from crossbit.bench.published import Block
from crossbit.bench.results import Json
from crossbit.methods.base import DATABASE_CODINGS
from crossbit.metrics import Paired, paired_difference

__all__ = [
    "BETTER",
    "CHAMPION",
    "LEVEL",
    "RIVALS",
    "Column",
    "blocks_of",
    "columns_of",
    "has_duel",
    "leaders",
    "paired",
    "row_of",
    "rows_of",
]

Column = tuple[str, int]  # direction and bits

LEVEL = 0.05
BETTER = "*"
DIRECTIONS = ("image->text", "text->image")
CHAMPION, RIVALS = "schgan", ("dis", "displus")


def row_of(
    value: Json, dataset: str, method: str, coding: str, bits: int | None = None
) -> Json | None:
    """Return the row of a method with one coding; without bits, any."""
    for row in rows_of(value, dataset):
        if (row["method"], row["coding"]) == (method, coding) and bits in (None, row["bits"]):
            return row
    return None


def rows_of(value: Json, dataset: str) -> list[Json]:
    """Return the rows of one dataset."""
    return [row for row in value["rows"] if row["dataset"] == dataset]


def columns_of(value: Json, dataset: str) -> list[Column]:
    """Return direction and bits of every column: those of the paper where nothing was run."""
    rows = rows_of(value, dataset)
    directions = list(dict.fromkeys(name for row in rows for name in row["map"])) or DIRECTIONS
    return [(direction, bits) for direction in directions for bits in value["bits"]]


def blocks_of(value: Json) -> list[Block]:
    """Return the blocks with the methods asked for; Dis has its own table beside SCH-GAN."""
    asked = [m for m in value["methods"] if not (m == "dis" and has_duel(value))]
    blocks = [Block(b.title, tuple(m for m in b.methods if m in asked)) for b in published.BLOCKS]
    known = published.known_methods()
    others: dict[str, tuple[str, ...]] = {}
    for method in asked:
        if method not in known:  # one that the paper does not name: by its family
            family = published.family_of(method)
            others[family] = (*others.get(family, ()), method)
    titles = [block.title for block in blocks]
    merged = [Block(b.title, b.methods + others.get(b.title, ())) for b in blocks]
    return [*merged, *(Block(t, names) for t, names in others.items() if t not in titles)]


def has_duel(value: Json) -> bool:
    """Return whether SCH-GAN was asked for together with its ablation or Dis+."""
    return CHAMPION in value["methods"] and any(rival in value["methods"] for rival in RIVALS)


def leaders(
    value: Json, dataset: str, block: Block, columns: Sequence[Column]
) -> dict[tuple[str, str], dict[int, str]]:
    """Return which columns a row is the best of its block in, and the mark of a sure lead.

    Rows compete with those of the same coding, and not if they broke a rule. One row alone is
    best of nothing.
    """
    hashing = [method for method in block.methods if method not in published.UNCOMPRESSED]
    found: dict[tuple[str, str], dict[int, str]] = {}
    for coding in DATABASE_CODINGS:
        for at, (direction, bits) in enumerate(columns):
            rows = [row_of(value, dataset, method, coding, bits) for method in hashing]
            fair = [r for r in rows if r and not r["breaks"] and direction in r["map"]]
            fair.sort(key=lambda row: -np.mean(row["map"][direction]))
            if len(fair) < 2:
                continue
            pair = paired(fair[0], fair[1], direction)
            sure = pair is not None and pair.mean > 0 and pair.p < LEVEL
            top = _shown(fair[0], direction)
            for row in (row for row in fair if _shown(row, direction) == top):
                mark = BETTER if sure and row is fair[0] else ""
                found.setdefault((row["method"], coding), {})[at] = mark
    return found


def paired(a: Json | None, b: Json | None, direction: str) -> Paired | None:
    """Return the paired difference over common seeds, if there are two of them at least.

    What was measured on different splits or data is no pair.
    """
    if a is None or b is None or {"data", "split"} & {*a["breaks"], *b["breaks"]}:
        return None
    left, right = (dict(zip(r["seeds"], r["map"][direction], strict=True)) for r in (a, b))
    common = sorted(left.keys() & right.keys())
    if len(common) < 2:
        return None
    return paired_difference([left[s] for s in common], [right[s] for s in common])


def _shown(row: Json, direction: str) -> float:
    """Return the mean as the table shows it."""
    return round(float(np.mean(row["map"][direction])), 3)
