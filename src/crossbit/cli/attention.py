"""`crossbit attention`: draw what a model attends to in some items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossbit.cli.options import Root, Threads, assignments, use_threads

if TYPE_CHECKING:
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher

__all__ = ["command"]


def command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder of a finished run, or of a saved model.")
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA", help="Items, as for `fit`; if not given, the run's own queries."
        ),
    ] = None,
    ids: Annotated[
        str | None, typer.Option(metavar="ID,ID", help="Show these items; else some at random.")
    ] = None,
    items: Annotated[int, typer.Option(min=1, max=100, help="How many items to draw.")] = 8,
    seed: Annotated[int, typer.Option(help="Draws the items.")] = 0,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of that dataset; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A page, or a .png picture alone; MODEL/attention.html if not given."),
    ] = None,
    root: Root = None,
    threads: Threads = None,
) -> None:
    """Draw what a model attends to in some items.

    Each picture beside itself with the rest darkened, and for texts of words how many bits of
    the code each word moves. With the mean attended share of all items. For models of hashgan.

    \b
    Examples:
      crossbit attention runs/photos
      crossbit attention runs/photos --ids 1204,88 --out masks.png
      crossbit attention runs/photos mirflickr --option image=pixels --seed 1
    """
    from html import escape

    import numpy as np

    from crossbit import datasets, methods
    from crossbit.evaluation.attention import attended_shares, attention_picture
    from crossbit.evaluation.html import document, picture
    from crossbit.files import replace_file, write_text
    from crossbit.runs.folder import RunFolder

    use_threads(threads)
    if data is None:
        source = RunFolder(model, root)
        hasher, corpus = source.hasher, source.split.query
    else:
        hasher = methods.load(model)
        corpus = _as_read(
            hasher, datasets.load(data, root, **assignments(option or [], "--option"))
        )
    shares = attended_shares(hasher, corpus)
    if ids is None:
        drawn = np.random.default_rng(seed).permutation(len(corpus))[:items]
    else:
        drawn = np.array(_positions(corpus, ids), dtype=np.int64)
    drawing = attention_picture(hasher, corpus.take(drawn))
    file = out or model / "attention.html"
    if file.suffix == ".png":
        with replace_file(file) as stream:
            stream.write(drawing)
    else:
        title = f"What {hasher.name} attends to in {corpus.name}, {hasher.bits} bits"
        said = ", ".join(f"{view} {share:.0%}" for view, share in shares.items())
        lead = (
            f"Attended on average of {len(corpus):,} items: {said}. A picture's share is of its "
            "positions, a vector's of the features that the network made of it."
        )
        caption = (
            "Left: the item. Beside it: what is attended in its colours, the rest darkened. "
            "Bars: how many bits of the code each word moves."
        )
        parts = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(lead)}</p>']
        write_text(file, document(title, [*parts, picture(drawing, "image/png", caption)]))
    for view, share in shares.items():
        typer.echo(f"{view}: {share:.1%} attended on average of {len(corpus):,} items")
    typer.echo(f"{len(drawn)} items drawn in {file}")


def _as_read(hasher: Hasher, corpus: Corpus) -> Corpus:
    """Return other data with the model's own preprocessing, where theirs is another."""
    from crossbit.corpus import Corpus

    differ = [
        view
        for view, encoder in hasher.encoders.items()
        if view in corpus.encoders
        and view in corpus.raw
        and corpus.encoders[view].to_json() != encoder.to_json()
    ]
    if not differ:
        return corpus
    corpus = corpus.with_views(*corpus.views)
    raw = {view: [corpus.raw_item(view, k) for k in range(len(corpus))] for view in corpus.raw}
    views = {
        view: hasher.encoders[view](raw[view]) if view in differ else corpus[view]
        for view in corpus.views
    }
    return Corpus(views, ids=corpus.ids, name=corpus.name, raw=raw)


def _positions(corpus: Corpus, text: str) -> list[int]:
    """Return the rows of the items called "12,85"."""
    from crossbit.errors import DataError, suggest

    places = {str(name): k for k, name in enumerate(corpus.ids.tolist())}
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    for name in wanted:
        if name not in places:
            raise DataError(f"{corpus.name} has no item {name!r}{suggest(name, places)}")
    return [places[name] for name in wanted]
