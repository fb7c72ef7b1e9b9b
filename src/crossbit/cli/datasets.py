"""`crossbit datasets`: which data there are, and what one of them holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.cli.options import AsJson, Root, assignments

if TYPE_CHECKING:
    from crossbit.corpus import Corpus

__all__ = ["command"]


def command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A dataset, a folder or a table to look into."),
    ] = None,
    root: Root = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the dataset; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the datasets, or check one.

    \b
    Examples:
      crossbit datasets
      crossbit datasets glyphs
      crossbit datasets wikipedia --root data
      crossbit datasets pairs.csv --option images=photos
    """
    from crossbit import datasets

    if name is None:
        lines = {key: datasets.describe(key) for key in datasets.names()}
        if as_json:
            typer.echo(json.dumps(lines))
            return
        for key, text in lines.items():
            typer.echo(f"{key:<10} {text}")
        typer.echo(
            "Your own: a folder with image.npy, text.npy and labels.npy, one of `crossbit extract` "
            "or clip-retrieval, or a .csv, .tsv or .jsonl table."
        )
        return
    corpus = datasets.load(name, root, **assignments(option or [], "--option"))
    facts = _facts(corpus)
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else _text(facts))


def _facts(corpus: Corpus) -> dict[str, Any]:
    counts = {}
    if corpus.labels is not None:
        sizes = corpus.require_labels().sum(axis=0).A1.tolist()
        names = list(corpus.label_names) or [str(k) for k in range(len(sizes))]
        counts = {str(key): int(size) for key, size in zip(names, sizes, strict=True)}
    return {
        "name": corpus.name,
        "items": len(corpus),
        "labelled": int(corpus.labelled.sum()),
        "views": corpus.dims,
        "lacking": {view: int((~corpus.has(view)).sum()) for view in corpus.present},
        "raw": sorted(view for view in corpus.encoders),
        "labels": counts,
    }


def _text(facts: dict[str, Any]) -> str:
    lacking = {view: f", {count:,} items lack it" for view, count in facts["lacking"].items()}
    views = ", ".join(
        f"{view} ({width:,} numbers{', raw queries' if view in facts['raw'] else ''}"
        f"{lacking.get(view, '')})"
        for view, width in facts["views"].items()
    )
    ranked = sorted(facts["labels"].items(), key=lambda pair: -pair[1])
    labels = ", ".join(f"{name} {count:,}" for name, count in ranked[:30])
    more = f" and {len(ranked) - 30} more" if len(ranked) > 30 else ""
    return "\n".join(
        [
            f"{facts['name']}: {facts['items']:,} items, {facts['labelled']:,} of them labelled",
            f"views: {views}",
            f"labels ({len(ranked)}): {labels}{more}" if ranked else "labels: none",
        ]
    )
