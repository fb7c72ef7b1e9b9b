"""The README's blocks of what learns from raw pictures: HashGAN, DSH-GAN, and encoders."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks import dshgan, encoders, hashgan
from benchmarks.speed import attention_cost
from benchmarks.tables import Json, gap, mean, table
from crossbit.evaluation.tables import arrow

__all__ = ["attention_cost_block", "dshgan_block", "encoders_block", "hashgan_block"]


def hashgan_block(value: Json) -> str:
    """Return the game's figures, its differences from both ablations and what it attends to."""
    rows = []
    cells = list(dict.fromkeys((i["bits"], i["direction"]) for i in value["summaries"]))
    for bits, direction in cells:
        if direction != "mean":
            figures = _figures(value, "mirflickr", hashgan.FORMS, bits, direction)
            gaps = [
                gap(value, "mirflickr", hashgan.GAME, other, bits, direction)
                for other in (hashgan.WITHOUT, hashgan.STILL)
            ]
            rows.append([f"{arrow(direction)}, {bits} bits", *figures, *gaps])
    attended = [row for row in hashgan.shares(value) if row["label"] == hashgan.GAME]
    views = [name for name in attended[0] if name not in ("label", "bits")]
    share = ", ".join(
        f"{sum(row[view] for row in attended) / len(attended):.0%} of {view}s" for view in views
    )
    columns = ["", *hashgan.FORMS, "game − no attention", "game − no game"]
    return (
        f"**Attention** (MIRFlickr, 64 x 64 pixels and tags, MAP, mean of {_seeds(value)} seeds; "
        "paired differences with 95 % intervals; [details](results/hashgan.md)). Masks attend to "
        f"{share}:\n\n" + table(columns, rows)
    )


def attention_cost_block(value: Json) -> str:
    """Return how long training takes beside a plain loop of the same network."""
    times = {row["way"]: 1 / row["ratio"] for row in value["rows"]}
    return (
        f"**What the game of attention costs**: training takes {times[attention_cost.GAME]:.2f} "
        "times as long as a plain loop of the same network, and "
        f"{times[attention_cost.WITHOUT]:.2f} times without masks "
        "([details](results/attention_cost.md)).\n"
    )


def dshgan_block(value: Json) -> str:
    """Return DSH-GAN beside real pictures alone, and what a judge thinks of its pictures."""
    labels = list(dict.fromkeys(item["label"] for item in value["summaries"]))
    others = [label for label in labels if label != dshgan.OURS]
    rows = []
    for dataset, bits in dict.fromkeys((i["dataset"], i["bits"]) for i in value["summaries"]):
        figures = _figures(value, dataset, labels, bits, "image->image")
        gaps = [gap(value, dataset, dshgan.OURS, other, bits, "image->image") for other in others]
        rows.append([f"{dataset}, {bits} bits", *figures, *gaps])
    judged = "; ".join(
        f"{dataset}: {row['synthetic']:.0%} of synthetic pictures are taken for their class, and "
        f"{row['judge']:.0%} of real ones"
        for dataset, row in value["pictures"].items()
    )
    columns = ["", *labels, *(f"{dshgan.OURS} − {other}" for other in others)]
    return (
        f"**Synthetic pictures** ({dshgan.LABELLED:.0%} of the labels, image to image, MAP, mean "
        f"of {_seeds(value)} seeds; paired differences with 95 % intervals; [details, a sheet of "
        "the pictures](results/dshgan.md)). By a judge that saw real pictures alone, "
        f"{judged}. Real pictures alone are the labelled ones: a difference from them is what the "
        "game over unlabelled pictures and the synthetic ones in triplets add together:\n\n"
        + table(columns, rows)
    )


def encoders_block(value: Json) -> str:
    """Return what codes gain from pictures that a network has seen."""
    rows = []
    for dataset, how in encoders.ENCODERS.items():
        cells = [
            " / ".join(
                _figures(value, dataset, [label], encoders.BITS, direction)[0]
                for direction in ("image->text", "text->image")
            )
            for label in encoders.FORMS
        ]
        rows.append([how, *cells])
    return (
        f"**What pictures are encoded by** (MIRFlickr, {encoders.LABELLED:.0%} of the labels, "
        f"{encoders.BITS} bits, MAP {arrow('image->text')} / {arrow('text->image')}, mean of "
        f"{_seeds(value)} seeds; [details](results/encoders.md)):\n\n"
        + table(["", *encoders.FORMS], rows)
    )


def _figures(
    value: Json, dataset: str, labels: Iterable[str], bits: int, direction: str
) -> list[str]:
    found = [mean(value, dataset, label, bits, direction) for label in labels]
    return ["–" if item is None else f"{item['mean']:.3f}" for item in found]


def _seeds(value: Json) -> int:
    return int(max(item["seeds"] for item in value["summaries"]))
