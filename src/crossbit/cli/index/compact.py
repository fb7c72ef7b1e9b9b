"""`crossbit index compact`: give back the space of removed items."""

from __future__ import annotations

import typer

from crossbit.cli.options import Address

__all__ = ["command"]


def command(address: Address) -> None:
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
