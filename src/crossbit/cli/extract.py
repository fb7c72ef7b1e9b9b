"""`crossbit extract`: raw images and texts become a folder of features."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossbit.cli.options import Root, Threads, assignments, scalars, thread_count, use_threads

if TYPE_CHECKING:
    from crossbit.features.extraction import Outcome

__all__ = ["command"]


def command(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A .csv, .tsv or .jsonl table, a folder of pictures (a.txt beside a.jpg is its "
            "text), or a dataset's name.",
        ),
    ],
    to: Annotated[Path, typer.Option(help="Folder of the features, new or begun before.")],
    image: Annotated[
        str | None,
        typer.Option(
            metavar="ENCODER",
            help="pixels, efficientnet, vgg19:FILE, clip:MODEL or siglip:MODEL; a MODEL is a "
            "folder, or a name on the Hugging Face Hub, at @REVISION if you like.",
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option(metavar="ENCODER", help="bow, clip:MODEL or siglip:MODEL.")
    ] = None,
    image_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting of the image encoder, such as size=64 (pixels), layer=maps "
            "(efficientnet) or layer=conv5 (vgg19); repeatable.",
        ),
    ] = None,
    text_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A setting of the text encoder, such as min_count=2 or max_words=2000 (bow); "
            "repeatable.",
        ),
    ] = None,
    bad: Annotated[
        str,
        typer.Option(
            help="What a picture does that cannot be read: stop, or skip: it is listed in bad.csv, "
            "and its item goes on with its text, or is left out if no text is extracted."
        ),
    ] = "stop",
    rows: Annotated[
        int | None,
        typer.Option(min=1, help="Items in a shard; 10,000, or fewer of 512 MB, if not given."),
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Of the stored numbers: float32 or float16.")
    ] = "float32",
    device: Annotated[str, typer.Option(help="Of the networks: auto, cpu or cuda.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Items that pass a network together.")] = 32,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An option of the table (images, image_column, ...) or dataset; repeatable.",
        ),
    ] = None,
    root: Root = None,
    threads: Threads = None,
) -> None:
    """Turn raw images and texts into features, once, for any number of fits.

    The folder holds numbered shards of each view, and ids, captions, paths and labels in parquet;
    `crossbit fit FOLDER` reads it, and a model that learnt from it takes raw queries. Shards that
    are there are passed over: after an interruption, run the same command again.

    \b
    Examples:
      crossbit extract pairs.csv --image pixels --text bow --to features/pairs
      crossbit extract pairs.csv --image efficientnet --text bow --to features/lite
      crossbit extract photos --image vgg19:vgg19-dcbb9e9d.pth --bad skip --to features/photos
      crossbit extract pairs.csv --image clip:openai/clip-vit-large-patch14 \\
        --text clip:openai/clip-vit-large-patch14 --dtype float16 --to features/clip
      crossbit extract pairs.csv --image vgg19:vgg19-dcbb9e9d.pth --image-set layer=conv5 \\
        --text bow --text-set max_words=2000 --dtype float16 --to features/maps
    """
    from crossbit.datasets.source import open_source
    from crossbit.features.extraction import extract
    from crossbit.features.items import texts_of
    from crossbit.features.named import named_encoder
    from crossbit.features.network import NetworkEncoder
    from crossbit.interrupt import stop_on_interrupt
    from crossbit.progress import Progress

    use_threads(threads)
    source = open_source(data, root, **assignments(option or [], "--option"))
    encoders = {
        view: named_encoder(name, view, scalars(settings or [], f"--{view}-set"), texts_of(source))
        for view, name, settings in (("image", image, image_set), ("text", text, text_set))
        if name is not None
    }
    for encoder in encoders.values():
        if isinstance(encoder, NetworkEncoder):
            encoder.device, encoder.batch = device, batch
    stop = threading.Event()
    with Progress("extract") as progress:

        def report(done: int, total: int, speed: float) -> None:
            figures = f"{speed:.0f} items/s"
            progress({"stage": "items", "epoch": done, "epochs": total, "figures": figures})

        def say(text: str) -> None:
            progress.say(text.replace("this epoch", "this batch"))

        with stop_on_interrupt(stop, say):
            outcome = extract(
                source,
                encoders,
                to,
                rows_per_shard=rows,
                dtype=dtype,  # type: ignore[arg-type]
                bad=bad,  # type: ignore[arg-type]
                batch=batch,
                threads=thread_count(threads),
                report=report,
                stop=stop,
            )
    if not outcome.finished:
        typer.echo(
            f"stopped after {outcome.done:,} items; run the same command again to go on", err=True
        )
        raise typer.Exit(130)
    _summary(outcome, to, list(encoders))


def _summary(outcome: Outcome, to: Path, views: list[str]) -> None:
    counts, seconds = outcome.counts, max(outcome.seconds, 1e-9)
    if outcome.pictures:
        speed = f"{outcome.seconds:.0f} s, {outcome.pictures / seconds:,.3g} images/s"
    elif outcome.done:
        speed = f"{outcome.seconds:.0f} s, {outcome.done / seconds:,.3g} items/s"
    else:
        speed = "all there before"
    typer.echo(
        f"{counts['rows']:,} of {counts['items']:,} items ({' and '.join(views)}), {speed}; "
        f"shards: {counts['shards']:,}"
    )
    if counts["bad"]:
        typer.echo(f"pictures that could not be read: {counts['bad']:,}, listed in {to}/bad.csv")
    if counts["left_out"]:
        typer.echo(f"items left out, with nothing to extract from: {counts['left_out']:,}")
    typer.echo(f"saved in {to}; next:")
    typer.echo(f"  crossbit fit {to}")
