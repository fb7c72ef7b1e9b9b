"""`crossbit encode`: code items through one view into an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossbit.cli.options import Root, Run, Threads, assignments, use_threads

__all__ = ["command"]


def command(
    run: Run,
    view: Annotated[str, typer.Option(help="The view to code the items by, such as image.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the index; RUN/codes-VIEW if not given.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Items to code, as for `fit`; the run's own database if not given."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of that dataset; repeatable."),
    ] = None,
    root: Root = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the index in the folder.")
    ] = False,
    threads: Threads = None,
) -> None:
    """Code items through one view, into an index.

    `search --index` reads it. Captions, picture paths and labels are kept with the codes.

    \b
    Examples:
      crossbit encode runs/glyphs --view image
      crossbit encode runs/photos --view text --data more.csv --out codes/more
    """
    from crossbit import datasets
    from crossbit.cli.indexing import build_index
    from crossbit.cli.runs import RunFolder
    from crossbit.errors import ConfigError, DataError, suggest

    use_threads(threads)
    source = RunFolder(run, root)
    hasher = source.hasher
    folder = out or run / f"codes-{view}"
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        if not (folder / "meta.json").is_file():
            raise ConfigError(f"{folder} holds other files; choose another --out")
        if not overwrite:
            raise ConfigError(
                f"{folder} holds an index; choose another --out, or replace it with --overwrite"
            )
    if data is None:
        corpus = source.split.database
    else:
        corpus = datasets.load(data, root, **assignments(option or [], "--option"))
    for known, owner in (hasher.dims, "the model"), (corpus.views, corpus.name):
        if view not in known:
            raise DataError(f"{owner} has no view {view!r}{suggest(view, known)}")
    count = build_index(hasher, corpus, view, folder, raw=data is not None)
    typer.echo(f"{count:,} items of {corpus.name}, {hasher.bits} bits each, in {folder}")
