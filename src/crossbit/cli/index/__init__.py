"""`crossbit index`: make indexes, change them, search them, look after them."""

from __future__ import annotations

import typer

from crossbit.cli.index import add, approximate, build, compact, remove, search, stat, verify

__all__ = ["app"]

app = typer.Typer(
    help="Make, change, search and check indexes: folders on disk, or collections of Milvus.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in build, add, remove, search, stat, verify, compact, approximate:
    app.command(module.__name__.rpartition(".")[2])(module.command)
