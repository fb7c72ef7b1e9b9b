"""`crossbit index search`: find items of any index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossbit.cli.options import Address, AsJson, Threads, scalars, use_threads
from crossbit.cli.query import From, Image, Rerank, Text, Vector, one_query

if TYPE_CHECKING:
    from crossbit.index import Index
    from crossbit.indexing.query import Query

__all__ = ["search"]


def search(
    address: Address,
    text: Text = None,
    image: Image = None,
    vector: Vector = None,
    id_: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="An item of the index to search with.")
    ] = None,
    code: Annotated[
        str | None, typer.Option(metavar="HEX", help="A packed code to search with.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="The run or model that made the index; codes raw queries and vectors."),
    ] = None,
    from_: From = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="How many items to show: 10, or all within a radius."),
    ] = None,
    radius: Annotated[
        int | None, typer.Option(min=0, help="Only items at this Hamming distance or nearer.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE", help="Only items with this value in their payload; repeatable."
        ),
    ] = None,
    approximate: Annotated[
        bool,
        typer.Option("--approximate", help="Use what `index approximate` made; may miss some."),
    ] = False,
    rerank: Rerank = None,
    as_json: AsJson = False,
    threads: Threads = None,
) -> None:
    """Find items of an index.

    A value of --where is a number, true or false if it looks like one, else text; put a text that
    looks like a number into double quotes. --id finds the item itself first.

    \b
    Examples:
      crossbit index search indexes/photos --model runs/photos --text "red bicycle"
      crossbit index search indexes/photos --model runs/photos --image cat.png --rerank 200
      crossbit index search indexes/photos --id cat-17 --radius 3
      crossbit index search indexes/photos --code 9f3c00a1b2c3d4e5 --where year=2024 --json
    """
    from crossbit.cli.hits import hit_items, print_hits
    from crossbit.cli.index.build import load_model
    from crossbit.errors import ConfigError
    from crossbit.index import open_index
    from crossbit.indexing.query import encode_query
    from crossbit.indexing.searcher import Searcher, SearchRequest

    use_threads(threads)
    kind, content = one_query(
        {"text": text, "image": image, "vector": vector, "id": id_, "code": code}
    )
    conditions = scalars(where or [], "--where")
    query = None
    hasher = None if model is None else load_model(model)
    if kind in ("text", "image", "vector"):
        if hasher is None:
            raise ConfigError(f"a {kind} needs the --model that made the index to code it")
        if kind == "vector" and from_ is None:
            raise ConfigError(f"say which view the vector is of: --from {' or '.join(hasher.dims)}")
        query = encode_query(hasher, from_ or kind, content, is_vector=kind == "vector")
    with open_index(address) as index:
        request = SearchRequest(
            query or _code_query(index, kind, content, hasher.fingerprint if hasher else None),
            k=10 if k is None and radius is None else k,
            radius=radius,
            rerank=rerank,
            where=tuple(conditions.items()),
            approximate=approximate,
        )
        items = hit_items(Searcher(index, threads).search(request))
    if as_json:
        typer.echo(json.dumps(items, ensure_ascii=False))
    else:
        print_hits(items)


def _code_query(index: Index, kind: str, content: str, fingerprint: str | None) -> Query:
    """Return the query of a stored item's code ("id"), or of a code as text ("code")."""
    from crossbit.indexing.ids import parse_ids
    from crossbit.indexing.query import Query, parse_code

    if kind == "id":
        codes, _ = index.get(parse_ids(index, [content]))
    else:
        codes = parse_code(content, index.bits)
    return Query(codes, fingerprint=fingerprint)
