"""`crossbit index verify`: look for damage in an index."""

from __future__ import annotations

import json

import typer

from crossbit.cli.options import Address, AsJson

__all__ = ["command"]

FOUND = 1


def command(address: Address, as_json: AsJson = False) -> None:
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
        raise typer.Exit(FOUND)
