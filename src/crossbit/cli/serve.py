"""`crossbit serve`: search an index over HTTP, and in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.cli.options import Root, Threads, use_threads

if TYPE_CHECKING:
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher
    from crossbit.runs.folder import RunFolder
    from crossbit.serving.auth import Auth
    from crossbit.serving.thumbnails import Thumbnails
    from crossbit.serving.view_index import ViewIndex

__all__ = ["command"]

UNNAMED = "image"  # the view of an index that is given without one


def command(
    index: Annotated[
        list[str],
        typer.Argument(
            metavar="INDEX...",
            help="A run, or an index: a folder or milvus://..., with its view before it, as in "
            "text=indexes/texts (image if not given).",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(help="The run or model that made the index; codes texts and pictures."),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder that pictures of items may be shown from; repeatable. None is else.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8080,
    max_k: Annotated[int, typer.Option(min=1, help="Most items that one search brings.")] = 1000,
    max_body: Annotated[int, typer.Option(min=1, help="Most megabytes of one request.")] = 16,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Most millions of pixels of an uploaded picture.")
    ] = 32,
    max_requests: Annotated[int, typer.Option(min=1, help="Most requests at work at once.")] = 512,
    batch: Annotated[
        int, typer.Option(min=1, help="Most searches answered together; 1: one at a time.")
    ] = 256,
    timeout: Annotated[float, typer.Option(min=0.1, help="Most seconds for one request.")] = 30.0,
    root: Root = None,
    threads: Threads = None,
) -> None:
    """Serve indexes over HTTP, with a page to search them in a browser.

    A run brings its own database, pictures and model. The page is at http://127.0.0.1:8080, what
    programs can ask for at /openapi.json, counters for Prometheus at /metrics.

    Only this machine is listened to. To change items, set a write key; to listen to other
    machines, set a read key: CROSSBIT_WRITE_KEY and CROSSBIT_READ_KEY in the environment, sent by
    clients as `Authorization: Bearer KEY`.

    \b
    Examples:
      crossbit serve runs/demo/schgan
      crossbit serve indexes/photos --model runs/photos --images photos/
      crossbit serve image=indexes/photos text=indexes/captions --model runs/photos
      CROSSBIT_READ_KEY=$(openssl rand -hex 16) crossbit serve runs/photos --host 0.0.0.0
    """
    from crossbit.serving.auth import Auth
    from crossbit.serving.server import check_host, need_packages, run
    from crossbit.serving.service import Limits, Service

    need_packages()
    use_threads(threads)
    auth = Auth.from_environment()
    check_host(host, protected=auth.read is not None)
    limits = Limits(
        body=max_body << 20,
        pixels=max_pixels * 1_000_000,
        k=max_k,
        searches=batch,
        concurrency=max_requests,
        seconds=timeout,
    )
    indexes, hasher, thumbnails = _opened(index, model, images or [], root, auth, threads)
    thumbnails.pixels = limits.pixels
    service = Service(indexes, hasher, thumbnails, auth, limits)
    _announce(service, host, port)
    run(service, host, port)


def _opened(
    addresses: list[str],
    model: Path | None,
    images: list[Path],
    root: Path | None,
    auth: Auth,
    n_jobs: int | None,
) -> tuple[list[ViewIndex], Hasher | None, Thumbnails]:
    """Return the indexes, the model and the pictures that the arguments name."""
    from crossbit.cli.index.build import load_model
    from crossbit.errors import ConfigError
    from crossbit.indexing.build import run_index
    from crossbit.runs.folder import RunFolder
    from crossbit.serving.thumbnails import Thumbnails
    from crossbit.serving.view_index import ViewIndex

    writable = auth.write is not None
    hasher = None if model is None else load_model(model, root)
    if len(addresses) == 1 and (Path(addresses[0]) / "run.json").exists():
        if model is not None:
            raise ConfigError(f"{addresses[0]} is a run with a model of its own; leave --model out")
        source = RunFolder(Path(addresses[0]), root)

        def notify(text: str) -> None:
            typer.echo(text, err=True)

        hasher = source.hasher
        indexes = [
            ViewIndex(view, str(run_index(source, view, notify)), writable, n_jobs)
            for view in hasher.dims
        ]
        return indexes, hasher, Thumbnails(images, [_of_corpus(source)])
    indexes = []
    for text in addresses:
        view, separator, address = text.partition("=")
        if not separator or "/" in view or ":" in view:
            view, address = UNNAMED, text
        indexes.append(ViewIndex(view, address, writable, n_jobs))
    return indexes, hasher, Thumbnails(images)


def _of_corpus(source: RunFolder) -> Any:
    """Return the function from an id to the picture of a run's own data, None where none is."""
    corpus: Corpus = source.split.database
    names = [view for view, items in corpus.raw.items() if _pictured(items)]
    if not names:
        return lambda key: None
    place = {key: at for at, key in enumerate(corpus.ids.tolist())}
    items = corpus.raw[names[0]]
    read = getattr(items, "source", items.__getitem__)  # a file or its bytes, not yet decoded

    def picture(key: Any) -> Any:
        at = place.get(key)
        return None if at is None else read(at)

    return picture


def _pictured(items: Any) -> bool:
    import numpy as np

    return hasattr(items, "source") or (len(items) > 0 and isinstance(items[0], np.ndarray))


def _announce(service: Any, host: str, port: int) -> None:
    from crossbit.serving.auth import WRITE

    counts = ", ".join(f"{len(index):,} by {index.view}" for index in service.indexes)
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"Items: {counts}; {service.bits} bits", err=True)
    if service.auth.write is None:
        typer.echo(f"Read-only; {WRITE} in the environment opens it for changes.", err=True)
    typer.echo(f"Open http://{shown}:{port} in a browser; Ctrl-C ends it.", err=True)
