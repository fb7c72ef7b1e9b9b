"""`crossbit search`: find items of a run's own database by a query of another view."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.cli.options import AsJson, Root, Run, Threads, thread_count, use_threads, warn
from crossbit.cli.query import From, Image, Query, Rerank, Text, Vector, one_of, read_query
from crossbit.errors import ConfigError, DataError, suggest

if TYPE_CHECKING:
    from crossbit.methods.base import Hasher
    from crossbit.runs.folder import RunFolder

__all__ = ["command", "find"]


def command(
    run: Run,
    text: Text = None,
    image: Image = None,
    vector: Vector = None,
    from_: From = None,
    view: Annotated[
        str | None, typer.Option(help="The view to search; the other one if there are two.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items to show.")] = 10,
    rerank: Rerank = None,
    root: Root = None,
    as_json: AsJson = False,
    threads: Threads = None,
) -> None:
    """Find items of a run's own database by a query of another view.

    Their codes are made at the first search, and kept in the run folder. Other items: `index
    build` and `index search`.

    \b
    Examples:
      crossbit search runs/glyphs --text "black chess knight"
      crossbit search runs/glyphs --image drawing.png -k 5
      crossbit search runs/wiki --vector topics.npy --from text
      crossbit search runs/photos --text "red bicycle" --rerank 100 --json
    """
    from crossbit.cli.asking import show
    from crossbit.runs.folder import RunFolder

    use_threads(threads)
    given = {"text": text, "image": image, "vector": vector}
    kind = one_of(given)
    source = RunFolder(run, root)
    hasher = source.hasher
    if vector is not None and from_ is None:
        raise ConfigError(f"say which view the vector is of: --from {' or '.join(hasher.dims)}")
    asked = from_ or kind
    searched = view or _other(hasher, asked)
    query = read_query(hasher, asked, given[kind], ready_made=vector is not None)
    items = find(source, query, searched, k, rerank=rerank, threads=thread_count(threads))
    if as_json:
        typer.echo(json.dumps(items, ensure_ascii=False))
    else:
        show(items)


def find(
    source: RunFolder,
    query: Query,
    view: str,
    k: int,
    *,
    rerank: int | None = None,
    threads: int = 1,
) -> list[dict[str, Any]]:
    """Return what one query finds in the run's own database; see `crossbit.cli.asking.ask`."""
    from crossbit.cli.asking import ask
    from crossbit.index import open_index
    from crossbit.indexing.build import run_index

    hasher = source.hasher
    if view not in hasher.dims:
        raise DataError(f"the model knows no view {view!r}{suggest(view, hasher.dims)}")
    with open_index(run_index(source, view, warn)) as index:
        return ask(index, query, k=k, rerank=rerank, threads=threads)


def _other(hasher: Hasher, asked: str) -> str:
    """Return the only other view; a model of one view searches that view."""
    views = [name for name in hasher.dims if name != asked]
    if asked not in hasher.dims:
        raise DataError(f"the model knows no view {asked!r}{suggest(asked, hasher.dims)}")
    if len(views) > 1:
        raise ConfigError(f"say which view to search: --view {' or '.join(views)}")
    return views[0] if views else asked
