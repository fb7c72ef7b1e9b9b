"""The figures of a grid as tidy CSV: one to a line, with everything that names it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from crossbit.bench.results import short_name
from crossbit.bench.rules import Run
from crossbit.evaluation.report import Report

__all__ = ["COLUMNS", "csv_text"]

COLUMNS = (
    "dataset",
    "method",
    "coding",
    "ranking",
    "learns_from",
    "bits",
    "seed",
    "direction",
    "metric",
    "at",
    "value",
    "split",
    "cell",
)


def csv_text(runs: Sequence[Run]) -> str:
    """Return a line for every figure: MAP and its bounds, precision of the first n, seconds."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        report = run.report
        head = (
            short_name(run.cell.plan.data),
            report.method,
            run.coding,
            report.ranking,
            report.learns_from,
            report.bits,
            report.seed,
        )
        tail = (report.split["hash"][:12], run.cell.key)
        for figure in _figures(report):
            writer.writerow((*head, *figure, *tail))
    return stream.getvalue()


def _figures(report: Report) -> Iterator[tuple[str, str, int | str, float]]:
    """Yield direction, metric, place and value."""
    for name, found in report.directions.items():
        for kind in ("expected", "best", "worst"):
            yield name, f"map_{kind}", "", getattr(found.map, kind)
        yield name, "map_random", "", found.random_map
        for n, share in found.precision_at.items():
            yield name, "precision_at", n, share
    for stage, seconds in report.seconds.items():
        yield "", f"seconds_{stage}", "", seconds
