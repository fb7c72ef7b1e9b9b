"""`crossbit encode`: code items through one view into plain files."""

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
        Path | None, typer.Option(help="Folder of the codes; RUN/codes-VIEW if not given.")
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
        bool, typer.Option("--overwrite", help="Replace the codes in the folder.")
    ] = False,
    threads: Threads = None,
) -> None:
    """Code items through one view, into plain files.

    Writes codes.npy (packed bits, one row per item), ids.npy and codes.json, for other programs
    or for `index build --codes`. For an index with captions at once: `index build`.

    \b
    Examples:
      crossbit encode runs/glyphs --view image
      crossbit encode runs/photos --view text --data more.csv --out codes/more
    """
    import numpy as np

    from crossbit import datasets
    from crossbit.codes import Codes
    from crossbit.errors import ConfigError
    from crossbit.indexing.code_files import FACTS, write_codes
    from crossbit.indexing.items import CorpusItems
    from crossbit.runs.folder import RunFolder

    use_threads(threads)
    source = RunFolder(run, root)
    hasher = source.hasher
    folder = out or run / f"codes-{view}"
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        if not (folder / FACTS).is_file():
            raise ConfigError(f"{folder} holds other files; choose another --out")
        if not overwrite:
            raise ConfigError(
                f"{folder} holds codes; choose another --out, or replace them with --overwrite"
            )
    if data is None:
        corpus = source.split.database
    else:
        corpus = datasets.load(data, root, **assignments(option or [], "--option"))
    rows = CorpusItems(hasher, corpus, view, raw=data is not None)
    starts = range(0, len(rows), rows.batch)
    codes = Codes.concatenate(
        [rows.codes(np.arange(at, min(at + rows.batch, len(rows)))) for at in starts]
    )
    write_codes(folder, codes, {"view": view, "data": corpus.name, "fingerprint": rows.fingerprint})
    without = f" ({rows.n_without_view:,} more have no {view})" if rows.n_without_view else ""
    typer.echo(
        f"{len(codes):,} items of {corpus.name}{without}, {hasher.bits} bits each, in {folder}"
    )
