"""`crossbit index approximate`: make the structure that approximate searches use."""

from __future__ import annotations

from typing import Annotated

import typer

from crossbit.cli.options import Address, scalars

__all__ = ["command"]


def command(
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
