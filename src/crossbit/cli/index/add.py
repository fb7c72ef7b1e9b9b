"""`crossbit index add`: code more items into an index that is there."""

from __future__ import annotations

from typing import Annotated

import typer

from crossbit.cli.index.source import CodesPath, Data, Ids, Model, Options, To, View, read_rows
from crossbit.cli.index.writing import write_rows
from crossbit.cli.options import Root, Threads, use_threads

__all__ = ["command"]


def command(
    to: To,
    model: Model = None,
    data: Data = None,
    view: View = None,
    codes: CodesPath = None,
    ids: Ids = None,
    option: Options = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace items whose id is there already.")
    ] = False,
    root: Root = None,
    threads: Threads = None,
) -> None:
    """Code more items into an index.

    Items that are there already are passed over; another item under an id that is there is
    refused, unless it is to replace the old one. The model must be the one that made the index.

    \b
    Examples:
      crossbit index add runs/photos more.csv --view image --to indexes/photos
      crossbit index add runs/photos corrected.csv --view image --to indexes/photos --replace
      crossbit index add --codes codes.npy --ids ids.txt --to indexes/mine
    """
    from crossbit.index import open_index

    use_threads(threads)
    open_index(to).close()  # there must be one: a mistyped address makes no new index
    write_rows(read_rows(model, data, view, codes, ids, option, root), to, replace=replace)
