"""`crossbit index remove`: take items out of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossbit.cli.options import Address

__all__ = ["command"]


def command(
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
    from crossbit.cli.ids import ids_of, read_ids
    from crossbit.errors import ConfigError
    from crossbit.index import open_index

    texts = [*(id_ or []), *(read_ids(ids_from) if ids_from else [])]
    if not texts:
        raise ConfigError("nothing to remove; give --id or --ids-from with at least one id")
    open_index(address).close()  # there must be one: a mistyped address makes no new index
    with open_index(address, "w") as index:
        ids = ids_of(index, texts)
        index.remove(ids)
        index.flush()
        typer.echo(f"{len(ids):,} items removed; {len(index):,} in {address}")
