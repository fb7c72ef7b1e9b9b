"""Tables I to III: MAP by method, direction and bits, in blocks, published figures below ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossbit.bench import published
from crossbit.bench.published import published_map
from crossbit.bench.render import MISSING, Entry, Line, Sheet
from crossbit.bench.results import RULES, Json
from crossbit.bench.standing import (
    BETTER,
    CHAMPION,
    LEVEL,
    RIVALS,
    Column,
    blocks_of,
    columns_of,
    leaders,
    paired,
    row_of,
    rows_of,
)
from crossbit.evaluation.tables import arrow
from crossbit.methods.base import DATABASE_CODINGS
from crossbit.metrics import Paired

__all__ = [
    "duel_sheet",
    "figure_entry",
    "groups_of",
    "label_of",
    "map_sheet",
    "name_entry",
    "published_lines",
    "published_note",
    "rule_notes",
]

TIMED_AT = 64  # bits
PUBLISHED = "†"
WORDS = ("method", "database codes", "learns from")
HAMMING = "Hamming distance"


def map_sheet(value: Json, dataset: str) -> Sheet:
    """Return the table of one dataset."""
    columns = columns_of(value, dataset)
    lines: list[Line] = []
    for block in blocks_of(value):
        part: list[Line] = []
        best = leaders(value, dataset, block, columns)
        for method in (m for m in block.methods if _belongs(value, dataset, m)):
            database_codings = [c for c in DATABASE_CODINGS if row_of(value, dataset, method, c)]
            for coding in database_codings or [""]:
                figures = [
                    figure_entry(row_of(value, dataset, method, coding, bits), direction)
                    for direction, bits in columns
                ]
                for at, mark in best.get((method, coding), {}).items():
                    figures[at] = Entry(figures[at].text, figures[at].beside, True, mark)
                words = _words(value, dataset, method, coding)
                seconds = Entry(_seconds(value, dataset, method, coding))
                part.append(Line("ours", (*words, *figures, seconds)))
            part += published_lines(dataset, method, columns, 4)
        if part:
            lines += [Line("block", (Entry(block.title),)), *part]
    title = published.DATASETS.get(dataset, dataset)
    number = published.TABLES.get(dataset)
    return Sheet(
        name=f"map-{dataset}",
        title=f"Table {number}: {title}" if number else title,
        caption=_caption(value, dataset),
        groups=[("", len(WORDS)), *groups_of(columns), ("", 1)],
        columns=[*WORDS, *(str(bits) for _, bits in columns), "fit, s"],
        lines=lines,
        words=len(WORDS),
        notes=[*published_note(dataset), *rule_notes(value, dataset)],
    )


def _belongs(value: Json, dataset: str, method: str) -> bool:
    """Return whether a method has a line: not if it was left out and has no published figures."""
    left_out = {item["what"] for item in value["skipped"]}
    if not left_out & {method, f"{method} on {dataset}"}:
        return True
    return any(published_map(dataset, method, *column) for column in columns_of(value, dataset))


def groups_of(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the heads over the columns: a direction over its lengths."""
    directions = [direction for direction, _ in columns]
    return [(arrow(d), directions.count(d)) for d in dict.fromkeys(directions)]


def figure_entry(row: Json | None, direction: str) -> Entry:
    """Return mean and standard deviation over seeds."""
    values = [] if row is None else row["map"].get(direction, [])
    if not values:
        return MISSING
    beside = f"± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return Entry(f"{np.mean(values):.3f}", beside)


def _words(value: Json, dataset: str, method: str, coding: str) -> tuple[Entry, Entry, Entry]:
    """Return method, database codes and what it learns from."""
    facts = value["methods"][method]
    name = name_entry(value, dataset, method, coding)
    if row_of(value, dataset, method, coding) is None:
        return name, MISSING, MISSING
    codes = DATABASE_CODINGS[coding].partition(":")[0]
    if facts["ranking"] != HAMMING:
        codes += f", {facts['ranking']}"
    return name, Entry(codes), Entry(facts["learns_from"])


def name_entry(value: Json, dataset: str, method: str, coding: str) -> Entry:
    """Return a method's name with the marks of the rules that it broke, and seeds that lack."""
    rows = [
        row for row in rows_of(value, dataset) if (row["method"], row["coding"]) == (method, coding)
    ]
    label, wanted = label_of(value, method), len(value["seeds"])
    seeds = min((len(row["seeds"]) for row in rows), default=wanted)
    if seeds < wanted:
        label += f" ({seeds} of {wanted} seeds)"
    broken = {rule for row in rows for rule in row["breaks"]}
    return Entry(label, mark="".join(RULES[rule][0] for rule in RULES if rule in broken))


def rule_notes(value: Json, dataset: str) -> list[tuple[str, str]]:
    """Return the footnotes of the rules that rows of a dataset broke."""
    broken = {rule for row in rows_of(value, dataset) for rule in row["breaks"]}
    return [RULES[rule] for rule in RULES if rule in broken]


def label_of(value: Json, method: str) -> str:
    """Return what tables call a method."""
    return str(value["methods"][method]["label"])


def _seconds(value: Json, dataset: str, method: str, coding: str) -> str:
    bits = TIMED_AT if TIMED_AT in value["bits"] else max(value["bits"])
    row = row_of(value, dataset, method, coding, bits)
    if row is None or row["fit_seconds"] is None:
        return MISSING.text
    seconds = row["fit_seconds"]
    if seconds < 0.1:
        return "< 0.1"
    return f"{seconds:,.1f}" if seconds < 10 else f"{seconds:,.0f}"


def published_lines(
    dataset: str, method: str, columns: Sequence[Column], others: int
) -> list[Line]:
    """Return the line of the paper's figures, if it has any for the method."""
    figures = [published_map(dataset, method, direction, bits) for direction, bits in columns]
    if all(figure is None for figure in figures):
        return []
    entries = [MISSING if figure is None else Entry(f"{figure:.3f}") for figure in figures]
    blank = [Entry("")] * (others - 1)
    head = (Entry("published", mark=PUBLISHED), *blank[:2])
    return [Line("published", (*head, *entries, *blank[2:]))]


def published_note(dataset: str) -> list[tuple[str, str]]:
    """Return the footnote of the paper's figures, if the dataset is one of its."""
    if dataset not in published.DATASETS:
        return []
    text = f"as published in {published.SOURCE}: of {published.FEATURES}; not comparable with ours"
    return [(PUBLISHED, text)]


def _caption(value: Json, dataset: str) -> str:
    seeds = len(value["seeds"])
    bits = TIMED_AT if TIMED_AT in value["bits"] else max(value["bits"])
    parts = [
        f"MAP of the full ranking, expected over ties, by direction and bits; mean ± standard "
        f"deviation over {seeds} seeds.",
        "In bold the best of a block among rows with the same database codes, which alone "
        f"compare; {BETTER} where it is above the next one by a paired t-test over seeds, "
        f"p < {LEVEL}.",
        f"Fit: seconds on one thread at {bits} bits.",
    ]
    found = value["datasets"].get(dataset)
    if found:
        split = found["split"]
        views = ", ".join(f"{view} {width:,}" for view, width in found["features"].items())
        floor = ", ".join(f"{arrow(d)} {v:.3f}" for d, v in found["random"].items())
        parts += [
            f"Features: {views}. Split: {split['train'] + split['validation']:,} pairs to learn "
            f"and to choose from, {split['labelled'] + split['validation']:,} of them labelled; "
            f"{split['query']:,} queries, {split['database']:,} items searched.",
            f"A random ranking has MAP {floor}.",
        ]
        if split["labelled"] + split["validation"] >= split["database"]:
            parts.append(
                "All items that are searched had their labels in training, so the codes that a "
                "method learnt from labels carry them."
            )
    else:
        parts.append("Not measured here: the data are not there.")
    return " ".join(parts)


def duel_sheet(value: Json, dataset: str) -> Sheet:
    """Return Dis, Dis+ and SCH-GAN with their paired differences: Table IV."""
    columns = columns_of(value, dataset)
    lines = []
    for method in (*RIVALS, CHAMPION):
        if method in value["methods"]:
            found = [row_of(value, dataset, method, "single", bits) for _, bits in columns]
            figures = [figure_entry(r, d) for r, (d, _) in zip(found, columns, strict=True)]
            lines.append(Line("ours", (name_entry(value, dataset, method, "single"), *figures)))
            lines += published_lines(dataset, method, columns, 1)
    lines.append(Line("block", (Entry("Paired differences, with 95 % intervals"),)))
    for rival in (r for r in RIVALS if r in value["methods"]):
        entries = []
        for direction, bits in columns:
            pair = paired(
                row_of(value, dataset, CHAMPION, "single", bits),
                row_of(value, dataset, rival, "single", bits),
                direction,
            )
            entries.append(MISSING if pair is None else _entry(pair))
        name = f"{label_of(value, CHAMPION)} − {label_of(value, rival)}"
        lines.append(Line("ours", (Entry(name), *entries)))
    title = published.DATASETS.get(dataset, dataset)
    return Sheet(
        name=f"duel-{dataset}",
        title=f"Table IV: Dis against SCH-GAN, {title}",
        caption="MAP, mean ± standard deviation over seeds; database codes per view. Dis is the "
        "discriminator of SCH-GAN trained by itself, Dis+ a strong network without a game. "
        "Differences are paired over seeds, with Student's t interval; in bold where it excludes "
        "zero.",
        groups=[("", 1), *groups_of(columns)],
        columns=["method", *(str(bits) for _, bits in columns)],
        lines=lines,
        words=1,
        notes=[*published_note(dataset), *rule_notes(value, dataset)],
    )


def _entry(pair: Paired) -> Entry:
    interval = f"[{pair.low:+.3f}, {pair.high:+.3f}]"
    return Entry(f"{pair.mean:+.3f}", interval, bold=pair.low > 0 or pair.high < 0)
