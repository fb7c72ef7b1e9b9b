"""`crossbit index remove`, `stat`, `verify`, `compact`, `approximate`: look after an index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from crossbit.cli.options import Address, AsJson, scalars

__all__ = ["approximate", "compact", "remove", "stat", "verify"]


def remove(
    address: Address,
    id_: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="An item's id; repeatable.")
    ] = None,
    ids_from: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with one id per line; - for standard input."),
    ] = None,
) -> None:
    """Take items out of an index.

    All of them or, if an id is not there, none. `index compact` gives their space back.

    \b
    Examples:
      crossbit index remove indexes/photos --id cat-17 --id cat-18
      crossbit index remove indexes/photos --ids-from withdrawn.txt
    """
    from crossbit.errors import ConfigError
    from crossbit.index import open_index
    from crossbit.indexing.ids import parse_ids, read_ids

    texts = [*(id_ or []), *(read_ids(ids_from) if ids_from else [])]
    if not texts:
        raise ConfigError("nothing to remove; give --id or --ids-from with at least one id")
    open_index(address).close()  # there must be one: a mistyped address makes no new index
    with open_index(address, "w") as index:
        ids = parse_ids(index, texts)
        index.remove(ids)
        index.flush()
        typer.echo(f"{len(ids):,} items removed; {len(index):,} in {address}")


def stat(address: Address, as_json: AsJson = False) -> None:
    """Describe an index: items, bits, model, size on disk.

    \b
    Examples:
      crossbit index stat indexes/photos
      crossbit index stat milvus://localhost:19530/photos --json
    """
    from crossbit.index import open_index

    with open_index(address) as index:
        facts = index.stat()
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {_shown(value)}")


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


PROBLEMS = 1  # exit code


def verify(address: Address, as_json: AsJson = False) -> None:
    """Check everything in an index that can be checked.

    Prints one line per problem and ends in exit code 1 if there is any. An index that cannot even
    be opened ends in exit code 2.

    \b
    Examples:
      crossbit index verify indexes/photos
      crossbit index verify indexes/photos --json
    """
    from crossbit.index import open_index

    with open_index(address) as index:
        problems = index.verify()
        items = len(index) if not problems else None
    if as_json:
        typer.echo(json.dumps(problems, ensure_ascii=False))
    elif problems:
        typer.echo("\n".join(problems))
    else:
        typer.echo(f"{items:,} items, no problem found")
    if problems:
        raise typer.Exit(PROBLEMS)


def compact(address: Address) -> None:
    """Give back the space of removed items.

    What a search finds does not change, and readers may go on meanwhile.

    \b
    Examples:
      crossbit index compact indexes/photos
    """
    from crossbit.index import open_index

    open_index(address).close()  # there must be one: a mistyped address makes no new index
    with open_index(address, "w") as index:
        before = index.stat()["bytes"]
        index.compact()
        after, items = index.stat()["bytes"], len(index)
    size = "" if before is None or after is None else f", {before:,} bytes before, {after:,} now"
    typer.echo(f"{items:,} items{size}")


def approximate(
    address: Address,
    kind: Annotated[
        str, typer.Option(help="ivf: cells around centres; hnsw: a graph, for folders only.")
    ] = "ivf",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the kind; repeatable."),
    ] = None,
) -> None:
    """Make the structure that `index search --approximate` uses.

    It is of the items of now: make it again after changes. Prints its recall against exact search.

    \b
    Examples:
      crossbit index approximate indexes/photos
      crossbit index approximate indexes/photos --kind hnsw
    """
    from crossbit.index import open_index

    settings = scalars(set_ or [], "--set")
    open_index(address).close()  # there must be one: a mistyped address makes no new index
    with open_index(address, "w") as index:
        recall = index.build_approximate(kind, **settings)
        items = len(index)
    measured = "" if recall is None else f", recall at 10: {recall:.3f}"
    typer.echo(f"{kind} over {items:,} items{measured}")
