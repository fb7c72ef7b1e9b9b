"""The page of the unsupervised methods: a table for each data set, differences, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.outcomes import missing_lines
from benchmarks.seeds import Figures, by_seed, difference, paired, spread
from benchmarks.tables import Json, footer, table
from crossbit.bench import published
from crossbit.evaluation.tables import arrow
from crossbit.methods.base import DATABASE_CODINGS

__all__ = ["OURS", "block", "render"]

OURS = "UGACH"
CLASSICAL = ("CVH", "PDH", "CMFH", "CCQ")
YARDSTICK = "UCCH"
DIRECTIONS = ("image->text", "text->image")
TIMED_AT = 64  # bits

Column = tuple[str, int]  # direction and bits


def render(value: Json) -> str:
    """Return the result as Markdown."""
    seeds = len(value["seeds"])
    parts = [
        "# No labels at all\n",
        f"MAP by direction and bits, mean ± standard deviation over {seeds} seeds; a number in "
        "brackets behind a figure: it is of so many seeds, the others lack. No method sees a "
        "label; validation rows train with the others. Queries and splits are those of the paper's "
        "grid ([paper.md](paper.md)). In bold the best of a column among databases coded per view. "
        f"Fit: mean seconds on one thread at {TIMED_AT} bits.\n",
        f"{verdict(value)}\n",
    ]
    parts += missing_lines(value)
    for dataset in value["datasets"]:
        parts.append(f"## {_title(dataset)}\n")
        parts += _tables(value, dataset)
        gaps = _differences(value, dataset)
        if gaps:
            parts += [
                "Paired differences over seeds, with 95 % t intervals:\n",
                table(["", *_heads(value)], gaps),
            ]
    parts += ["## Where the figures come from\n", footer(value, _splits(value))]
    return "\n".join(parts)


def verdict(value: Json) -> str:
    """Return in how many columns UGACH is above the others, in one sentence."""
    columns = [(data, column) for data in value["datasets"] for column in _columns(value)]
    whole = len(columns)
    told = []
    for what, rivals in (
        (f"all of {', '.join(CLASSICAL[:-1])} and {CLASSICAL[-1]}", CLASSICAL),
        (YARDSTICK, (YARDSTICK,)),
    ):
        above = sure = measured = 0
        for data, column in columns:
            ours = _figures(value, data, OURS, column)
            others = [_figures(value, data, rival, column) for rival in rivals]
            gaps = [_gap(ours, other) for other in others]
            if any(gap is None for gap in gaps):
                continue
            measured += 1
            above += all(gap is not None and gap > 0 for gap in gaps)
            pairs = [paired(ours, other) for other in others]
            sure += all(pair is not None and pair.low > 0 for pair in pairs)
        if measured:
            scope = f"{whole}" if measured == whole else f"the {measured} measured of {whole}"
            told.append(f"above {what} in {above} of {scope} columns, surely in {sure}")
        else:
            told.append(f"not yet compared with {what}")
    return (
        f"{OURS} is {', and '.join(told)} (a column: one data set, direction and length; surely: "
        "the 95 % interval of every such difference lies above zero)."
    )


def block(value: Json) -> str:
    """Return the README's block: all methods at one length, coded per view."""
    bits = TIMED_AT if TIMED_AT in value["bits"] else max(value["bits"])
    rows = []
    for label in value["labels"]:
        cells = []
        for dataset in value["datasets"]:
            found = [_figures(value, dataset, label, (d, bits)) for d in DIRECTIONS]
            means = [f"{np.mean(list(f.values())):.3f}" if f else "–" for f in found]
            few = min(map(len, found))
            mark = "" if few in (0, len(value["seeds"])) else f", {few} of {len(value['seeds'])}"
            cells.append(" / ".join(means) + (f"{mark} seeds" if mark else ""))
        rows.append([f"**{label}**" if label == OURS else label, *cells])
    return (
        f"**No labels**, {bits} bits (MAP {arrow(DIRECTIONS[0])} / {arrow(DIRECTIONS[1])}, mean of "
        f"{len(value['seeds'])} seeds, databases coded per view; [all lengths, codings and "
        f"differences](results/unsupervised.md)). {verdict(value)}\n\n"
        + table(["", *map(_title, value["datasets"])], rows)
    )


def _tables(value: Json, dataset: str) -> Iterator[str]:
    """Yield the table of databases coded per view, then the other codings, never mixed."""
    columns = _columns(value)
    best = {}
    for column in columns:
        found = [_figures(value, dataset, label, column) for label in value["labels"]]
        best[column] = max((_shown(figures) for figures in found if figures), default=None)
    others = []
    rows = []
    for label in value["labels"]:
        for coding in DATABASE_CODINGS:
            figures = {c: _figures(value, dataset, label, c, coding) for c in columns}
            if coding == "single":
                cells = [_cell(value, figures[c], best[c]) for c in columns]
                rows.append([label, *cells, _seconds(value, dataset, label)])
            elif any(figures.values()):
                cells = [_cell(value, figures[c], None) for c in columns]
                others.append([label, DATABASE_CODINGS[coding].partition(":")[0], *cells])
    yield table(["single", *_heads(value), "fit, s"], rows)
    if others:
        yield "Databases coded otherwise, not to be compared with the rows above:\n"
        yield table(["", "database codes", *_heads(value)], others)


def _differences(value: Json, dataset: str) -> list[list[str]]:
    rows = []
    for label in value["labels"]:
        if label == OURS:
            continue
        pairs = [
            paired(_figures(value, dataset, OURS, c), _figures(value, dataset, label, c))
            for c in _columns(value)
        ]
        if any(pairs):
            cells = [difference(pair, len(value["seeds"])) for pair in pairs]
            rows.append([f"{OURS} − {label}", *cells])
    return rows


def _figures(
    value: Json, dataset: str, label: str, column: Column, coding: str = "single"
) -> Figures:
    direction, bits = column
    return by_seed(value, direction, dataset=dataset, label=label, bits=bits, coding=coding)


def _gap(a: Figures, b: Figures) -> float | None:
    """Return the mean difference over common seeds, None if there are none."""
    common = a.keys() & b.keys()
    return float(np.mean([a[seed] - b[seed] for seed in sorted(common)])) if common else None


def _cell(value: Json, figures: Figures, best: float | None) -> str:
    leads = bool(figures) and best is not None and _shown(figures) == best
    return spread(figures, len(value["seeds"]), bold=leads)


def _shown(figures: Figures) -> float:
    return round(float(np.mean(list(figures.values()))), 3)


def _seconds(value: Json, dataset: str, label: str) -> str:
    found = [
        run["fit_seconds"]
        for run in value["runs"]
        if (run["dataset"], run["label"], run["bits"]) == (dataset, label, TIMED_AT)
        and run["coding"] == "single"
        and run["fit_seconds"] is not None
    ]
    return f"{np.mean(found):,.1f}" if found else "–"


def _columns(value: Json) -> list[Column]:
    return [(direction, bits) for direction in DIRECTIONS for bits in value["bits"]]


def _heads(value: Json) -> list[str]:
    return [f"{arrow(direction)} {bits}" for direction, bits in _columns(value)]


def _splits(value: Json) -> list[str]:
    """Return what the splits hold; the labels that they name are hidden from these methods."""
    lines = []
    for dataset in value["datasets"]:
        runs = [run for run in value["runs"] if run["dataset"] == dataset]
        hashes = {run["seed"]: run["split"]["hash"][:12] for run in runs}
        for split in (run["split"] for run in runs[:1]):
            prints = ", ".join(f"{seed}: {text}" for seed, text in sorted(hashes.items()))
            lines.append(
                f"- {dataset}: {split['train'] + split['validation']:,} training pairs without "
                f"labels, {split['query']:,} queries, {split['database']:,} in the database; "
                f"split hash by seed {prints}"
            )
    return lines


def _title(dataset: str) -> str:
    return published.DATASETS.get(dataset, dataset)
