"""Runs over several seeds as one table, with paired differences between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossbit.errors import DataError, suggest
from crossbit.evaluation.report import Report
from crossbit.evaluation.tables import arrow
from crossbit.metrics import Paired, paired_difference

__all__ = ["Comparison", "Difference", "Summary", "compare"]

MEAN = "mean"


@dataclass(frozen=True)
class Summary:
    """MAP of one label on one data set at one length, over seeds.

    Attributes
    ----------
    dataset, label, bits
        What was measured.
    direction : str
        "image->text", ..., or "mean" for the mean over directions.
    mean : float
        Of the expected MAP.
    std : float or None
        Sample standard deviation over seeds; None for one seed.
    seeds : int
    """

    dataset: str
    label: str
    bits: int
    direction: str
    mean: float
    std: float | None
    seeds: int


@dataclass(frozen=True)
class Difference:
    """How much better one label is than another on the same seeds.

    Attributes
    ----------
    dataset, bits, direction
        What was compared.
    label, against : str
        The difference is label - against.
    over : "seeds" or "queries"
        What the pairs are. Queries (of the only common seed) say nothing about other seeds.
    paired : Paired
    """

    dataset: str
    bits: int
    direction: str
    label: str
    against: str
    over: str
    paired: Paired


@dataclass(frozen=True)
class Comparison:
    """Summaries of all runs and the differences asked for."""

    summaries: list[Summary]
    differences: list[Difference]

    def markdown(self, digits: int = 3) -> str:
        """Return both tables as Markdown, best means of a column in bold."""
        parts = [self.summary_table(digits)]
        if self.differences:
            parts.append(self.difference_table(digits))
        return "\n".join(parts)

    def summary_table(self, digits: int = 3) -> str:
        """Return the means as Markdown, the best of a column in bold."""
        directions = list(dict.fromkeys(item.direction for item in self.summaries))
        head = ["data", "bits", "run", *map(arrow, directions), "seeds"]
        lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        table = {(s.dataset, s.bits, s.label, s.direction): s for s in self.summaries}
        best: dict[tuple[str, int, str], float] = {}
        for item in self.summaries:
            place = (item.dataset, item.bits, item.direction)
            best[place] = max(best.get(place, 0.0), round(item.mean, digits))
        for dataset, bits, label in dict.fromkeys(key[:3] for key in table):
            cells = []
            for direction in directions:
                found = table.get((dataset, bits, label, direction))
                bold = found and round(found.mean, digits) == best[dataset, bits, direction]
                cells.append(_mean_text(found, digits, bool(bold)))
            seeds = next(s.seeds for key, s in table.items() if key[:3] == (dataset, bits, label))
            lines.append(f"| {dataset} | {bits} | {label} | {' | '.join(cells)} | {seeds} |")
        return "\n".join(lines) + "\n"

    def difference_table(self, digits: int = 3) -> str:
        """Return the differences as Markdown; there must be some."""
        head = ["data", "bits", "direction", "difference", "mean", "95 % t interval"]
        level = self.differences[0].paired.level
        head[-1] = f"{100 * level:g} % t interval"
        head += ["bootstrap interval", "p", "pairs"]
        lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        for item in self.differences:
            pair = item.paired
            cells = [
                item.dataset,
                str(item.bits),
                arrow(item.direction),
                f"{item.label} - {item.against}",
                f"{pair.mean:+.{digits}f}",
                f"{pair.low:+.{digits}f} to {pair.high:+.{digits}f}",
                f"{pair.bootstrap_low:+.{digits}f} to {pair.bootstrap_high:+.{digits}f}",
                f"{pair.p:.2g}",
                f"{pair.pairs:,} {item.over}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


def compare(
    reports: Sequence[Report],
    pairs: Sequence[tuple[str, str]] = (),
    *,
    level: float = 0.95,
) -> Comparison:
    """Summarise reports over seeds, and test differences between labels on common seeds.

    Parameters
    ----------
    reports : sequence of Report
        Any labels, data sets, lengths and seeds.
    pairs : sequence of (label, label)
        Each gives one difference per data set, length and direction where both were measured.
        Pairs are the seeds both have; with one common seed they are its queries.
    level : float
        Coverage of the intervals.

    Raises
    ------
    DataError
        If a run comes twice, a label is unknown, two labels have nothing in common to be paired,
        or were measured on different splits with one seed.
    """
    runs: dict[tuple[str, int, str], dict[int, Report]] = {}
    for report in reports:
        seeds = runs.setdefault((report.dataset, report.bits, report.label), {})
        if report.seed in seeds:
            raise DataError(
                f"{report.label} on {report.dataset} with {report.bits} bits and seed "
                f"{report.seed} comes twice; give different runs different labels"
            )
        seeds[report.seed] = report
    summaries = [
        _summary(key, direction, list(seeds.values()))
        for key, seeds in runs.items()
        for direction in _directions(next(iter(seeds.values())))
    ]
    labels = {report.label for report in reports}
    differences = []
    for label, against in pairs:
        for name in (label, against):
            if name not in labels:
                raise DataError(f"no report is labelled {name!r}{suggest(name, labels)}")
        places = dict.fromkeys((data, bits) for data, bits, _ in runs)
        common = [p for p in places if (*p, label) in runs and (*p, against) in runs]
        if not common:
            raise DataError(
                f"{label} and {against} were never measured on the same data with the same bits"
            )
        for place in common:
            differences += _differences(runs[*place, label], runs[*place, against], level)
    return Comparison(summaries, differences)


def _summary(key: tuple[str, int, str], direction: str, reports: list[Report]) -> Summary:
    values = np.array([_map(report, direction) for report in reports])
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    dataset, bits, label = key
    return Summary(dataset, label, bits, direction, float(values.mean()), std, len(values))


def _differences(a: dict[int, Report], b: dict[int, Report], level: float) -> list[Difference]:
    seeds = sorted(a.keys() & b.keys())
    some = next(iter(a.values()))
    against = next(iter(b.values()))
    if not seeds:
        raise DataError(
            f"{some.label} and {against.label} on {some.dataset} have no seed in common, so "
            "nothing can be paired; run both with the same seeds"
        )
    for seed in seeds:
        if a[seed].split.get("hash") != b[seed].split.get("hash"):
            raise DataError(
                f"{some.label} and {against.label} on {some.dataset} used different splits with "
                f"seed {seed}; their difference would be one of splits, so use one split"
            )
    found = []
    for direction in [name for name in _directions(some) if name in _directions(against)]:
        if len(seeds) > 1:
            left = [_map(a[seed], direction) for seed in seeds]
            right = [_map(b[seed], direction) for seed in seeds]
        else:
            mine, other = _query_ap(a[seeds[0]], direction), _query_ap(b[seeds[0]], direction)
            asked = ~np.isnan(mine)  # one split: the same queries cannot ask in both
            left, right = mine[asked].tolist(), other[asked].tolist()
        found.append(
            Difference(
                dataset=some.dataset,
                bits=some.bits,
                direction=direction,
                label=some.label,
                against=against.label,
                over="seeds" if len(seeds) > 1 else "queries",
                paired=paired_difference(left, right, level=level),
            )
        )
    return found


def _directions(report: Report) -> list[str]:
    names = list(report.directions)
    return [*names, MEAN] if len(names) > 1 else names


def _map(report: Report, direction: str) -> float:
    return report.mean_map if direction == MEAN else report.map[direction].expected


def _query_ap(report: Report, direction: str) -> np.ndarray:
    if direction != MEAN:
        return report.directions[direction].query_ap
    parts = [found.query_ap for found in report.directions.values()]
    return np.asarray(np.nanmean(parts, axis=0))  # over the directions that a query asks in


def _mean_text(found: Summary | None, digits: int, bold: bool) -> str:
    if found is None:
        return "–"
    mean = f"{found.mean:.{digits}f}"
    text = f"**{mean}**" if bold else mean
    return text if found.std is None else f"{text} ± {found.std:.{digits}f}"
