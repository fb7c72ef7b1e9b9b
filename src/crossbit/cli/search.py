"""`crossbit search`: find items of a run's own database by a query of another view."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.cli.options import AsJson, Root, Run, Threads, use_threads
from crossbit.cli.query import From, Image, Rerank, Text, Vector, one_query
from crossbit.errors import ConfigError, DataError, suggest

if TYPE_CHECKING:
    from crossbit.indexing.query import Query
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
    from crossbit.cli.hits import print_hits
    from crossbit.indexing.query import encode_query
    from crossbit.runs.folder import RunFolder

    use_threads(threads)
    kind, content = one_query({"text": text, "image": image, "vector": vector})
    source = RunFolder(run, root)
    hasher = source.hasher
    if vector is not None and from_ is None:
        raise ConfigError(f"say which view the vector is of: --from {' or '.join(hasher.dims)}")
    query_view = from_ or kind
    target_view = view or _other_view(hasher, query_view)
    query = encode_query(hasher, query_view, content, is_vector=vector is not None)
    items = find(source, query, target_view, k, rerank=rerank, n_jobs=threads)
    if as_json:
        typer.echo(json.dumps(items, ensure_ascii=False))
    else:
        print_hits(items)


def find(
    source: RunFolder,
    query: Query,
    view: str,
    k: int,
    *,
    rerank: int | None = None,
    n_jobs: int | None = None,
) -> list[dict[str, Any]]:
    """Return the nearest items of the run's own database by one view; see `hits.hit_items`."""
    from crossbit.cli.hits import hit_items
    from crossbit.index import open_index
    from crossbit.indexing.build import run_index
    from crossbit.indexing.searcher import Searcher, SearchRequest

    hasher = source.hasher
    if view not in hasher.dims:
        raise DataError(f"the model has no view {view!r}{suggest(view, hasher.dims)}")
    request = SearchRequest(query, k, rerank=rerank)
    folder = run_index(source, view, notify=lambda text: typer.echo(text, err=True))
    with open_index(folder) as index:
        return hit_items(Searcher(index, n_jobs).search(request))


def _other_view(hasher: Hasher, view: str) -> str:
    """Return the only view but this one; a model of one view searches that view."""
    if view not in hasher.dims:
        raise DataError(f"the model has no view {view!r}{suggest(view, hasher.dims)}")
    others = [name for name in hasher.dims if name != view]
    if len(others) > 1:
        raise ConfigError(f"say which view to search: --view {' or '.join(others)}")
    return others[0] if others else view
