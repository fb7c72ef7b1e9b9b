"""A picture of queries and what they retrieve, right answers framed green, wrong ones red."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from crossbit import hamming
from crossbit.corpus import Corpus
from crossbit.errors import DataError
from crossbit.features.pixels import open_picture
from crossbit.methods.base import Hasher
from crossbit.splits import Split

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gallery"]

RIGHT, WRONG, QUERY = "#1b8a5a", "#c8372d", "#333333"
CELL = 0.92  # inches, side of a picture
LETTERS = 13  # in a line of a text cell
THUMBNAIL = 200  # pixels, the longer side of a large picture
LINES = 6  # of a text cell; longer texts end in an ellipsis


@dataclass(frozen=True)
class Row:
    """One query with the items it retrieved, nearest first."""

    query: str | np.ndarray
    items: list[str | np.ndarray]
    distances: list[int]
    relevant: list[bool]


def gallery(
    hasher: Hasher,
    split: Split,
    *,
    queries: int = 4,
    per_query: int = 8,
    seed: int = 0,
    rows: Sequence[int] | None = None,
) -> bytes:
    """Return a PNG: for each direction some queries, each with the items nearest to it.

    Parameters
    ----------
    hasher : Hasher
        Fitted on this corpus.
    split : Split
        Queries come from its query part, answers from its database.
    queries, per_query : int
        Queries in each direction, and answers to each.
    seed : int
        Queries are drawn at random, the same in every direction: nobody picked the good ones.
        Those that have all views come first; what lacks a view neither asks nor answers by it.
    rows : sequence of int, optional
        Positions in `split.query` to show instead of random ones.

    Raises
    ------
    DataError
        If the corpus keeps no raw items, or the split has no queries.
    """
    query, database = split.query, split.database
    views = [view for view in query.views if view in hasher.dims and view in query.raw]
    if not views:
        raise DataError(
            f"{query.name} keeps no raw pictures or texts, so there is nothing to show; "
            "load it from its original items"
        )
    if not len(query):
        raise DataError("the split has no queries to show; make it with queries > 0")
    if rows is None:
        drawn = np.random.default_rng(seed).permutation(len(query))
        whole = np.all([query.has(view)[drawn] for view in views], axis=0)
        rows = np.sort(drawn[np.argsort(~whole, kind="stable")][:queries]).tolist()
    chosen = query.take(np.asarray(rows, dtype=np.int64))
    held = {view: database.with_views(view) for view in views}
    answers = {view: hasher.encode(held[view][view], view) for view in views}
    sections = []
    for view, other in list(permutations(views, 2)) or [(views[0], views[0])]:
        asked = chosen.with_views(view)
        if not len(asked) or not len(held[other]):
            continue
        codes = hasher.encode(asked[view], view)
        distances, positions = hamming.topk(codes, answers[other], per_query)
        found = [
            _row(asked, held[other], (view, other), i, positions[i], distances[i])
            for i in range(len(asked))
        ]
        sections.append((f"{view} → {other}", found))
    if not sections:
        raise DataError("none of these queries has a view to ask by; choose other rows")
    return _draw(sections)


def _row(
    asked: Corpus,
    database: Corpus,
    views: tuple[str, str],
    i: int,
    positions: np.ndarray,
    distances: np.ndarray,
) -> Row:
    labels = database.take(positions).require_labels().toarray()
    shared = (labels & asked.take([i]).require_labels().toarray()).any(axis=1)
    return Row(
        query=_item(asked, views[0], i),
        items=[_item(database, views[1], int(at)) for at in positions],
        distances=distances.tolist(),
        relevant=shared.tolist(),
    )


def _draw(sections: list[tuple[str, list[Row]]]) -> bytes:
    from matplotlib.figure import Figure

    columns = 1 + max(len(row.items) for _, found in sections for row in found)
    gap, title = 0.3, 0.42  # inches between query and answers, and above each section
    width = columns * CELL + gap + 0.2
    height = sum(title + len(found) * (CELL + 0.18) for _, found in sections) + 0.45
    figure = Figure(figsize=(width, height), facecolor="white")

    def cell(column: int, top: float) -> Axes:
        left = 0.1 + column * CELL + (gap if column else 0)
        side = CELL - 0.1
        box = (left / width, 1 - (top + side) / height, side / width, side / height)
        axes: Axes = figure.add_axes(box)
        return axes

    top = 0.05
    for name, found in sections:
        figure.text(0.1 / width, 1 - (top + 0.28) / height, name, fontsize=11, weight="bold")
        top += title
        for row in found:
            _show(cell(0, top), row.query, QUERY, solid=True)
            answers = zip(row.items, row.distances, row.relevant, strict=True)
            for column, (item, distance, right) in enumerate(answers, 1):
                axes = cell(column, top)
                _show(axes, item, RIGHT if right else WRONG, solid=right)
                axes.set_xlabel(str(distance), fontsize=6.5, color="#666666", labelpad=1.5)
            top += CELL + 0.18
    note = (
        "Left: the query. Green: shares a label with it; red, dashed: shares none. "
        "Below each answer: its Hamming distance."
    )
    figure.text(0.1 / width, 0.14 / height, note, fontsize=8, color="#555555")
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=140, metadata={"Software": None})
    return stream.getvalue()


def _show(axes: Axes, item: str | np.ndarray, colour: str, *, solid: bool) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(2.2 if colour != QUERY else 1.2)
        spine.set_linestyle("-" if solid else (0, (2, 1.2)))
    if isinstance(item, str):
        axes.text(
            0.5,
            0.5,
            _wrapped(item),
            ha="center",
            va="center",
            fontsize=6.2,
            linespacing=1.15,
            transform=axes.transAxes,
            parse_math=False,
        )
        return
    # Small drawings keep their pixels, photographs are smoothed.
    smooth = "nearest" if max(item.shape[:2]) <= 40 else "antialiased"
    grey = "gray" if item.ndim == 2 else None
    axes.imshow(item, cmap=grey, vmin=0, vmax=255, interpolation=smooth)


def _item(corpus: Corpus, view: str, position: int) -> str | np.ndarray:
    """Return a raw item as a text or as (h, w) or (h, w, 3) uint8; paths are opened."""
    item = corpus.raw_item(view, position)
    kind = getattr(corpus.encoders.get(view), "kind", None)
    if isinstance(item, str) and kind != "pixels":
        return item
    picture = open_picture(item)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture)


def _wrapped(text: str) -> str:
    """Return a text in short lines; words and texts that are too long end in an ellipsis."""
    words = (w if len(w) <= LETTERS else w[: LETTERS - 1] + "…" for w in text.split())
    lines = textwrap.wrap(" ".join(words), LETTERS, break_long_words=False) or [""]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], lines[LINES - 1][: LETTERS - 1] + "…"]
    return "\n".join(lines)
