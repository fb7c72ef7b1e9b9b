"""The page of the label curves: means by fraction, paired differences, and where they are sure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.outcomes import missing_lines
from benchmarks.seeds import Figures, by_seed, difference, paired, spread
from benchmarks.tables import Json, footer, table
from crossbit.bench import published
from crossbit.metrics import Paired

__all__ = ["OURS", "block", "percent", "render", "title"]

OURS = "SCH-GAN"
CLAIMED = (0.01, 0.25)  # where the sentences look
REFUSED = "†"
# Every seed and share has a split of its own: too many to be listed.
SPLITS = ("- Splits: the hash of each stands beside its run",)


def render(value: Json) -> str:
    """Return the result as Markdown."""
    seeds, few = len(value["seeds"]), _percents(value)
    parts = [
        "# How many labels\n",
        f"{value['bits']} bits; MAP, mean of both directions, by the share of the rows outside the "
        "queries whose labels are known: a fifth of these chooses the model and the rest trains "
        "it, all other training rows have no labels. Mean ± standard deviation over "
        f"{seeds} seeds, which draw the labels; the queries are the same for all seeds and shares, "
        "as in [semisupervised.md](semisupervised.md). Databases are coded per view; they "
        "are the training rows, so at 100 % every item had its labels in training. A number in "
        f"brackets behind a figure: it is of so many seeds, the others lack. {REFUSED}: the method "
        "refused such a split. In bold the best of a column.\n",
        "![MAP over the share of labels, a panel for each data set](curves.svg)\n",
        *(f"{sentence}\n" for sentence in _sentences(value)),
        *missing_lines(value),
    ]
    for dataset in value["datasets"]:
        parts += [f"## {title(dataset)}\n", table(["", *few], list(_rows(value, dataset)))]
        gaps = list(_differences(value, dataset))
        if gaps:
            parts += [
                "Paired differences over seeds, with 95 % t intervals; the best other is the one "
                "with the highest mean at that share:\n",
                table(["", *few], gaps),
            ]
    parts += ["## Where the figures come from\n", footer(value, SPLITS)]
    return "\n".join(parts)


def block(value: Json) -> str:
    """Return the README's block: the picture, and SCH-GAN beside the best other at each share."""
    rows = []
    for dataset in value["datasets"]:
        cells = []
        for fraction in value["fractions"]:
            ours = _figures(value, dataset, OURS, fraction)
            rival = _best_other(value, dataset, fraction)
            text = f"{np.mean(list(ours.values())):.3f}" if ours else "–"
            if ours and rival:
                found = paired(ours, _figures(value, dataset, rival, fraction))
                text += (
                    f", {difference(found, len(value['seeds']))} against {rival}" if found else ""
                )
            cells.append(text)
        rows.append([title(dataset), *cells])
    return (
        f"**From 1 % of the labels to all**, {value['bits']} bits (MAP of {OURS}, mean of both "
        f"directions and {len(value['seeds'])} seeds; then its paired difference from the best "
        "other method there, with the 95 % interval; a number in brackets behind it: it is of so "
        "many seeds; [every method](results/curves.md)):\n\n"
        "![MAP over the share of labels, a panel for each data set](results/curves.svg)\n\n"
        + table(["", *_percents(value)], rows)
        + "".join(f"\n{sentence}\n" for sentence in _sentences(value))
    )


def percent(fraction: float) -> str:
    """Return "5 %"."""
    return f"{100 * fraction:g} %"


def title(dataset: str) -> str:
    """Return what tables call a data set."""
    return published.DATASETS.get(dataset, dataset)


def _sentences(value: Json) -> Iterator[str]:
    """Say for each data set where, of 1 to 25 %, SCH-GAN surely differs from the best other."""
    low, high = CLAIMED
    for dataset in value["datasets"]:
        places: dict[str, list[str]] = {"above": [], "below": [], "open": [], "unknown": []}
        for fraction in (f for f in value["fractions"] if low <= f <= high):
            places[_standing(_pair_with_best(value, dataset, fraction))].append(percent(fraction))
        told = [
            f"{words} {', '.join(places[name])}"
            for name, words in (
                ("above", "lies above zero at"),
                ("below", "lies below zero at"),
                ("open", "holds zero at"),
                ("unknown", "is not known yet at"),
            )
            if places[name]
        ]
        if told:
            yield (
                f"{title(dataset)}, {percent(low)} to {percent(high)} of the labels: the interval "
                f"of {OURS} − best other {'; '.join(told)}."
            )


def _standing(pair: Paired | None) -> str:
    if pair is None:
        return "unknown"
    return "above" if pair.low > 0 else "below" if pair.high < 0 else "open"


def _rows(value: Json, dataset: str) -> Iterator[list[str]]:
    fractions = value["fractions"]
    best = {}
    for fraction in fractions:
        found = [_figures(value, dataset, label, fraction) for label in value["labels"]]
        best[fraction] = max((_mean(figures) for figures in found if figures), default=None)
    yield ["labels that train + choose", *(_labels(value, dataset, f) for f in fractions)]
    for label in value["labels"]:
        cells = []
        for fraction in fractions:
            figures = _figures(value, dataset, label, fraction)
            leads = bool(figures) and _mean(figures) == best[fraction]
            place = {"label": label, "dataset": dataset, "fraction": fraction}
            refused = any(place.items() <= item.items() for item in value["refused"])
            text = spread(figures, len(value["seeds"]), bold=leads)
            cells.append(f"{text} {REFUSED}" if refused else text)
        yield [label, *cells]


def _differences(value: Json, dataset: str) -> Iterator[list[str]]:
    seeds = len(value["seeds"])
    cells = []
    for fraction in value["fractions"]:
        text = difference(_pair_with_best(value, dataset, fraction), seeds)
        cells.append(text if text == "–" else f"{text} {_best_other(value, dataset, fraction)}")
    if any(cell != "–" for cell in cells):
        yield [f"{OURS} − best other", *cells]
    for label in (label for label in value["labels"] if label != OURS):
        cells = [
            difference(_pair(value, dataset, label, fraction), seeds)
            for fraction in value["fractions"]
        ]
        if any(cell != "–" for cell in cells):
            yield [f"{OURS} − {label}", *cells]


def _pair(value: Json, dataset: str, label: str, fraction: float) -> Paired | None:
    ours = _figures(value, dataset, OURS, fraction)
    return paired(ours, _figures(value, dataset, label, fraction))


def _pair_with_best(value: Json, dataset: str, fraction: float) -> Paired | None:
    rival = _best_other(value, dataset, fraction)
    return _pair(value, dataset, rival, fraction) if rival else None


def _best_other(value: Json, dataset: str, fraction: float) -> str:
    """Return the method with the highest mean beside SCH-GAN; empty if none was measured."""
    means = {
        label: np.mean(list(found.values()))
        for label in value["labels"]
        if label != OURS and (found := _figures(value, dataset, label, fraction))
    }
    return max(means, key=means.__getitem__, default="")


def _figures(value: Json, dataset: str, label: str, fraction: float) -> Figures:
    return by_seed(value, "mean", dataset=dataset, label=label, fraction=fraction)


def _mean(figures: Figures) -> float:
    return round(float(np.mean(list(figures.values()))), 3)


def _labels(value: Json, dataset: str, fraction: float) -> str:
    """Return how many labelled rows train and choose."""
    for run in value["runs"]:
        if (run["dataset"], run["fraction"]) == (dataset, fraction):
            return f"{run['split']['labelled']:,} + {run['split']['validation']:,}"
    return "–"


def _percents(value: Json) -> list[str]:
    return [percent(fraction) for fraction in value["fractions"]]
