"""What `index build` and `index add` write: their shared options, and the rows behind them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossbit.cli.options import assignments

if TYPE_CHECKING:
    from crossbit.indexing.items import Rows
    from crossbit.methods.base import Hasher

__all__ = ["CodesPath", "Data", "Ids", "Model", "Options", "To", "View", "load_model", "read_rows"]

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


def read_rows(
    model: Path | None,
    data: str | None,
    view: str | None,
    codes: Path | None,
    ids: Path | None,
    option: list[str] | None,
    root: Path | None,
) -> Rows:
    """Return the rows that the options describe, everything about them checked.

    Raises
    ------
    ConfigError
        If the options do not go together.
    DataError, ModelError
        If model, data or codes cannot be read, or do not fit together.
    """
    from crossbit.errors import ConfigError
    from crossbit.indexing.items import CorpusRows

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
    return CorpusRows(hasher, corpus, view, raw=data is not None)


def load_model(path: Path, root: Path | None = None) -> Hasher:
    """Return the model of a run, or of a folder that `Hasher.save` wrote."""
    from crossbit import methods
    from crossbit.runs.folder import RunFolder

    if (path / "config.json").exists() and not (path / "run.json").exists():
        return methods.load(path)
    return RunFolder(path, root).hasher


def _coded(codes: Path, ids: Path | None, model: Path | None, root: Path | None) -> Rows:
    from crossbit.errors import DataError
    from crossbit.indexing.code_files import read_codes
    from crossbit.indexing.items import CodedRows

    found, made_by = read_codes(codes, ids)
    if model is not None:
        hasher = load_model(model, root)
        if made_by not in (None, hasher.fingerprint) or found.bits != hasher.bits:
            raise DataError(f"the codes in {codes} were not made by the model in {model}")
        made_by = hasher.fingerprint
    return CodedRows(found, made_by)
