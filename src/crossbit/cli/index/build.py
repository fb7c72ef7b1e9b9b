"""`crossbit index build` and `add`: code items into an index."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossbit.cli.options import Root, Threads, assignments, use_threads

if TYPE_CHECKING:
    from crossbit.indexing.items import IndexItems
    from crossbit.methods.base import Hasher

__all__ = ["add", "build", "load_model"]

Model = Annotated[
    Path | None,
    typer.Argument(metavar="MODEL", help="Folder of a run that `fit` finished, or of a model."),
]
Data = Annotated[
    str | None,
    typer.Argument(
        metavar="DATA", help="Items to code, as for `fit`; the run's own database if not given."
    ),
]
To = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="The index: a folder, or milvus://host:port/collection."),
]
View = Annotated[str | None, typer.Option(help="The view to code the items by, such as image.")]
CodesPath = Annotated[
    Path | None,
    typer.Option(
        help="In place of data: a folder of `encode`, or a .npy file of (n, bits / 8) uint8."
    ),
]
Ids = Annotated[
    Path | None,
    typer.Option(help="Ids of such a file, .npy or one per line; row numbers if not given."),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="An option of the dataset; repeatable."),
]


def build(
    to: To,
    model: Model = None,
    data: Data = None,
    view: View = None,
    codes: CodesPath = None,
    ids: Ids = None,
    option: Options = None,
    root: Root = None,
    threads: Threads = None,
) -> None:
    """Code items through one view into an index.

    Captions, picture paths and labels are kept with the codes, and the fingerprint of the model.
    Every batch is on disk before the next one begins: after an interruption, run the same command
    again, and items that are there are passed over.

    Milvus can take many items as files that it imports, which is quicker for plain codes: ?import=
    names a folder that this machine writes and the server reads. Batches are gathered for it,
    500,000 items at a time.

    \b
    Examples:
      crossbit index build runs/glyphs --view image --to indexes/glyphs
      crossbit index build runs/photos more.csv --view image --to indexes/more
      crossbit index build models/clip photos --view image --to milvus://localhost:19530/photos
      crossbit index build --codes codes.npy --ids ids.txt --to indexes/mine
      crossbit index build --codes codes.npy --to "milvus://localhost/mine?import=/mnt/milvus"
    """
    use_threads(threads)
    write_items(read_items(model, data, view, codes, ids, option, root), to)


def add(
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
    write_items(read_items(model, data, view, codes, ids, option, root), to, replace=replace)


def write_items(items: IndexItems, address: str, *, replace: bool = False) -> None:
    """Write what the index at `address` lacks, or with `replace` everything, and say how much."""
    from crossbit.index import open_index
    from crossbit.indexing.build import put_items
    from crossbit.interrupt import stop_on_interrupt
    from crossbit.progress import Progress

    stop = threading.Event()
    with open_index(address, "w") as index, Progress("index") as progress:

        def report(done: int) -> None:
            progress({"stage": "items", "epoch": done, "epochs": len(items)})

        def say(text: str) -> None:
            progress.say(text.replace("this epoch", "this batch"))

        with stop_on_interrupt(stop, say):
            written, existing = put_items(index, items, replace=replace, report=report, stop=stop)
        total = len(index)
    if written + existing < len(items):
        typer.echo(
            f"stopped after {written + existing:,} of {len(items):,} items; run the same command "
            "again to go on",
            err=True,
        )
        raise typer.Exit(130)
    before = f", {existing:,} were there before" if existing else ""
    if items.n_without_view:
        before += f", {items.n_without_view:,} lack the view"
    typer.echo(f"{written:,} items of {items.bits} bits written{before}; {total:,} in {address}")


def read_items(
    model: Path | None,
    data: str | None,
    view: str | None,
    codes: Path | None,
    ids: Path | None,
    option: list[str] | None,
    root: Path | None,
) -> IndexItems:
    """Return the items that the options describe, everything about them checked.

    Raises
    ------
    ConfigError
        If the options do not go together.
    DataError, ModelError
        If model, data or codes cannot be read, or do not fit together.
    """
    from crossbit.errors import ConfigError
    from crossbit.indexing.items import CorpusItems

    if codes is not None:
        if data is not None or view is not None or option:
            raise ConfigError("--codes are coded already; leave DATA, --view and --option out")
        return _coded(codes, ids, model, root)
    if model is None:
        raise ConfigError("nothing to code with; name a run or model, or give --codes")
    if ids is not None:
        raise ConfigError("--ids go with --codes; data have ids of their own")
    if view is None:
        raise ConfigError("say which view to code the items by: --view image")
    from crossbit import datasets
    from crossbit.runs.folder import RunFolder

    hasher = load_model(model, root)
    if data is not None:
        corpus = datasets.load(data, root, **assignments(option or [], "--option"))
    elif (model / "run.json").exists():
        corpus = RunFolder(model, root).split.database
    else:
        raise ConfigError(f"{model} is a model without data; name the DATA to code")
    return CorpusItems(hasher, corpus, view, raw=data is not None)


def load_model(path: Path, root: Path | None = None) -> Hasher:
    """Return the model of a run, or of a folder that `Hasher.save` wrote."""
    from crossbit import methods
    from crossbit.runs.folder import RunFolder

    if (path / "config.json").exists() and not (path / "run.json").exists():
        return methods.load(path)
    return RunFolder(path, root).hasher


def _coded(codes: Path, ids: Path | None, model: Path | None, root: Path | None) -> IndexItems:
    from crossbit.errors import DataError
    from crossbit.indexing.code_files import read_codes
    from crossbit.indexing.items import CodedItems

    packed, fingerprint = read_codes(codes, ids)
    if model is not None:
        hasher = load_model(model, root)
        if fingerprint not in (None, hasher.fingerprint) or packed.bits != hasher.bits:
            raise DataError(f"the codes in {codes} were not made by the model in {model}")
        fingerprint = hasher.fingerprint
    return CodedItems(packed, fingerprint)
