"""`crossbit index`: make indexes, change them, search them, look after them."""

from __future__ import annotations

import typer

from crossbit.cli.index import build, search, upkeep

__all__ = ["app"]

app = typer.Typer(
    help="Make, change, search and check indexes: folders on disk, or collections of Milvus.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    build.build,
    build.add,
    upkeep.remove,
    search.search,
    upkeep.stat,
    upkeep.verify,
    upkeep.compact,
    upkeep.approximate,
):
    app.command(command.__name__)(command)
