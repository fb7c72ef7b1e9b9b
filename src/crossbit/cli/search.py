"""`crossbit search`: find items of one view by a query of another."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.cli.options import AsJson, Root, Run, Threads, use_threads
from crossbit.errors import ConfigError, DataError, suggest

if TYPE_CHECKING:
    from crossbit.cli.runs import RunFolder
    from crossbit.codes import Codes
    from crossbit.index import Hits
    from crossbit.methods.base import Hasher

__all__ = ["command", "find", "read_query", "show"]


def command(
    run: Run,
    text: Annotated[str | None, typer.Option(help="A text to search with.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture file to search with.")] = None,
    vector: Annotated[
        Path | None,
        typer.Option(help="A .npy file with one feature vector to search with; needs --from."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="The query's view; text or image by the kind of query."),
    ] = None,
    view: Annotated[
        str | None, typer.Option(help="The view to search; the other one if there are two.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items to show.")] = 10,
    index: Annotated[
        str | None,
        typer.Option(help="An index of `encode` to search; the run's own database if not given."),
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
    threads: Threads = None,
) -> None:
    """Find items of one view by a query of another.

    The codes of the run's own database are made at the first search, and kept in the run folder.

    \b
    Examples:
      crossbit search runs/glyphs --text "black chess knight"
      crossbit search runs/glyphs --image drawing.png -k 5
      crossbit search runs/wiki --vector topics.npy --from text
      crossbit search runs/photos --text "red bicycle" --index codes/more --json
    """
    from crossbit.cli.runs import RunFolder

    use_threads(threads)
    given = {"text": text, "image": image, "vector": vector}
    kinds = [kind for kind, value in given.items() if value is not None]
    if len(kinds) != 1:
        raise ConfigError("give one query: --text WORDS, --image FILE or --vector FILE")
    source = RunFolder(run, root)
    hasher = source.hasher
    if vector is not None and from_ is None:
        raise ConfigError(f"say which view the vector is of: --from {' or '.join(hasher.dims)}")
    asked = from_ or kinds[0]
    searched = view or _other(hasher, asked)
    codes = read_query(hasher, asked, given[kinds[0]], ready_made=vector is not None)
    hits = find(source, codes, searched, k, index)
    if as_json:
        items = _items(hits)
        typer.echo(json.dumps(items, ensure_ascii=False))
    else:
        show(hits)


def read_query(hasher: Hasher, view: str, query: Any, *, ready_made: bool = False) -> Codes:
    """Return the code of one query: a text, a picture file, or a .npy file of its features.

    Raises
    ------
    DataError
        For an unknown view, an unreadable file, a vector of the wrong size, or a text none of
        whose words the model knows.
    """
    import numpy as np
    from scipy import sparse

    if not ready_made:
        codes = hasher.encode_raw([query], view)
        features = hasher.encoders[view]([query])
        if sparse.issparse(features) and not features.nnz:
            raise DataError(
                f"the model knows no word of {query!r}; use words of its training texts"
            )
        return codes
    try:
        features = np.load(query, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"there is no file {query}; check the path") from None
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{query} is no readable .npy file ({error})") from None
    if not isinstance(features, np.ndarray):
        raise DataError(f"{query} holds several arrays; save one vector with numpy.save")
    codes = hasher.encode(np.atleast_2d(features), view)
    if len(codes) != 1:
        raise DataError(f"{query} holds {len(codes)} vectors; search with one at a time")
    return codes


def find(source: RunFolder, codes: Codes, view: str, k: int, index: str | None = None) -> Hits:
    """Return what one query finds in an index, by default in the run's own database."""
    from crossbit.index import open_index

    hasher = source.hasher
    if index is None:
        index = str(_own_index(source, view))
    with open_index(index) as opened:
        return opened.search(codes, k, fingerprint=hasher.fingerprint)[0]


def show(hits: Hits) -> None:
    """Print what was found."""
    from crossbit.cli.tables import print_table

    items = [
        {**item, "labels": ", ".join(map(str, item.get("labels", [])))} for item in _items(hits)
    ]
    columns = [
        name
        for name in ("rank", "distance", "id", "character", "caption", "path", "labels")
        if any(item.get(name) for item in items) or name == "distance"
    ]
    rows = [[str(item.get(name, "")) for name in columns] for item in items]
    print_table(columns, rows, numbers=(0, 1))


def _items(hits: Hits) -> list[dict[str, Any]]:
    items = []
    found = zip(hits.ids.tolist(), hits.distances.tolist(), hits.payload, strict=True)
    for rank, (key, distance, payload) in enumerate(found, 1):
        item = {"rank": rank, "distance": distance, "id": key, **payload}
        if re.fullmatch(r"U\+[0-9A-F]{4,6}", str(key)):
            item["character"] = chr(int(key[2:], 16))
        items.append(item)
    return items


def _other(hasher: Hasher, asked: str) -> str:
    """Return the only other view; a model of one view searches that view."""
    views = [name for name in hasher.dims if name != asked]
    if asked not in hasher.dims:
        raise DataError(f"the model knows no view {asked!r}{suggest(asked, hasher.dims)}")
    if len(views) > 1:
        raise ConfigError(f"say which view to search: --view {' or '.join(views)}")
    return views[0] if views else asked


def _own_index(source: RunFolder, view: str) -> Path:
    """Return the folder of an index of the run's database, made anew unless of this model."""
    from crossbit.cli.indexing import build_index
    from crossbit.index import open_index

    hasher = source.hasher
    if view not in hasher.dims:
        raise DataError(f"the model knows no view {view!r}{suggest(view, hasher.dims)}")
    folder = source.path / f"index-{view}"
    if folder.exists():
        try:
            with open_index(folder) as index:
                if index.fingerprint == hasher.fingerprint:
                    return folder
        except DataError as error:
            typer.echo(f"making the index anew: {error}", err=True)
    build_index(hasher, source.split.database, view, folder, raw=False)
    return folder
